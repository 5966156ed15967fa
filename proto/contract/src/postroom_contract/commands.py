"""What one service asks another to do. Ids derive from cause and action: asking twice is once."""

import hashlib
from datetime import datetime
from typing import Literal

import msgspec

from postroom_contract import subjects
from postroom_contract.mail import Pointer
from postroom_contract.rules import AutoReply, CallWebhook, OpenTicket, ServerFlag


class CommandBase(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every command says of itself."""

    id: str
    account: str
    correlation: str
    causation: str


class MailReference(msgspec.Struct, frozen=True, kw_only=True):
    """A mail in INTAKE; readers believe the pointer only if the id found there is `id`."""

    id: str
    mailbox: str
    raw: Pointer
    envelope_sender: str


class PostMail(CommandBase, frozen=True, kw_only=True, tag="forum-bridge.post"):
    """Make a post of a mail, in `forum`; `token` is that of the reply address it came to."""

    forum: str
    mail: MailReference
    token: str | None = None
    charset: str = ""
    """What the mailbox's mail is read in that names no charset; empty = nothing was chosen."""


class RecordBounce(CommandBase, frozen=True, kw_only=True, tag="forum-bridge.bounce"):
    """A mail came back to the VERP address with this token; None: a complaint to the forum's own.

    The owner reads what it says. A complaint without a token has one of ours within.
    """

    forum: str
    mail: MailReference
    token: str | None


class LeaveForum(CommandBase, frozen=True, kw_only=True, tag="forum-bridge.leave"):
    """A member asked by mail to leave, with this token."""

    forum: str
    mail: MailReference
    token: str | None


class SilencePerson(CommandBase, frozen=True, kw_only=True, tag="forum-bridge.silence"):
    """Send somebody's address no more posts, or again: a user was deactivated or reactivated."""

    email: str
    silent: bool
    version: int
    """Of the user: an older one changes nothing."""


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """One copy of a rendered mail."""

    serial: int
    """The delivery's number at its owner."""
    address: str
    sender: str
    """Envelope sender (VERP)."""
    places: dict[str, str]
    """What to fill into the template."""


class DeliverChunk(CommandBase, frozen=True, kw_only=True, tag="smtp.deliver"):
    """Deliver one rendered mail to at most 50 recipients of one domain."""

    chunk: str
    """The first attempt's id; PROGRESS is kept under it over all attempts."""
    scope: str
    """The forum it belongs to."""
    origin: str
    """What is delivered: a post's id."""
    outbox: str
    """Id of the rendered mail in OUTBOX."""
    domain: str
    attempt: int
    """1 at first."""
    recipients: tuple[Recipient, ...]
    part: str = ""
    """Tells apart what goes its own way since it was put off (the daily cap): each part counts its
    own attempts, and waits under its own name. PROGRESS is of the whole chunk."""
    give_up: str = ""
    """Why nothing is tried any more: the words of the final failure; empty = deliver."""


def lone_serial(chunk: str) -> int:
    """Return the serial of a delivery that nobody counts: above all that owners count up to.

    It derives from the chunk and is exact in JSON (below 2^53).
    """
    digest = hashlib.sha256(chunk.encode()).digest()
    return 1 << 52 | int.from_bytes(digest[:8], "big") >> 12


class RetryChunk(CommandBase, frozen=True, kw_only=True, tag="smtp.retry"):
    """Try the rest of a chunk now instead of later; what is being tried is left alone."""

    chunk: str
    attempt: int
    """The one that waits for its time."""
    part: str = ""


class DropChunk(CommandBase, frozen=True, kw_only=True, tag="smtp.drop"):
    """Give the rest of a chunk up; what is being tried is left alone."""

    chunk: str
    attempt: int
    """The one that waits for its time."""
    part: str = ""
    words: str
    """Why: the reply that its recipients' deliveries end with."""


class ForwardMail(CommandBase, frozen=True, kw_only=True, tag="smtp.forward"):
    """Send a mail on as it is, under the null sender (a failure is reported, never bounced)."""

    mail: MailReference
    message_id: str
    subject: str
    to: str


class ArrangeMail(CommandBase, frozen=True, kw_only=True, tag="fetcher.arrange"):
    """Flag or move a mail on the IMAP server that it was fetched from."""

    mail: MailReference
    flags: tuple[ServerFlag, ...] = ()
    move_to: str = ""
    """A folder by name or special use; empty = it stays."""


class TrainMail(CommandBase, frozen=True, kw_only=True, tag="rules.train"):
    """Teach the account's spam filter that a mail is spam or not; None: forget what was taught."""

    mail: MailReference
    spam: bool | None
    by: str
    """Who taught it: `rules`, or a user's id."""
    at: datetime
    """What was taught later than this holds."""
    charset: str = ""


class ReleaseMail(CommandBase, frozen=True, kw_only=True, tag="rules.release"):
    """Do what was withheld while the mail was in quarantine."""

    mail: MailReference


class AnswerMail(CommandBase, frozen=True, kw_only=True, tag="api.answer"):
    """Answer a mail automatically, unless its sender was answered not long ago."""

    mail: MailReference
    what: AutoReply


class TicketMail(CommandBase, frozen=True, kw_only=True, tag="api.ticket"):
    """Make a ticket of a mail, or add it to the one it answers."""

    mail: MailReference
    what: OpenTicket


class TellWebhook(CommandBase, frozen=True, kw_only=True, tag="api.webhook"):
    """Tell a webhook of a mail."""

    mail: MailReference
    what: CallWebhook


class Redo(CommandBase, frozen=True, kw_only=True, tag="redo"):
    """Handle again what was set aside; the handler's unique keys keep it from happening twice."""

    service: str
    dead: str
    original: Pointer


Command = (
    PostMail
    | RecordBounce
    | LeaveForum
    | SilencePerson
    | DeliverChunk
    | RetryChunk
    | DropChunk
    | ForwardMail
    | ArrangeMail
    | TrainMail
    | ReleaseMail
    | AnswerMail
    | TicketMail
    | TellWebhook
    | Redo
)


def subject_of(command: Command) -> str:
    """Return the subject that the command is published on."""
    if isinstance(command, Redo):
        return subjects.command(command.account, command.service, "redo", command.id)
    service, verb = str(type(command).__struct_config__.tag).split(".")
    return subjects.command(command.account, service, verb, command.id)


class Template(msgspec.Struct, frozen=True):
    """A rendered mail with personal places between its segments (one segment more than places).

    In JSON, segments are base64.
    """

    segments: tuple[bytes, ...]
    places: tuple[str, ...]


class OutboxMail(msgspec.Struct, frozen=True, kw_only=True):
    """What lies in OUTBOX: rendered once, filled in per recipient by smtp."""

    id: str
    account: str
    scope: str
    origin: str
    message_id: str
    subject: str
    template: Template


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a chunk is: the serials that need no further attempt, and how they ended."""

    chunk: str
    done: dict[int, Literal["delivered", "failed", "captured", "suppressed"]]


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """How many copies of an account left for the world outside on one day (UTC)."""

    copies: int


class SetAside(msgspec.Struct, frozen=True, kw_only=True):
    """What lies in DEAD: a message no handler could take, its reason, and where the original is."""

    id: str
    account: str
    service: str
    consumer: str
    subject: str
    message_id: str
    original: Pointer
    reason: str
    deliveries: int
    payload: bytes | None = None
    """A command's whole original; None for a mail, which stays in INTAKE."""
