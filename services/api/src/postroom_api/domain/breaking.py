"""What of a new OpenAPI description breaks a program that was written for the old one.

Law: a program may send what it sent and reads what it read. Adding is no break; a value that is
added to what we answer is none either, since programs must bear new values (INTERFACES §3).
"""

from collections.abc import Iterator
from typing import Any, Literal

Direction = Literal["sent", "read"]
_METHODS = ("get", "post", "put", "patch", "delete")


def breaks(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return a sentence for each break, in the order of the old description."""
    return list(_Comparison(old, new).all())


class _Comparison:
    def __init__(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        self._old = old
        self._new = new
        self._seen: set[tuple[str, str, Direction]] = set()

    def all(self) -> Iterator[str]:
        for path, before in self._old["paths"].items():
            after = self._new["paths"].get(path, {})
            for method in _METHODS:
                if method not in before:
                    continue
                where = f"{method.upper()} {path}"
                if method not in after:
                    yield f"{where} is gone"
                else:
                    yield from self._operation(where, before[method], after[method])

    def _operation(self, where: str, old: Any, new: Any) -> Iterator[str]:
        yield from self._parameters(where, old, new)
        before, after = _body(old), _body(new)
        if after is not None:
            if before is None and new["requestBody"].get("required"):
                yield f"{where} asks for a body now"
            elif before is not None:
                yield from self._schema(f"{where} body", before, after, "sent")
        for status, answer in old.get("responses", {}).items():
            if not status.startswith("2"):
                continue
            if status not in new.get("responses", {}):
                yield f"{where} no longer answers {status}"
                continue
            before, after = _content(answer), _content(new["responses"][status])
            if before is not None and after is not None:
                yield from self._schema(f"{where} answer", before, after, "read")

    def _parameters(self, where: str, old: Any, new: Any) -> Iterator[str]:
        before = {(one["in"], one["name"]): one for one in old.get("parameters", [])}
        after = {(one["in"], one["name"]): one for one in new.get("parameters", [])}
        for key in before.keys() - after.keys():
            yield f"{where}: the {key[0]} parameter {key[1]} is gone"
        for key, one in after.items():
            if one.get("required") and not before.get(key, {}).get("required"):
                yield f"{where}: the {key[0]} parameter {key[1]} is required now"

    def _schema(self, where: str, old: Any, new: Any, way: Direction) -> Iterator[str]:
        names = (str(old.get("$ref")), str(new.get("$ref")), way)
        if "$ref" in old and "$ref" in new:
            if names in self._seen:
                return
            self._seen.add(names)
        old, new = _resolved(old, self._old), _resolved(new, self._new)
        yield from self._kind(where, old, new, way)
        yield from self._properties(where, old, new, way)
        if "items" in old and "items" in new:
            yield from self._schema(f"{where}[]", old["items"], new["items"], way)

    def _kind(self, where: str, old: Any, new: Any, way: Direction) -> Iterator[str]:
        before, after = _types(old), _types(new)
        lost = before - after if way == "sent" else after - before
        if before and after and lost:
            verb = "is refused" if way == "sent" else "comes"
            yield f"{where}: {', '.join(sorted(lost))} {verb} now"
        if way == "sent" and "enum" in old and "enum" in new:
            for value in old["enum"]:
                if value not in new["enum"]:
                    yield f"{where}: {value!r} is refused now"

    def _properties(self, where: str, old: Any, new: Any, way: Direction) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name, schema in before.items():
            if name in after:
                yield from self._schema(f"{where}/{name}", schema, after[name], way)
            elif way == "read" or new.get("additionalProperties") is False:
                yield f"{where}/{name} is gone"
        if way == "sent":
            for name in set(new.get("required", ())) - set(old.get("required", ())):
                yield f"{where}/{name} is required now"


def _resolved(schema: Any, document: dict[str, Any]) -> Any:
    for _ in range(10):
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            break
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
    return schema


def _types(schema: Any) -> set[str]:
    """Return the types a value may have; empty when the description does not say."""
    if "oneOf" in schema or "anyOf" in schema:
        found: set[str] = set()
        for one in schema.get("oneOf", schema.get("anyOf", ())):
            found |= _types(one) or {str(one.get("$ref", "?"))}
        return found
    kind = schema.get("type")
    return set(kind) if isinstance(kind, list) else {str(kind)} if kind else set()


def _body(operation: Any) -> Any:
    return _content(operation["requestBody"]) if "requestBody" in operation else None


def _content(answer: Any) -> Any:
    for kind, content in answer.get("content", {}).items():
        if "json" in kind:
            return content.get("schema")
    return None
