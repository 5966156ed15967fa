"""What a field of a request must be, as a sentence; and which field a refusal is about.

Law: a refusal names its field by a JSON pointer (RFC 6901), and what would have been taken there.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec
from msgspec import inspect

Code = Literal["required", "unknown", "invalid"]
_MISSING: Final = re.compile(r"Object missing required field `(.+?)`")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.+?)`")
_STEP: Final = re.compile(r"\.([^.\[\]`]+)|\[(\d+|\.\.\.)\]")
_NAMED: Final[dict[type[inspect.Type], str]] = {
    inspect.BoolType: "true or false",
    inspect.NoneType: "null",
    inspect.DateTimeType: "a time as 2026-11-25T08:00:00Z",
    inspect.DateType: "a date as 2026-11-25",
    inspect.BytesType: "a text in base64",
    inspect.StructType: "an object",
    inspect.DictType: "an object",
    inspect.AnyType: "anything",
}


class Refused(msgspec.Struct, frozen=True):
    """What is wrong with one field."""

    pointer: str
    code: Code
    detail: str


def refused(error: msgspec.ValidationError, kind: Any) -> Refused:
    """Return which field a conversion to `kind` failed at, and what is needed there."""
    words, _, place = str(error).partition(" - at `")
    steps = [name or number for name, number in _STEP.findall(place)]
    found = [inspect.type_info(kind)]
    for step in steps:
        found = [inner for one in found for inner in _inside(one, step)]
    if match := _MISSING.match(words):
        inner = [one for outer in found for one in _inside(outer, match.group(1))]
        return _refused([*steps, match.group(1)], "required", f"This is needed: {_needed(inner)}.")
    if match := _UNKNOWN.match(words):
        names = list(dict.fromkeys(name for one in found for name in _names(one)))
        detail = f"There is no such field; there are: {', '.join(names)}."
        return _refused([*steps, match.group(1)], "unknown", detail)
    return _refused(steps, "invalid", f"This must be {_needed(found)}.")


def _refused(steps: list[str], code: Code, detail: str) -> Refused:
    escaped = (step.replace("~", "~0").replace("/", "~1") for step in steps)
    return Refused("".join(f"/{step}" for step in escaped), code, detail)


def _plain(one: inspect.Type) -> inspect.Type:
    while isinstance(one, inspect.Metadata):
        one = one.type
    return one


def _inside(outer: inspect.Type, step: str) -> Iterator[inspect.Type]:
    """Yield what may stand at this step of the path; several where the type is a choice."""
    outer = _plain(outer)
    if isinstance(outer, inspect.UnionType):
        for one in outer.types:
            yield from _inside(one, step)
    elif isinstance(outer, inspect.StructType):
        if step == outer.tag_field:
            yield inspect.LiteralType((outer.tag,))
        yield from (one.type for one in outer.fields if one.encode_name == step)
    elif isinstance(outer, inspect.ListType | inspect.VarTupleType):
        yield outer.item_type
    elif isinstance(outer, inspect.DictType):
        yield outer.value_type


def _names(outer: inspect.Type) -> Iterator[str]:
    outer = _plain(outer)
    if isinstance(outer, inspect.UnionType):
        for one in outer.types:
            yield from _names(one)
    elif isinstance(outer, inspect.StructType):
        if outer.tag_field:
            yield outer.tag_field
        yield from (one.encode_name for one in outer.fields)


def needed_of(kind: inspect.Type) -> str:
    """Return what a value of this type must be: "a text of 1 to 100 characters"."""
    return _needed([kind])


def _needed(choices: list[inspect.Type]) -> str:
    flat = list(_flat(choices))
    flat = [one for one in flat if not isinstance(one, inspect.NoneType)] or flat
    values = [value for one in flat for value in _values(one)]
    said = []
    if values:
        listed = ", ".join(str(value) for value in dict.fromkeys(values))
        said.append(f"one of: {listed}" if len(set(values)) > 1 else listed)
    said += [_one(one) for one in flat if not _values(one)]
    return "; or ".join(dict.fromkeys(said)) or "something else"


def _values(kind: inspect.Type) -> list[Any]:
    if isinstance(kind, inspect.LiteralType):
        return list(kind.values)
    return [one.value for one in kind.cls] if isinstance(kind, inspect.EnumType) else []


def _flat(choices: list[inspect.Type]) -> Iterator[inspect.Type]:
    for one in choices:
        plain = _plain(one)
        if isinstance(plain, inspect.UnionType):
            yield from _flat(list(plain.types))
        else:
            yield plain


def _one(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.IntType):
        return "a whole number" + _range(kind.ge, kind.le)
    if isinstance(kind, inspect.FloatType):
        return "a number" + _range(kind.ge, kind.le)
    if isinstance(kind, inspect.StrType):
        return "a text" + _length(kind.min_length, kind.max_length, "character")
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        return "a list" + _length(kind.min_length, kind.max_length, "entry")
    if isinstance(kind, inspect.StructType) and kind.tag_field:
        return f"an object with {kind.tag_field} {kind.tag}"
    return _NAMED.get(type(kind), "something else")


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" from {low:g} to {high:_}".replace("_", ",")
    if low is not None:
        return f" of {low:g} or more"
    return f" of {high:_} or less".replace("_", ",") if high is not None else ""


def _length(low: int | None, high: int | None, unit: str) -> str:
    many = "entries" if unit == "entry" else f"{unit}s"
    if low and high is not None:
        return f" of {low} to {high:,} {many}"
    if low:
        return f" of at least {low} {unit if low == 1 else many}"
    return f" of at most {high:,} {many}" if high is not None else ""
