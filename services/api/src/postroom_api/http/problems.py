"""Errors as RFC 9457 problem details, and as pages for people."""

from typing import Any, Final
from urllib.parse import quote

import msgspec
import structlog
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException, NotAuthorizedException, ValidationException
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect

from postroom_api.domain.cursors import CursorError
from postroom_api.domain.needed import refused
from postroom_api.ports import LinkUsedError, NulError, ServiceProblemError, StaleError, TakenError
from postroom_runtime.errors import DatabaseDownError, UnavailableError

RETRY_SECONDS: Final = 5
TITLES: Final = {
    400: "The request cannot be understood",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    409: "In conflict with what is there",
    410: "No longer there",
    412: "Changed meanwhile",
    413: "Too large",
    422: "Not valid",
    429: "Too many requests",
    500: "Our fault",
    503: "Not available at the moment",
}


PROBLEMS: Final = {
    "not_found": "There is nothing under this address, or it is not yours to see.",
    "invalid": "Fields of the request are not valid; `errors` names each with a JSON pointer.",
    "taken": "The address, domain or user already belongs to something else.",
    "stale": "It is no longer what `If-Match` names: somebody changed it. Read it again.",
    "conflict": "The request contradicts what is there.",
    "unavailable": "A part of Postroom does not answer now. Repeat after `Retry-After` seconds.",
    "bad_cursor": "The cursor was not made by this server. Begin again without one.",
    "raw_gone": "It is past its keep days, its mailbox keeps none, or its store was replaced.",
    "unreadable": "Reading the mail takes more than a mail may; its source can be downloaded.",
    "forbidden": "It is there, but not yours to do: ask those who run the forum.",
    "administrators_only": "Only administrators may do this.",
    "scope_missing": "The token is not for this; `detail` names the scope that is needed.",
    "too_many_attempts": "Too many attempts in a short time. Wait, then try again.",
    "read_only": "The mailbox is shared with you for reading only.",
    "bad_idempotency_key": "The Idempotency-Key is empty, too long, or not printable.",
    "idempotency_mismatch": "The Idempotency-Key was used for another request within a day.",
    "idempotency_running": "The first request with this Idempotency-Key has not ended yet.",
    "too_many_requests": "Slow down: `RateLimit` says what is left, `Retry-After` when to go on.",
    "link_used": "The connect link was used before, is too old, or is for somebody else.",
    "limit": "There are as many as there may be; an administrator sets how many.",
    "foreign_site": "A browser sent this request from another site.",
    "internal": "A fault of ours; the log has it under the request id in `instance`.",
    "http": "See the status code (RFC 9110).",
}
"""Every `code`, with what it means: what `type` resolves to."""


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field; `pointer` is a JSON pointer (RFC 6901)."""

    pointer: str
    code: str
    detail: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of every error answer."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str
    errors: list[FieldError] = []


class ProblemError(Exception):
    """An error to be answered as it is."""

    def __init__(
        self, status: int, code: str, detail: str, errors: list[FieldError] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors or []


def not_found(what: str) -> ProblemError:
    """Return the error for something that is not there (or not yours: the same)."""
    return ProblemError(404, "not_found", f"There is no {what} here.")


def invalid(field: str, code: str, detail: str) -> ProblemError:
    """Return the error for one wrong field of the body."""
    return ProblemError(422, "invalid", detail, [FieldError(f"/{field}", code, detail)])


_FORUM_STATUS: Final = {
    "not_found": 404, "forbidden": 403, "conflict": 409, "stale": 412, "invalid": 422,
    "unavailable": 503,
}  # fmt: skip


_PLAIN: Final[dict[type[Exception], tuple[int, str, str]]] = {
    StaleError: (412, "stale", "It was changed since you read it: read it again."),
    LinkUsedError: (410, "link_used", "This link was used before, or is too old."),
    NulError: (422, "invalid", "A text holds a NUL, which none here may."),
}
"""Errors whose answer is always the same."""


def _understood(error: Exception, handler: Any = None) -> ProblemError:  # noqa: PLR0911 - a table of types
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, ServiceProblemError):
        status = _FORUM_STATUS[error.problem.code]
        return ProblemError(status, error.problem.code, error.problem.detail)
    if type(error) in _PLAIN:
        return ProblemError(*_PLAIN[type(error)])
    if isinstance(error, TakenError):
        return ProblemError(409, "taken", str(error), [FieldError("/address", "taken", str(error))])
    if isinstance(error, UnavailableError | TimeoutError):
        return ProblemError(503, "unavailable", f"{_sentence(error)} Nothing is lost; try again.")
    if isinstance(error, CursorError):
        return ProblemError(400, "bad_cursor", str(error))
    if isinstance(error, ValidationException):
        found = _fields(error, handler)
        words = " ".join(f"{one.pointer or 'the body'}: {one.detail}" for one in found)
        return ProblemError(422, "invalid", words or "This is not valid.", found)
    if isinstance(error, HTTPException):
        return ProblemError(error.status_code, "http", error.detail)
    structlog.get_logger().error("request failed", exc_info=error)
    return ProblemError(500, "internal", "Something went wrong here; the log has the details.")


def _sentence(error: Exception) -> str:
    text = str(error) or "An answer took too long"
    if isinstance(error, DatabaseDownError):
        text = "the database (Postgres) does not answer"
    elif "rpc.forum-bridge" in text:
        text = "the forum service does not answer"
    elif "rpc.fetcher" in text:
        text = "the service that fetches mail does not answer"
    elif "rpc.rules" in text:
        text = "the service that runs rules does not answer"
    return text[:1].upper() + text[1:] + "."


def _fields(error: ValidationException, handler: Any) -> list[FieldError]:
    """Return what is wrong, by the types that the route's function asks for."""
    cause = error.__cause__
    if isinstance(cause, msgspec.ValidationError) and isinstance(handler, HTTPRouteHandler):
        wrong = refused(cause, handler.signature_model)
        _, name, *rest = wrong.pointer.split("/", 2)
        asked = handler.parsed_fn_signature.parameters.get(name)
        named = getattr(asked.kwarg_definition, "query", None) if asked else None
        steps = [*([] if name == "data" else [named or name]), *rest]
        pointer = "".join(f"/{step}" for step in steps)
        return [FieldError(pointer, wrong.code, wrong.detail)]
    found: list[FieldError] = []
    for one in error.extra if isinstance(error.extra, list) else []:
        if isinstance(one, dict):
            pointer = "/" + str(one.get("key", "")).replace(".", "/")
            found.append(FieldError(pointer, "invalid", str(one.get("message", ""))))
    return found


def wants_page(request: Request[Any, Any, Any]) -> bool:
    """Return whether a person with a browser asks."""
    return not request.url.path.startswith(("/api/", "/schema"))


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Return the answer to an error: a problem for programs, a page for people."""
    page = wants_page(request)
    if isinstance(error, NotAuthorizedException) and page:
        return Redirect(path=f"/sign-in?next={quote(request.url.path)}", status_code=303)
    problem = _understood(error, request.scope.get("route_handler"))
    headers = {"Retry-After": str(RETRY_SECONDS)} if problem.status in {429, 503} else {}
    if pace := request.scope["state"].get("pace"):
        headers["RateLimit-Policy"], headers["RateLimit"] = pace
    if problem.status == 401 and not page:  # noqa: PLR2004 - RFC 9110 §15.5.2
        headers["WWW-Authenticate"] = "Bearer"
    title = TITLES.get(problem.status, "Error")
    if page:
        renderer = request.app.state.pages
        html = renderer.render(
            "problem.html", request, title=title, detail=problem.detail, status=problem.status
        )
        return Response(
            html, status_code=problem.status, headers=headers, media_type=MediaType.HTML
        )
    body = Problem(
        type=f"/docs/problems/{problem.code}",
        title=title,
        status=problem.status,
        detail=problem.detail,
        code=problem.code,
        instance=request.scope["state"].get("request_id", ""),
        errors=problem.errors,
    )
    return Response(
        msgspec.json.encode(body),
        status_code=problem.status,
        headers=headers,
        media_type="application/problem+json",
    )
