"""What became of every message that a server has shown: what the api asks of a fetcher."""

from datetime import datetime
from typing import ClassVar, Final

import msgspec

from postroom_contract.forum import Request

MOST_IDS: Final = 20_000


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was seen and not stored, and why. `size` in bytes."""

    folder: str
    key: str
    """UID or UIDL."""
    size: int
    reason: str
    at: datetime
    title: str = ""
    """Its subject and author, where the server tells them."""


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of messages. Law: seen = stored + recognised + left."""

    seen: int = 0
    stored: int = 0
    """Each is a mail of ours."""
    recognised: int = 0
    """Of those that were numbered anew: known by their content, and not stored again."""
    left: int = 0
    deleted: int = 0
    """Of those stored or recognised: deleted on the server since."""
    checked_at: datetime | None = None
    lying: tuple[Left, ...] = ()
    """A page of what was left, the newest first."""
    next_cursor: str | None = None


class ReadLedger(Request[Ledger], frozen=True, kw_only=True):
    """Count, and list what was left."""

    service: ClassVar[str] = "fetcher"
    verb: ClassVar[str] = "ledger"
    answer: ClassVar[type] = Ledger
    mailbox: str
    limit: int = 50
    cursor: str | None = None


class StoredMail(msgspec.Struct, frozen=True, array_like=True):
    """A mail that was stored, when, and for which mailbox."""

    id: str
    at: datetime
    mailbox: str = ""


class StoredMails(msgspec.Struct, frozen=True, kw_only=True):
    """Mails in the order of their ids."""

    mails: tuple[StoredMail, ...]
    """At most MOST_IDS; fewer: these were the last."""


class ListStored(Request[StoredMails], frozen=True, kw_only=True):
    """List what was stored: of one mailbox, or of all since a time."""

    service: ClassVar[str] = "fetcher"
    verb: ClassVar[str] = "stored"
    answer: ClassVar[type] = StoredMails
    mailbox: str | None = None
    """None: all mailboxes of all accounts; `account` says nothing then."""
    since: datetime | None = None
    """Without a mailbox: what was stored from then on."""
    after: str = ""
    """The id behind which to go on."""


REQUESTS: tuple[type[Request[object]], ...] = (ReadLedger, ListStored)  # type: ignore[assignment]  # a Request[X] is a Request[object] for our use
