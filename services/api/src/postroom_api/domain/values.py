"""What the api knows, as plain values."""

from datetime import datetime
from typing import Generic, Literal, TypeVar

import msgspec

from postroom_contract.rules import Action, Condition, Layer

T = TypeVar("T")


Role = Literal["administrator", "account_administrator", "user"]
"""Of all accounts · of one · nobody but themselves."""


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks; `account`, `id` and `role` decide what they see (row level security)."""

    account: str
    id: str
    email: str
    name: str
    role: Role
    home: str = ""
    """The account they belong to; "" = `account`. Administrators may be at work in another."""
    account_name: str = ""
    """Of the account they are at work in, when that is not their own."""
    session: str = ""
    """The id of the session they ask with; "" = none."""
    scopes: tuple[str, ...] | None = None
    """What the token they ask with is for; None = no token, they are here themselves."""
    locale: str = ""

    @property
    def administrator(self) -> bool:
        """May change the account's configuration."""
        return self.role in {"administrator", "account_administrator"}

    @property
    def belongs_to(self) -> str:
        """The account they belong to, wherever they are at work."""
        return self.home or self.account


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as the API shows it, with itself as a sentence."""

    id: str
    scope: str
    """The mailbox it belongs to, or the account: then it is tried for all mailboxes."""
    name: str
    active: bool
    layer: Layer = "before"
    """Of an account's rule: before the mailbox's own rules, or after them."""
    shadow: bool = False
    """It is tried and shows in each mail what it would do, but does nothing."""
    position: int
    condition: Condition
    actions: list[Action]
    sentence: str
    created_at: datetime
    version: int
    """Grows with each change; what `ETag` says."""


class MessageRow(msgspec.Struct, frozen=True, kw_only=True):
    """One mail in the log."""

    id: str
    mailbox: str
    received_at: datetime
    recipient: str
    envelope_sender: str
    from_name: str
    from_address: str
    subject: str
    size: int
    importance: str
    spam_rating: int | None
    spam: bool | None
    tags: list[str]
    read: bool
    deleted_at: datetime | None
    forum: str | None
    topic: str | None
    post: str | None
    quarantined_until: datetime | None = None
    """It is kept apart until then, and deleted after it."""
    trained: bool | None = None
    """What the spam filter was taught of it; None: nothing."""
    erased_at: datetime | None = None
    """Since then nothing of what it said is here: this row alone is left."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One recipient of one outgoing mail."""

    serial: int
    origin: str
    outbox: str
    forum: str
    recipient: str
    subject: str
    message_id: str
    state: str
    reply: str
    attempt: int
    next_attempt_at: datetime | None
    reported_at: datetime
    status: str = ""
    """RFC 3463, as `5.1.1`; empty: nobody said it."""


class SetAsideRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a service could not take, and whether it was tried again."""

    id: str
    service: str
    subject: str
    reason: str
    deliveries: int
    stored_at: datetime
    redone_at: datetime | None


class PageOf(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A list answer: `next_cursor` is null at the end."""

    data: list[T]
    next_cursor: str | None
