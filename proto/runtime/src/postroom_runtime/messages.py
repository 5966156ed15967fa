"""What goes to the broker and comes back, as values, and how the broker says no."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec
from nats.aio.msg import Msg

from postroom_runtime.errors import PostroomError, RefusedError, UnavailableError

WRONG_LAST_SEQUENCE: Final = 10071
DUPLICATE_IN_BATCH: Final = 10201
FULL: Final = frozenset({10047, 10077, 10023})
"""Insufficient resources, maximum bytes exceeded, no storage."""
EXPECT_SUBJECT_SEQUENCE: Final = "Nats-Expected-Last-Subject-Sequence"
MESSAGE_ID: Final = "Nats-Msg-Id"


class Publication(msgspec.Struct, frozen=True):
    """What to publish. `id` makes repeats harmless within the stream's duplicate window."""

    subject: str
    payload: bytes
    id: str | None
    headers: Mapping[str, str] = {}


class Stored(msgspec.Struct, frozen=True):
    """Where the broker has it; `duplicate` when it had it before."""

    stream: str
    sequence: int
    duplicate: bool = False


class Found(msgspec.Struct, frozen=True):
    """A stored message."""

    subject: str
    data: bytes
    headers: Mapping[str, str]
    stream: str
    sequence: int
    stored_at: datetime


class ConflictError(PostroomError):
    """The subject already holds something where nothing was expected."""


class KnownError(PostroomError):
    """The broker knows one of a batch's ids already, does not say which, and stored nothing."""


class FullError(UnavailableError):
    """The broker has no room; the peer may come again later."""


class BrokerError(PostroomError):
    """Any other error of the broker, by its code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{text} ({code})")
        self.code = code


def stored_in(data: bytes) -> Stored:
    """Return what an ack says, or raise ConflictError, KnownError, FullError or BrokerError."""
    answer = json.loads(data)
    if error := answer.get("error"):
        code, text = int(error.get("err_code", 0)), str(error.get("description"))
        if code == WRONG_LAST_SEQUENCE:
            raise ConflictError(text)
        if code == DUPLICATE_IN_BATCH:
            raise KnownError(text)
        if code in FULL:
            raise FullError(text)
        raise BrokerError(code, text)
    return Stored(answer["stream"], answer["seq"], answer.get("duplicate", False))


class AnsweredError(RefusedError):
    """The other service answered with a problem; `payload` is what it sent."""

    def __init__(self, payload: bytes) -> None:
        super().__init__(payload.decode("utf-8", "replace"))
        self.payload = payload


def found_in(stream: str, message: Msg) -> Found | None:
    """Return what a direct get brought, or None for "not found"."""
    headers = dict(message.headers or {})
    if headers.get("Status"):
        return None
    try:
        stamp = datetime.fromisoformat(headers["Nats-Time-Stamp"])
        return Found(
            headers["Nats-Subject"],
            message.data,
            headers,
            stream,
            int(headers["Nats-Sequence"]),
            stamp,
        )
    except (KeyError, ValueError) as error:
        raise UnavailableError(f"stream {stream} answered oddly: {error!r}") from error
