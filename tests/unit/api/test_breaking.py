"""What breaks a program that was written for the API as it was."""

import copy
from typing import Any

import pytest

from postroom_api.domain.breaking import breaks

OLD: dict[str, Any] = {
    "paths": {
        "/things": {
            "get": {
                "parameters": [{"in": "query", "name": "limit", "required": False}],
                "responses": {
                    "200": {
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Page"}}
                        }
                    }
                },
            },
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/New"}}
                    },
                },
                "responses": {"201": {}},
            },
        }
    },
    "components": {
        "schemas": {
            "Page": {
                "properties": {
                    "data": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}}
                }
            },
            "Thing": {
                "properties": {
                    "id": {"type": "string"},
                    "parent": {"$ref": "#/components/schemas/Thing"},
                }
            },
            "New": {
                "properties": {"name": {"type": "string"}, "kind": {"enum": ["a", "b"]}},
                "required": ["name"],
            },
        }
    },
}


def changed(*path: str, to: Any = None) -> dict[str, Any]:
    found = copy.deepcopy(OLD)
    place: Any = found
    for step in path[:-1]:
        place = place[step]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return found


SCHEMAS = ("components", "schemas")


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (changed("paths", "/things", "post"), "POST /things is gone"),
        (changed("paths", "/things", "get", "parameters", to=[]), "parameter limit is gone"),
        (
            changed("paths", "/things", "get", "parameters", to=[{"in": "query", "name": "limit", "required": True}]),
            "limit is required now",
        ),
        (changed("paths", "/things", "post", "responses", "201"), "no longer answers 201"),
        (changed(*SCHEMAS, "Thing", "properties", "id"), "answer/data[]/id is gone"),
        (changed(*SCHEMAS, "Thing", "properties", "id", to={"type": "integer"}), "integer comes now"),
        (changed(*SCHEMAS, "New", "required", to=["name", "kind"]), "body/kind is required now"),
        (changed(*SCHEMAS, "New", "properties", "kind", to={"enum": ["a"]}), "'b' is refused now"),
        (changed(*SCHEMAS, "New", "properties", "name", to={"type": "integer"}), "string is refused now"),
    ],
)  # fmt: skip
def test_what_a_program_would_notice(new: dict[str, Any], words: str) -> None:
    (found,) = breaks(OLD, new)
    assert words in found


@pytest.mark.parametrize(
    "new",
    [
        OLD,
        changed("paths", "/more", to={"get": {"responses": {}}}),
        changed(*SCHEMAS, "Thing", "properties", "name", to={"type": "string"}),
        changed(*SCHEMAS, "New", "properties", "more", to={"type": "string"}),
        changed(*SCHEMAS, "New", "required", to=[]),
    ],
)
def test_adding_breaks_nothing(new: dict[str, Any]) -> None:
    assert breaks(OLD, new) == []
