"""What the description of the API says beyond the routes' own types: refusals and examples.

Law: every status that a route may answer with is in its description, each refusal as a problem.
"""

from typing import Any, Final, cast

import msgspec
from litestar.openapi.spec import (
    OpenAPI,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    PathItem,
    Reference,
    RequestBody,
    Schema,
)

from postroom_api.http.problems import TITLES, Problem

_ALWAYS: Final = (400, 401, 403, 429, 500, 503)
_NAMING: Final = (404, 409, 410)
"""Where something is named, in the path or in the body."""
_EXAMPLES: Final[dict[str, Any]] = {
    "createForum": {"name": "Garden club", "address": "garden@example.org"},
    "addMember": {"email": "ben@example.com", "name": "Ben"},
    "createTopic": {"subject": "Tomatoes", "text": "When do they go out?"},
    "createPost": {"text": "Not before the ice saints."},
    "createMailbox": {
        "name": "Support",
        "source": {"type": "smtp", "addresses": ["support@example.org"]},
    },
    "changeMailbox": {"limits": {"keep_days": 30}},
    "createRule": {
        "name": "Invoices",
        "condition": {
            "kind": "test",
            "field": "subject",
            "operator": "contains",
            "values": ["invoice"],
        },
        "actions": [{"kind": "add_tag", "tag": "invoice"}],
    },
    "changeRule": {"active": False},
    "createService": {
        "name": "House mail",
        "imap": {"host": "imap.example.org"},
        "domains": ["example.org"],
    },
    "createSuppression": {"address": "ben@example.net", "words": "he asked for it"},
    "inviteUser": {"email": "anna@example.org", "name": "Anna"},
    "changeUser": {"state": "deactivated"},
    "holdDestination": {"domain": "example.net"},
    "changeSmtp": {"open": False},
    "createToken": {"name": "reading list", "scopes": ["forums:read"], "expires_in_days": 90},
}


def complete(description: OpenAPI) -> None:
    """Add what is missing, in place; twice is as once."""
    (reference,), schemas = msgspec.json.schema_components(
        [Problem], ref_template="#/components/schemas/{name}"
    )
    if description.components.schemas is None:
        description.components.schemas = {}
    # Plain values pass through where litestar writes its own objects out.
    description.components.schemas.update(cast("dict[str, Schema]", schemas))
    content = {"application/problem+json": OpenAPIMediaType(schema=Reference(reference["$ref"]))}
    description.components.responses = {
        f"Problem{status}": OpenAPIResponse(words, content=content)
        for status, words in TITLES.items()
    }
    for path, item in (description.paths or {}).items():
        if path.startswith("/api/"):
            _complete_path(path, item)


def _complete_path(path: str, item: PathItem) -> None:
    for method in ("get", "post", "put", "patch", "delete"):
        operation: Operation | None = getattr(item, method)
        if operation is None:
            continue
        responses = operation.responses = operation.responses or {}
        for status in _refusals(path, method, operation):
            responses[str(status)] = Reference(f"#/components/responses/Problem{status}")
        example = _EXAMPLES.get(operation.operation_id or "")
        body = operation.request_body
        if example is not None and isinstance(body, RequestBody):
            for media in body.content.values():
                media.example = example


def _refusals(path: str, method: str, operation: Operation) -> list[int]:
    found = [*_ALWAYS]
    if "{" in path or operation.request_body is not None:
        found += _NAMING
    if operation.request_body is not None or operation.parameters:
        found.append(422)
    if operation.request_body is not None:
        found.append(413)
    if method == "post":
        found += [409, 422]  # Idempotency-Key
    if method in {"patch", "put", "delete"}:
        found += [409, 412]
    return sorted(set(found))
