"""What a mail says, as values. Every text can be written as UTF-8 and holds no NUL."""

from datetime import datetime
from typing import Literal

import msgspec


class Mailbox(msgspec.Struct, frozen=True):
    """A name and an address as a mail gave them; the name is empty when there is none.

    The address is foreign text with an `@` and a lower-case domain: it is shown and compared.
    Before anything is sent to it, it has to pass `address.parse_address`.
    """

    name: str
    address: str


class Attachment(msgspec.Struct, frozen=True):
    """A part that is not the text. `name` is a label, never a path; `size` is decoded octets."""

    name: str
    media_type: str
    size: int


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """A mail as read. The raw bytes stay the truth: nothing here is ever made into them again."""

    message_id: str | None
    """Without angle brackets, printable ASCII without spaces; so are the two below."""
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    """The newest 100, oldest first."""
    from_: tuple[Mailbox, ...]
    sender: tuple[Mailbox, ...]
    reply_to: tuple[Mailbox, ...]
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    subject: str
    """Decoded, one line, at most 1,000 characters."""
    date: datetime | None
    """UTC."""
    headers: tuple[tuple[str, str], ...]
    """Name as written and value, decoded and unfolded, in the mail's order."""
    text: str
    text_source: Literal["plain", "html", "none"]
    attachments: tuple[Attachment, ...]
    size: int
    """Octets of the raw mail."""
    defects: tuple[str, ...]

    def header(self, name: str) -> tuple[str, ...]:
        """Return all values under a name in any case, in the mail's order."""
        wanted, length = name.lower(), len(name)
        found = [v for name, v in self.headers if len(name) == length and name.lower() == wanted]
        return tuple(found)


Action = Literal["failed", "delayed", "delivered", "relayed", "expanded"]
"""RFC 3464 §2.3.3."""


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one recipient, as the mail claims. Addresses are canonical, or empty."""

    action: Action
    recipient: str = ""
    """Where it went in the end (Final-Recipient)."""
    original: str = ""
    """Where it was sent to, if that was said (Original-Recipient)."""
    status: str = ""
    """RFC 3463, as `5.1.1`; empty: not said."""
    words: str = ""
    """The server's own, on one line."""
    server: str = ""
    """Who said so (Remote-MTA)."""


class Complaint(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody pressed "this is spam" (RFC 5965)."""

    kind: str
    """Feedback-Type: abuse, fraud, not-spam, …"""
    recipients: tuple[str, ...]
    """Original-Rcpt-To, canonical."""
    sender: str
    """Original-Mail-From, canonical, or empty."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a mail says of deliveries.

    `delivery`: it has a delivery status; `guess`: known words of an old mail server; `answer`: a
    program answered for a person; `none`: nothing of the kind.
    """

    kind: Literal["delivery", "guess", "complaint", "answer", "none"]
    fates: tuple[Fate, ...] = ()
    complaint: Complaint | None = None
    tokens: tuple[str, ...] = ()
    """What has the form of a token in the report and in the original's header; not verified."""
