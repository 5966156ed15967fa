"""Sharing a mailbox with colleagues: to read or to manage, until a date or for good."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

Level = Literal["read", "manage"]


class NewShare(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """With whom, by e-mail address or id; who has it shared already gets the new level."""

    person: Annotated[str, msgspec.Meta(min_length=1, max_length=254)]
    level: Level = "read"
    until: datetime | None = None


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody whom a mailbox is shared with."""

    person: str
    name: str | None
    email: str | None
    level: str
    until: datetime | None
    created_at: datetime


def problem(person: str, owner: str | None, until: datetime | None, now: datetime) -> str | None:
    """Return why a mailbox cannot be shared like this, or None."""
    if person == owner:
        return "It is theirs already."
    if until is not None and until.tzinfo is None:
        return "The date needs a time zone."
    if until is not None and until <= now:
        return "The date has passed."
    return None
