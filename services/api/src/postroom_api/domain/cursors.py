"""Opaque keyset cursors."""

import base64
import binascii
import json
from datetime import datetime
from typing import Any, Final

_FOREIGN: Final = "this cursor was not made by this server"
_BIGGEST: Final = 2**63


class CursorError(ValueError):
    """The cursor was not made by us."""


def encode(*parts: str | int | datetime) -> str:
    """Return a cursor from the sort key of the last row."""
    plain = [part.isoformat() if isinstance(part, datetime) else part for part in parts]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode("ascii").rstrip("=")


def decode_parts(cursor: str, count: int) -> list[Any]:
    """Return the parts of a cursor that has so many; CursorError when it is none of ours."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        parts = json.loads(base64.urlsafe_b64decode(padded))
    except (binascii.Error, ValueError) as error:
        raise CursorError("this cursor was not made by this server") from error
    if not isinstance(parts, list) or len(parts) != count:
        raise CursorError("this cursor was not made by this server")
    return parts


def decode_time_and_id(cursor: str) -> tuple[datetime, str]:
    """Return (time, id) of a cursor; CursorError when it is none of ours."""
    try:
        moment, row = _parts(cursor)
        return datetime.fromisoformat(str(moment)), str(row)
    except (ValueError, TypeError) as error:
        raise CursorError(_FOREIGN) from error


def decode_text(cursor: str) -> str:
    """Return the text of a cursor made of one; CursorError when it is none of ours."""
    try:
        (text,) = _parts(cursor)
        if "\x00" in str(text):
            raise CursorError(_FOREIGN)
        return str(text)
    except (ValueError, TypeError) as error:
        raise CursorError(_FOREIGN) from error


def decode_number(cursor: str) -> int:
    """Return the number of a cursor made of one; CursorError when it is none of ours."""
    try:
        number = int(decode_text(cursor))
        if not 0 <= number < _BIGGEST:
            raise CursorError(_FOREIGN)
    except ValueError as error:
        raise CursorError(_FOREIGN) from error
    return number


def _parts(cursor: str) -> list[object]:
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        found = json.loads(base64.urlsafe_b64decode(padded))
    except (binascii.Error, ValueError) as error:
        raise CursorError(_FOREIGN) from error
    if not isinstance(found, list):
        raise CursorError(_FOREIGN)
    return found
