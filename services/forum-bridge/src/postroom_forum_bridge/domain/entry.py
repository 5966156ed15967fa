"""A post before it is stored: made of a mail or of what was written on the web."""

from datetime import datetime
from typing import Literal

import msgspec

from postroom_contract.mail import AttachmentSummary
from postroom_forum_bridge.domain.addresses import address_key
from postroom_mail.text import clean_subject, one_line
from postroom_mail.trim import elided_lines, part
from postroom_mail.values import Mail

MAX_NAME = 200


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What a post says, without its place."""

    message_id: str
    author_name: str
    author_email: str
    subject: str
    text: str
    """All of it: this is what goes out."""
    elided: tuple[int, ...] = ()
    """The lines of it that a page folds away, as `postroom_mail.trim` counts them."""
    origin: Literal["mail", "web"]
    mail: str | None
    named: tuple[str, ...]
    """The ids that its mail named, oldest first."""
    attachments: tuple[AttachmentSummary, ...]
    created_at: datetime
    correlation: str
    causation: str

    @property
    def author_key(self) -> str:
        """The author's address as it is compared; empty when the mail had none."""
        return address_key(self.author_email)


def senders_of(mail: Mail, envelope_sender: str) -> tuple[str, ...]:
    """Return the addresses that the mail may come from: the author's, and the envelope's."""
    return (*(one.address for one in mail.from_[:1]), envelope_sender)


def entry_of(
    mail: Mail,
    *,
    mail_id: str,
    message_id: str,
    envelope_sender: str,
    received_at: datetime,
    named: tuple[str, ...],
    causation: str,
) -> Entry:
    """Return the post that a mail makes. A Date in the future counts as the time of receipt."""
    author = mail.from_[0] if mail.from_ else None
    date = mail.date
    return Entry(
        message_id=message_id,
        author_name=one_line(author.name, MAX_NAME) if author else "",
        author_email=author.address if author else envelope_sender,
        subject=one_line(mail.subject),
        text=mail.text,
        elided=folded(mail.text),
        origin="mail",
        mail=mail_id,
        named=named,
        attachments=tuple(
            AttachmentSummary(file.name, file.media_type, file.size) for file in mail.attachments
        ),
        created_at=date if date and date < received_at else received_at,
        correlation=mail_id,
        causation=causation,
    )


def folded(text: str) -> tuple[int, ...]:
    """Return the lines of a mail's text that a page folds away: none if nothing else were left."""
    lines = elided_lines(text)
    return lines if part(text, lines).own else ()


def title_of(subject: str, forum_name: str) -> str:
    """Return a topic's title from the subject of its root; empty when there is nothing in it."""
    return clean_subject(subject, forum_name)
