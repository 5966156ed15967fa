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
        wanted = name.lower()
        return tuple(value for field, value in self.headers if field.lower() == wanted)
