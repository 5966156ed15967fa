"""What waits to go out, by where it goes."""

from datetime import datetime

import msgspec


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """A domain that mail waits for, or that is held back."""

    domain: str
    waiting: int
    """Recipients."""
    attempts: int
    """Of that which was tried most often."""
    reply: str
    """What was said last, by their server or by us."""
    reported_at: datetime | None
    next_attempt_at: datetime | None
    """Of the first; null: nothing is tried for now."""
    held: bool


class Waiting(msgspec.Struct, frozen=True):
    """A part of a chunk, and the attempt that waits for its time."""

    chunk: str
    part: str
    attempt: int


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """How many commands were given; what is being tried just then goes its way."""

    asked: int
