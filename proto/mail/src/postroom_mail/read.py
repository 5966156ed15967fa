"""Any bytes to a Mail.

Laws:
1. `read` never raises, whatever the bytes; what could not be read is missing and `defects` says so.
   One exception: MemoryError, because how much there is the caller decides.
2. Its work is bounded by the limits of the modules it is made of; services call it in a worker
   process (`postroom_runtime.workers`) with a deadline and a limit of memory for what the libraries
   below may do yet.
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

from postroom_mail.addresslist import read_address_list
from postroom_mail.headers import Head, decode_words, split_head
from postroom_mail.parts import Body, read_body
from postroom_mail.text import MAX_SUBJECT, one_line
from postroom_mail.values import Attachment, Mail, Mailbox

__all__ = ["MAX_REFERENCES", "Attachment", "Mail", "Mailbox", "framed", "read", "read_framed"]

MAX_REFERENCES = 100
"""Message-IDs that are kept of In-Reply-To and of References: the newest."""
_MAX_DEFECTS = 50
_MAX_DATE = 200
_MAX_NAME = 60
_YEARS = range(1970, 2100)

# Printable ASCII without spaces and brackets: what `build` can write again on one line.
_MESSAGE_ID = re.compile(r"<([!-;=?-~]{1,500})>")
_BARE_MESSAGE_ID = re.compile(r"\s*([!-;=?-~]{1,250}@[!-;=?-~]{1,250})\s*")


def framed(raw: bytes, charset: str) -> bytes:
    """Return mail and fallback charset as one task for a worker process, for `read_framed`.

    The frame is the length of the charset's name in one octet, the name, and the mail. A name that
    is none of ASCII or too long counts as no charset.
    """
    name = charset.encode("ascii", "replace")
    if not charset.isascii() or len(name) > _MAX_NAME:
        name = b""
    return bytes([len(name)]) + name + raw


def read_framed(task: bytes) -> Mail:
    """Read what `framed` made; raises nothing but MemoryError."""
    return read(*unframed(task))


def unframed(task: bytes) -> tuple[bytes, str]:
    """Return mail and fallback charset of what `framed` made."""
    end = 1 + task[0]
    return task[end:], task[1:end].decode("ascii", "replace")


def read(raw: bytes, charset: str = "") -> Mail:
    """Read a mail; raises nothing but MemoryError.

    `charset` is for text and headers that name none and are not UTF-8.
    """
    return read_with_parts(raw, charset)[0]


def read_with_parts(raw: bytes, charset: str = "") -> tuple[Mail, Head, Body]:
    """Read a mail as `read` does, with what it was made of."""
    try:
        head = split_head(raw, charset)
        body = read_body(head, raw, charset)
        return _mail(head, body, len(raw)), head, body
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  # the law: a fault of ours must not stop the mail
        defect = f"the mail could not be read ({type(error).__name__})"
        head, body = Head((), b"", len(raw), (defect,)), Body("", "none", (), (defect,))
        return _unread(len(raw), defect), head, body


def _mail(head: Head, body: Body, size: int) -> Mail:
    defects = dict.fromkeys(head.defects)
    date, wrong = _date(head.first("date"))
    subject = decode_words(head.first("subject"))
    if wrong:
        defects[wrong] = None
    if len(subject) > MAX_SUBJECT:
        defects[f"the subject is longer than {MAX_SUBJECT} characters and was cut"] = None

    def mailboxes(name: str) -> tuple[Mailbox, ...]:
        found, wrongs = read_address_list(", ".join(head.all(name)))
        defects.update(dict.fromkeys(f"{name}: {wrong}" for wrong in wrongs))
        return found

    mail = Mail(
        message_id=_message_id(head.first("message-id"), defects),
        in_reply_to=_message_ids(head.first("in-reply-to")),
        references=_message_ids(" ".join(head.all("references"))),
        from_=mailboxes("from"),
        sender=mailboxes("sender"),
        reply_to=mailboxes("reply-to"),
        to=mailboxes("to"),
        cc=mailboxes("cc"),
        subject=subject[:MAX_SUBJECT],
        date=date,
        headers=tuple((name, decode_words(value)) for name, value in head.fields),
        text=body.text,
        text_source=body.source,
        attachments=body.attachments,
        size=size,
        defects=(),
    )
    return _with_defects(mail, (*defects, *body.defects))


def _with_defects(mail: Mail, defects: tuple[str, ...]) -> Mail:
    return msgspec.structs.replace(mail, defects=tuple(dict.fromkeys(defects))[:_MAX_DEFECTS])


def _unread(size: int, defect: str) -> Mail:
    return Mail(
        message_id=None,
        in_reply_to=(),
        references=(),
        from_=(),
        sender=(),
        reply_to=(),
        to=(),
        cc=(),
        subject="",
        date=None,
        headers=(),
        text="",
        text_source="none",
        attachments=(),
        size=size,
        defects=(defect,),
    )


def _message_id(value: str, defects: dict[str, None]) -> str | None:
    found = _MESSAGE_ID.search(value) or _BARE_MESSAGE_ID.fullmatch(value)
    if value.strip() and not found:
        defects["the Message-ID is not one"] = None
    return found[1] if found else None


def _message_ids(value: str) -> tuple[str, ...]:
    """Return the ids in angle brackets, without repetitions, the newest if there are too many."""
    bare = _BARE_MESSAGE_ID.fullmatch(value)
    ids = [bare[1]] if bare else _MESSAGE_ID.findall(value)
    return tuple(dict.fromkeys(reversed(ids)))[:MAX_REFERENCES][::-1]


def _date(value: str) -> tuple[datetime | None, str | None]:
    """Read a Date (RFC 5322 §3.3 and what is sent in its place); without zone it is UTC."""
    if not value.strip():
        return None, None
    try:
        date = parsedate_to_datetime(one_line(value, _MAX_DATE))
        date = date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, LookupError):
        return None, "the date is not one"
    if 100 <= date.year <= 999:  # noqa: PLR2004  # three digits: RFC 5322 §4.3
        date = date.replace(year=date.year + 1900)
    if date.year not in _YEARS:
        return None, f"the date is not between {_YEARS[0]} and {_YEARS[-1]}"
    return date, None
