"""Nothing of what a mail said stays: what is left of it then, and what remains elsewhere.

Law: what remains is told, each with how long; nothing is called gone that is only hidden.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from postroom_contract.events import MailSorted
from postroom_contract.mail import MailSummary
from postroom_contract.rules import Decision
from postroom_contract.streams import EVENTS, OUTBOX

DELETED_DAYS: Final = 7
"""A deleted mail can be brought back for so long."""
MOST: Final = 10_000
"""Mails of a person that are erased by one request."""
WHY: Final = {
    "copies": (
        "Rendered mail lies in the outbox so long; the list of deliveries names its "
        "recipients and subjects for as long as the account is there."
    ),
    "refusals": "What the SMTP server turned away is listed so long.",
    "events": (
        "Subscribers may read the stream of events again for so long: subject, sender and "
        "the beginning of the text are in it."
    ),
    "posts": ("Posts belong to their forum: its moderators remove them, and members have copies."),
    "tickets": "A ticket keeps its subject and who asked.",
    "suppressions": "So that nothing is sent to the address again.",
    "users": "Somebody with this address signs in here: remove the user by hand.",
    "audit": "Who did what stays readable; it names mails by id and never says what they said.",
    "elsewhere": (
        "Backups of this system, servers that mail was fetched from, and all to whom mail "
        "was sent on are out of its reach."
    ),
}
"""Why something remains."""


class Remains(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is still there. `until` null: until somebody takes it away."""

    what: str
    count: int
    until: datetime | None = None
    why: str


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """How much of what concerns mails, or a person, is kept elsewhere."""

    mails: int
    posts: int = 0
    copies: int = 0
    """Rows of deliveries: to the person, or of the mails."""
    newest_copy: datetime | None = None
    newest_mail: datetime | None = None
    tickets: int = 0
    suppressions: int = 0
    users: int = 0
    refusals: int = 0
    newest_refusal: datetime | None = None
    audited: int = 0


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked to be erased, how far that is, and what remains.

    `waiting`: mails that are not gone yet: erased ones go within a minute, deleted ones after 7
    days, and not before what was set aside of them is settled.
    """

    mails: int
    waiting: int
    remains: list[Remains]


def tombstone(event: MailSorted) -> MailSorted:
    """Return the event without anything that the mail, its sender or its recipient said."""
    blank = MailSummary(
        message_id=None,
        subject="",
        sender=None,
        to=(),
        date=None,
        preview="",
        attachments=(),
        robot_signs=(),
        defects=(),
    )
    decision = Decision(
        ruleset_version=event.decision.ruleset_version,
        importance="normal",
        spam_rating=None,
        actions=(),
        trace=(),
        deleted=True,
    )
    return msgspec.structs.replace(
        event,
        token=None,
        recipient="",
        envelope_sender="",
        client="",
        helo="",
        tls="",
        submitter="",
        authentication=None,
        summary=blank,
        decision=decision,
    )


def remaining(counted: Counted, now: datetime, refusal_days: int) -> list[Remains]:
    """Return what is still there, in the order in which it goes."""
    events = timedelta(seconds=EVENTS.max_age)
    outbox = timedelta(seconds=OUTBOX.max_age)
    found = [
        Remains(
            what="copies",
            count=counted.copies,
            until=(counted.newest_copy or now) + outbox,
            why=WHY["copies"],
        ),
        Remains(
            what="refusals",
            count=counted.refusals,
            until=(counted.newest_refusal or now) + timedelta(days=refusal_days),
            why=WHY["refusals"],
        ),
        Remains(
            what="events",
            count=counted.mails,
            until=(counted.newest_mail or now) + events,
            why=WHY["events"],
        ),
        Remains(
            what="posts",
            count=counted.posts,
            why=WHY["posts"],
        ),
        Remains(
            what="tickets",
            count=counted.tickets,
            why=WHY["tickets"],
        ),
        Remains(
            what="suppressions",
            count=counted.suppressions,
            why=WHY["suppressions"],
        ),
        Remains(
            what="users",
            count=counted.users,
            why=WHY["users"],
        ),
        Remains(
            what="audit",
            count=counted.audited,
            why=WHY["audit"],
        ),
    ]
    kept = [one for one in found if one.count]
    unseen = Remains(
        what="elsewhere",
        count=1,
        why=WHY["elsewhere"],
    )
    return [*kept, unseen]
