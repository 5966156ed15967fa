"""Tickets: how a mail finds the one it answers."""

import re
from datetime import datetime
from typing import Final, Literal

import msgspec

TicketState = Literal["open", "closed"]
What = Literal["opened", "mail", "closed", "reopened"]
_TOKEN: Final = re.compile(r"\[#(\d{1,12})-([a-z2-7]{8})\]", re.IGNORECASE)


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """A matter that somebody wrote about."""

    id: str
    number: int
    token: str
    mailbox: str
    queue: str
    subject: str
    requester: str
    """The address of who wrote first."""
    state: TicketState
    opened_at: datetime
    changed_at: datetime
    mails: int
    version: int

    @property
    def mark(self) -> str:
        """Return what answers carry in their subject."""
        return mark_of(self.number, self.token)


class TicketMail(msgspec.Struct, frozen=True, kw_only=True):
    """A mail of a ticket."""

    mail: str
    at: datetime
    what: What
    subject: str
    from_name: str
    from_address: str


def mark_of(number: int, token: str) -> str:
    """Return what answers carry in their subject, as `[#17-x7k2pqrs]`."""
    return f"[#{number}-{token}]"


def marks_in(subject: str) -> list[tuple[int, str]]:
    """Return the marks in a subject: (number, token), the first five."""
    return [(int(one[1]), one[2].lower()) for one in _TOKEN.finditer(subject)][:5]


def without_marks(subject: str) -> str:
    """Return a subject without them."""
    return " ".join(_TOKEN.sub(" ", subject).split())
