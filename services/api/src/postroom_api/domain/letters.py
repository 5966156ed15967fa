"""Mail that Postroom itself writes to one address: rendered, and the command that sends it.

Law: every id derives from the letter's own, so that writing it again sends nothing twice.
"""

from datetime import datetime
from urllib.parse import urlsplit

import msgspec

from postroom_contract import commands
from postroom_contract.commands import DeliverChunk, OutboxMail, Recipient, Template
from postroom_contract.ids import derived_id
from postroom_mail.address import Address
from postroom_mail.build import (
    date_header,
    header,
    mailbox_header,
    message_ids_header,
    text_body,
)
from postroom_mail.values import Mailbox


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """What to say to whom. `id` is what it is about: a notice, an operation."""

    id: str
    account: str
    scope: str
    """The mailbox it is about; `-` for none."""
    to: Address
    subject: str
    text: str
    written_at: datetime
    author: Mailbox | None = None
    """Of an answer to a mail; None: Postroom itself."""
    answers: str = ""
    """Message-ID of the mail that it answers, without brackets; empty: none, or it had none."""
    references: tuple[str, ...] = ()


def message_id(letter: Letter, base_url: str) -> str:
    """Return its Message-ID, without angle brackets."""
    host = urlsplit(base_url).hostname or ""
    named = "." in host and not host.rpartition(".")[2].isdigit()
    return f"{_outbox(letter)}@{host if named else 'postroom.local'}"


def rendered(letter: Letter, base_url: str) -> OutboxMail:
    """Return the mail as it goes out; RFC 3834 §5 marks it as nobody's answer."""
    known_as = message_id(letter, base_url)
    mime, body = text_body(letter.text)
    sender = Mailbox("Postroom", f"postroom@{known_as.rpartition('@')[2]}")
    lines = (
        mailbox_header("From", letter.author or sender),
        mailbox_header("To", Mailbox("", letter.to.canonical)),
        header("Subject", letter.subject),
        date_header(letter.written_at),
        message_ids_header("Message-ID", [known_as]),
        header("Auto-Submitted", "auto-replied" if letter.author else "auto-generated"),
        *([message_ids_header("In-Reply-To", [letter.answers])] if letter.answers else ()),
        *([message_ids_header("References", letter.references)] if letter.references else ()),
        *mime,
        b"\r\n",
        body,
    )
    return OutboxMail(
        id=_outbox(letter),
        account=letter.account,
        scope=letter.scope,
        origin=letter.id,
        message_id=known_as,
        subject=letter.subject,
        template=Template((b"".join(lines),), ()),
    )


def sending(letter: Letter) -> DeliverChunk:
    """Return the command that sends it, from the null sender (RFC 5321 §4.5.5)."""
    chunk = derived_id("chk", _outbox(letter))
    return DeliverChunk(
        id=derived_id("cmd", chunk, "1"),
        account=letter.account,
        correlation=letter.id,
        causation=letter.id,
        chunk=chunk,
        scope=letter.scope,
        origin=letter.id,
        outbox=_outbox(letter),
        domain=letter.to.domain,
        attempt=1,
        recipients=(
            Recipient(
                serial=commands.lone_serial(chunk),
                address=letter.to.canonical,
                sender="",
                places={},
            ),
        ),
    )


def serial(letter: Letter) -> int:
    """Return the serial under which its delivery is reported."""
    return commands.lone_serial(derived_id("chk", _outbox(letter)))


def _outbox(letter: Letter) -> str:
    return derived_id("out", f"{derived_id('out', letter.id)} {letter.to.canonical}")
