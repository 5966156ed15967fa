"""What happened, in the past tense. An event carries what a subscriber needs to decide."""

from datetime import datetime
from typing import Literal

import msgspec

from postroom_contract import subjects
from postroom_contract.forum import DeliveryMode, ForumRole, Joining, PostState, Visible
from postroom_contract.mail import Authentication, MailSummary, Pointer, Role
from postroom_contract.rules import Decision


class EventBase(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every event says of itself (CloudEvents: id, time, source, type)."""

    id: str
    time: datetime
    account: str
    scope: str
    """Mailbox, forum or `-`."""
    about: str
    """The id of what the event tells of."""
    source: str
    """The service that says so."""
    correlation: str
    """The mail or request that began the story."""
    causation: str
    """The message that led to this one."""


class MailSorted(EventBase, frozen=True, kw_only=True, tag="mail.sorted"):
    """The one decision on a mail. `about` is the mail's id."""

    mailbox: str
    role: Role
    forum: str | None
    token: str | None
    recipient: str
    envelope_sender: str
    received_at: datetime
    client: str
    helo: str
    size: int
    raw: Pointer
    summary: MailSummary
    decision: Decision
    tls: str = ""
    submitter: str = ""
    charset: str = ""
    """What was read in it that names no charset; empty = nothing was chosen."""
    authentication: Authentication | None = None
    """None: it was not asked (fetched mail, a trusted network, somebody who signed in)."""


class PostCreated(EventBase, frozen=True, kw_only=True, tag="post.created"):
    """A forum has a new post. `about` is the post's id."""

    forum: str
    topic: str
    post: str
    parent: str | None
    message_id: str
    subject: str
    author_name: str
    origin: Literal["mail", "web"]
    mail: str | None
    """The mail it came from."""
    recipients: int
    """How many members get a copy."""


class MemberJoined(EventBase, frozen=True, kw_only=True, tag="member.joined"):
    """Someone takes part in a forum. `about` is the member's id."""

    forum: str
    email: str


class MemberLeft(EventBase, frozen=True, kw_only=True, tag="member.left"):
    """Someone left a forum. `about` is the member's id."""

    forum: str
    email: str


class MemberChanged(EventBase, frozen=True, kw_only=True, tag="member.changed"):
    """A member has another role or delivery mode. `about` is the member's id."""

    forum: str
    email: str
    role: ForumRole
    delivery: DeliveryMode


class ForumChanged(EventBase, frozen=True, kw_only=True, tag="forum.changed"):
    """A forum has other settings. `about` is the forum's id."""

    forum: str
    name: str
    joining: Joining
    visible: Visible


class TopicChanged(EventBase, frozen=True, kw_only=True, tag="topic.changed"):
    """A topic was closed or opened again. `about` is the topic's id."""

    forum: str
    topic: str
    closed: bool


class PostModerated(EventBase, frozen=True, kw_only=True, tag="post.moderated"):
    """A post is held, was removed, or is shown again. `about` is the post's id.

    A held post that is shown is announced by `post.created` as well, then.
    """

    forum: str
    topic: str
    post: str
    state: PostState


DeliveryState = Literal[
    "delivered", "deferred", "failed", "captured", "suppressed", "bounced", "complained"
]  # fmt: skip
"""`suppressed`: not sent, because nothing is sent to this address; `bounced`: it was taken by the
next server and came back; `complained`: its reader called it spam."""


class DeliveryResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one recipient."""

    recipient: str
    state: DeliveryState
    reply: str
    """The next hop's words, or ours."""
    serial: int
    """The delivery's number at its owner."""
    status: str = ""
    """RFC 3463, as `5.1.1`: 5 = for good, 4 = for now. Empty: nobody said it."""


class DeliveryReported(EventBase, frozen=True, kw_only=True, tag="delivery.reported"):
    """How an attempt at a chunk went, or what a mail told of one of its copies afterwards.

    `about` is the chunk's id, or that of the mail.
    """

    outbox: str
    origin: str
    """What is delivered: a post's id."""
    subject: str
    message_id: str
    chunk: str
    """Empty when a mail told."""
    attempt: int
    """The last one; 0: none was made yet (held back, or over the daily cap), or a mail told."""
    next_attempt_at: datetime | None
    results: tuple[DeliveryResult, ...]
    mail: str = ""
    """The mail that told: a bounce or a complaint; empty: it was the next server."""
    part: str = ""
    """Of the chunk, as in the command."""
    domain: str = ""
    """Where it goes, in A-labels; empty when a mail told."""


class MailRefused(EventBase, frozen=True, kw_only=True, tag="mail.refused"):
    """The SMTP server turned something away. `about` is the event's own id.

    Each by itself as long as there are few; else one tells of all those of a network and reason in
    a minute. `account` is the recipient's, or `-` where that is nobody's.
    """

    network: str
    """Of the client: its address, or /24 and /64 where it sums up."""
    reason: str
    reply: str
    """What the client was told."""
    count: int = 1
    helo: str = ""
    sender: str = ""
    recipient: str = ""


class RuleFired(EventBase, frozen=True, kw_only=True, tag="rule.fired"):
    """A rule said so, under a name of the house's own. `about` is the mail's id."""

    name: str
    rule: str
    mailbox: str
    subject: str
    sender: str
    """The author's address; empty when there is none."""


class TicketChanged(EventBase, frozen=True, kw_only=True, tag="ticket.changed"):
    """A ticket was opened, has a further mail, or was closed or opened again. `about`: its id."""

    number: int
    token: str
    """What answers carry in their subject, as `[#17-x7k2p]`."""
    what: Literal["opened", "mail", "closed", "reopened"]
    queue: str
    subject: str
    requester: str
    mail: str
    """The mail that did it; empty: somebody on the page."""


FetchState = Literal["idle", "auth_failed", "unreachable", "refused", "trouble"]
"""`refused`: we did not try, because something about the mailbox's settings forbids it."""


class SkippedMail(msgspec.Struct, frozen=True, kw_only=True):
    """A mail that was left on the server and will not be fetched again."""

    key: str
    """UID (IMAP) or UIDL (POP3)."""
    size: int
    """Bytes, as the server says."""
    reason: str
    title: str = ""
    """Its subject and author, where the server tells them."""


class MailboxChecked(EventBase, frozen=True, kw_only=True, tag="mailbox.checked"):
    """A mailbox was fetched from, or this failed. `about` is the mailbox."""

    found: int
    """New mails on the server, those left there for their size or other faults included."""
    stored: int
    skipped: tuple[SkippedMail, ...]
    """Newly skipped ones, at most 100."""
    error: str | None
    """Plain words, the server's own among them."""
    state: FetchState
    next_check_at: datetime | None
    """None: by hand only."""


Event = (
    MailSorted | PostCreated | PostModerated | TopicChanged | ForumChanged | MemberJoined
    | MemberLeft | MemberChanged | DeliveryReported | MailRefused | MailboxChecked | RuleFired
    | TicketChanged
)  # fmt: skip


def type_of(event: Event) -> str:
    """Return `family.name`."""
    return str(type(event).__struct_config__.tag)


def subject_of(event: Event) -> str:
    """Return the subject that the event is published on."""
    return subjects.event(event.account, event.scope, type_of(event), event.about)
