"""The completeness ledger of a mailbox: what its server had is what we have, or it is named.

Law: seen = stored + recognised + left, and stored = decided + set aside + waiting + missing.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from postroom_contract.ledger import Ledger, Left, StoredMail

UNDER_WAY: Final = timedelta(minutes=10)
"""A mail that was stored less long ago is on its way to the rules."""
NAMED: Final = 100


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """A mail that was stored, but neither decided about nor set aside."""

    id: str
    stored_at: datetime


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of mails that were stored."""

    decided: int
    set_aside: int
    waiting: int
    missing: list[Missing]


class MailboxLedger(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of messages, and each difference by name. Sizes in bytes."""

    seen: int
    """Messages that the server has shown."""
    stored: int
    recognised: int
    """Numbered anew by the server, and known by their content."""
    left: int
    """Seen and not stored: each has a reason."""
    deleted: int
    """Stored, and deleted on the server since."""
    decided: int
    """Stored, and the rules have decided about it."""
    set_aside: int
    waiting: int
    """Stored a few minutes ago at most, and not decided about yet."""
    missing: int
    checked_at: datetime | None
    missing_mails: list[Missing]
    """The first hundred."""
    left_messages: list[Left]
    """A page, the newest first."""
    next_cursor: str | None


def outcome(
    stored: Sequence[StoredMail], decided: Collection[str], aside: Collection[str], now: datetime
) -> Outcome:
    """Say what became of each mail; who is both decided about and set aside counts as decided."""
    rest = [one for one in stored if one.id not in decided]
    open_ = [one for one in rest if one.id not in aside]
    missing = [one for one in open_ if now - one.at >= UNDER_WAY]
    return Outcome(
        decided=len(stored) - len(rest),
        set_aside=len(rest) - len(open_),
        waiting=len(open_) - len(missing),
        missing=[Missing(id=one.id, stored_at=one.at) for one in missing],
    )


def together(ledger: Ledger, outcomes: Sequence[Outcome]) -> MailboxLedger:
    """Return the fetcher's numbers with ours."""
    missing = [one for part in outcomes for one in part.missing]
    return MailboxLedger(
        seen=ledger.seen,
        stored=ledger.stored,
        recognised=ledger.recognised,
        left=ledger.left,
        deleted=ledger.deleted,
        decided=sum(part.decided for part in outcomes),
        set_aside=sum(part.set_aside for part in outcomes),
        waiting=sum(part.waiting for part in outcomes),
        missing=len(missing),
        checked_at=ledger.checked_at,
        missing_mails=sorted(missing, key=lambda one: one.stored_at)[:NAMED],
        left_messages=list(ledger.lying),
        next_cursor=ledger.next_cursor,
    )
