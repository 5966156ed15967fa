"""What rules may ask of a mail."""

from datetime import UTC, datetime, tzinfo

import msgspec

from postroom_contract.mail import (
    AttachmentSummary,
    Authentication,
    Envelope,
    MailFacts,
    MailSummary,
    Person,
    Role,
)
from postroom_contract.rules import Rating
from postroom_mail.read import Mail
from postroom_mail.robot import FORWARDED_HEADER, MAX_HOPS, report_kind, robot_signs
from postroom_mail.text import one_line
from postroom_mail.values import Attachment

PREVIEW_LENGTH = 300
REFERENCES = 10
BODY_LENGTH = 256 * 1024


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The values that conditions look at, already decoded."""

    role: Role
    source: str
    """The way it came: smtp, imap, pop3 or import."""
    forum: str | None
    senders: tuple[str, ...]
    """Each as its address and, where there is a name, as `Name <address>`."""
    recipients: tuple[str, ...]
    """The envelope's recipient first (it stands in no header of a blind copy), then To."""
    cc: tuple[str, ...]
    bcc: tuple[str, ...]
    reply_to: tuple[str, ...]
    sender: tuple[str, ...]
    envelope_from: str
    envelope_to: str
    received: datetime
    """In the system's time zone."""
    subject: str
    body: str
    """The text, at most BODY_LENGTH characters."""
    size: int
    attachments: tuple[str, ...]
    """Each file's name, then its media type."""
    files: tuple[Attachment, ...]
    headers: tuple[tuple[str, str], ...]
    robot_signs: tuple[str, ...]
    authentication: Authentication
    """All `none` where nobody was asked."""
    loops: str
    """Why sending the mail on would make a loop; empty when it would not."""
    rating: Rating | None = None
    """What the mail was rated; None: nobody was asked."""
    history: bool = False
    """An old mail: nobody is told of it."""
    forums: MailFacts | None = None
    """What the forums know of it; None: they did not answer in time, or no rule asks."""
    report: str = ""
    """Which kind of report it is; empty: none."""
    quotable: bool = True
    """Whether the decision may say what stands in the text."""


def _faces(person: Person) -> tuple[str, ...]:
    if person.name and person.address:
        return (person.address, f"{person.name} <{person.address}>")
    return tuple(text for text in (person.address, person.name) if text)


def _all_faces(found: tuple[Person, ...]) -> tuple[str, ...]:
    return tuple(face for person in found for face in _faces(person))


def people(mailboxes: tuple[object, ...]) -> tuple[Person, ...]:
    """Return the people of an address header as the contract has them."""
    return tuple(Person(getattr(one, "name", ""), getattr(one, "address", "")) for one in mailboxes)


def facts_of(
    mail: Mail,
    envelope: Envelope,
    *,
    own_marker: bool,
    zone: tzinfo = UTC,
    rating: Rating | None = None,
    forums: MailFacts | None = None,
    quotable: bool = True,
) -> Facts:
    """Return the facts of a mail as it came to one recipient; `zone`: whose clock is meant."""
    senders = _all_faces(people(mail.from_))
    to = _all_faces(people(mail.to))
    return Facts(
        role=envelope.role,
        source=envelope.source,
        forum=envelope.forum,
        senders=senders,
        recipients=(envelope.recipient, *to),
        cc=_all_faces(people(mail.cc)),
        bcc=mail.header("Bcc"),
        reply_to=_all_faces(people(mail.reply_to)),
        sender=_all_faces(people(mail.sender)),
        envelope_from=envelope.sender,
        envelope_to=envelope.recipient,
        received=envelope.received_at.astimezone(zone),
        subject=mail.subject,
        body=mail.text[:BODY_LENGTH],
        size=envelope.size,
        attachments=tuple(
            text for file in mail.attachments for text in (file.name, file.media_type) if text
        ),
        files=mail.attachments,
        headers=mail.headers,
        robot_signs=robot_signs(mail, envelope_sender=envelope.sender, own_marker=own_marker),
        authentication=envelope.authentication or Authentication(),
        loops=_loops(mail, own_marker=own_marker),
        report=report_kind(mail),
        rating=rating,
        history=envelope.history,
        forums=forums,
        quotable=quotable,
    )


def _loops(mail: Mail, *, own_marker: bool) -> str:
    if own_marker:
        return "it was sent by this system"
    if len(mail.header("Received")) > MAX_HOPS:
        return f"it has passed more than {MAX_HOPS} servers"
    if mail.header(FORWARDED_HEADER):
        return "it was already forwarded by a rule"
    return ""


def summary_of(mail: Mail, facts: Facts) -> MailSummary:
    """Return what lists show of the mail."""
    senders = people(mail.from_)
    return MailSummary(
        message_id=mail.message_id,
        subject=mail.subject,
        sender=senders[0] if senders else None,
        to=tuple(person.address or person.name for person in people(mail.to)),
        date=mail.date,
        preview=one_line(mail.text[: 4 * PREVIEW_LENGTH])[:PREVIEW_LENGTH],
        attachments=tuple(
            AttachmentSummary(file.name, file.media_type, file.size) for file in mail.attachments
        ),
        robot_signs=facts.robot_signs,
        defects=mail.defects,
        report=facts.report,
        references=references_of(mail),
    )


def references_of(mail: Mail) -> tuple[str, ...]:
    """Return the Message-IDs that a mail answers, the newest."""
    return tuple(dict.fromkeys((*mail.references, *mail.in_reply_to)))[-REFERENCES:]
