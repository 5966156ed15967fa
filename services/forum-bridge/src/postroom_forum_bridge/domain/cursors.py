"""Opaque keyset cursors of our lists."""

import base64
import binascii
from datetime import datetime
from typing import TypeVar

import msgspec

T = TypeVar("T")


class CursorError(ValueError):
    """The cursor was not made by us."""


def encode(key: tuple[object, ...]) -> str:
    """Return a cursor from the sort key of a page's last row."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode("ascii").rstrip("=")


def time_and_id(cursor: str) -> tuple[datetime, str]:
    """Return what `encode((time, id))` was given."""
    return _decode(cursor, tuple[datetime, str])


def one_text(cursor: str) -> str:
    """Return what `encode((text,))` was given."""
    found: list[str] = _decode(cursor, list[str])
    if len(found) != 1:
        raise CursorError("this cursor was not made by this server")
    return found[0]


def _decode(cursor: str, kind: type[T]) -> T:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        plain = base64.urlsafe_b64decode(padded)
        # Postgres takes no NUL, and none of our texts has one.
        return msgspec.json.decode(plain.replace(b"\\u0000", b"\\"), type=kind)
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise CursorError("this cursor was not made by this server") from error
