"""One mail on its way: where it came in, where it lies, what it says in short."""

from datetime import datetime
from typing import Literal

import msgspec

Role = Literal["mail", "post", "reply", "bounce", "join", "leave", "owner", "request"]
"""What the recipient address stands for; decided at admission, travels along."""


SpfResult = Literal["none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"]
"""RFC 7208 §2.6."""
DkimResult = Literal["pass", "fail", "neutral", "temperror", "permerror"]
"""RFC 8601 §2.7.1; `neutral`: the signature says nothing that we rely on."""
DmarcResult = Literal["none", "pass", "fail", "temperror", "permerror"]
ArcResult = Literal["none", "pass", "fail", "temperror"]
DmarcPolicy = Literal["none", "quarantine", "reject"]


class Signature(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One DKIM-Signature, as far as it was looked at."""

    domain: str
    selector: str
    result: DkimResult
    reason: str = ""


class Authentication(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of who sent a mail. Every `none`: nothing is published, or it was not asked."""

    spf: SpfResult = "none"
    spf_domain: str = ""
    dkim: tuple[Signature, ...] = ()
    dmarc: DmarcResult = "none"
    author_domain: str = ""
    """Of the From field; empty when it names none, or more than one."""
    policy: DmarcPolicy = "none"
    """What the author's domain asks for when DMARC fails."""
    arc: ArcResult = "none"


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the transport knew of a mail. Addresses are canonical; times are UTC."""

    id: str
    """`msg_…`, derived from mailbox, recipient, sender and content (DESIGN §3, identity)."""
    account: str
    mailbox: str
    role: Role
    recipient: str
    sender: str
    """Envelope sender; empty for the null sender."""
    received_at: datetime
    sha256: str
    size: int
    """Bytes."""
    source: Literal["smtp", "imap", "pop3", "import"]
    transaction: str
    """Shared by all recipients of one SMTP transaction; correlates its events."""
    forum: str | None = None
    token: str | None = None
    """What stood behind the `+` of a reply, bounce or unsubscribe address."""
    client: str = ""
    """IP address of the peer."""
    helo: str = ""
    smtputf8: bool = False
    tls: str = ""
    """The TLS version of the session, as `TLSv1.3`; empty = it was not encrypted."""
    history: bool = False
    """An old mail that was found in its mailbox, or imported: stored and sorted like any other,
    but nobody is told of it and nobody answered."""
    submitter: str = ""
    """Who signed in to send it (SMTP AUTH): the e-mail address of a user of ours."""
    authentication: Authentication | None = None
    """None: it was not asked."""


class Pointer(msgspec.Struct, frozen=True):
    """Where a stored message lies."""

    stream: str
    sequence: int


class Person(msgspec.Struct, frozen=True):
    """A name and an address as a mail gave them; either may be empty."""

    name: str
    address: str


class AttachmentSummary(msgspec.Struct, frozen=True):
    """An attachment by its label. `size` is in decoded bytes."""

    name: str
    media_type: str
    size: int


class MailFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the forums know of a mail."""

    member: bool
    """Its author is a member of a forum of the account."""
    known_thread: bool
    """It names a post of one among those it answers."""


class MailSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a list or a rule's explanation shows of a mail."""

    message_id: str | None
    subject: str
    sender: Person | None
    to: tuple[str, ...]
    date: datetime | None
    preview: str
    """At most 300 characters of text."""
    attachments: tuple[AttachmentSummary, ...]
    robot_signs: tuple[str, ...]
    """Why this mail must never be answered or posted; empty for a person's mail."""
    defects: tuple[str, ...]
    references: tuple[str, ...] = ()
    """Message-IDs it answers: the newest 10 of References and In-Reply-To, without brackets."""
    report: str = ""
    """Of a report (multipart/report) its kind, as `delivery-status` or `feedback-report`."""
