"""What Python's standard library (policy compat32) makes of a mail: another reader, not the truth.

Where it raises there is nothing to compare. What it cannot decode it gives as U+FFFD, which then
matches anything; its years of three digits are put right as RFC 5322 §4.3 says.
"""

import email
import email.policy
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

from postroom_mail.text import MAX_SUBJECT, label, one_line
from postroom_mail.values import Mail

UNDECODED = "\ufffd"
_COMMENT = re.compile(r"(?<=>) ?\([^()]*\)$")
"""Behind a Message-ID: allowed, and no part of it (RFC 5322 §3.6.4)."""
FIELDS = ("subject", "from", "date", "message-id", "attachment names")


def _decoded(value: Any) -> str:
    return str(make_header(decode_header(value if isinstance(value, str) else str(value))))


def _subject(message: Message) -> str:
    value = message["subject"]
    return "" if value is None else one_line(_decoded(value), MAX_SUBJECT)


def _from(message: Message) -> tuple[str, ...]:
    values = [str(value) for value in message.get_all("from", [])]
    return tuple(address.lower() for _, address in getaddresses(values) if address)


def _date(message: Message) -> str:
    value = message["date"]
    if value is None or not str(value).strip():
        return ""
    date = parsedate_to_datetime(str(value))
    date = date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    return (date.replace(year=date.year + 1900) if 100 <= date.year <= 999 else date).isoformat()


def _message_id(message: Message) -> str:
    value = _COMMENT.sub("", one_line(str(message["message-id"] or "")))
    return value.removeprefix("<").removesuffix(">")


def _names(message: Message) -> tuple[str, ...]:
    parts = (part for part in message.walk() if not part.is_multipart())
    names = [part.get_filename() for part in parts]
    return tuple(label(_decoded(name)) for name in names if name)


def _ours(mail: Mail) -> tuple[Any, ...]:
    return (
        mail.subject,
        tuple(box.address.lower() for box in mail.from_),
        mail.date.isoformat() if mail.date else "",
        mail.message_id or "",
        tuple(file.name for file in mail.attachments if file.name),
    )


_READERS: tuple[Callable[[Message], Any], ...] = (_subject, _from, _date, _message_id, _names)


def differences(raw: bytes, mail: Mail) -> dict[str, tuple[Any, Any]]:
    """Return field → (stdlib's, ours) where they differ."""
    try:
        message = email.message_from_bytes(raw, policy=email.policy.compat32)
    except Exception:  # noqa: BLE001 - one of a dozen types: it cannot read this mail
        return {}
    found: dict[str, tuple[Any, Any]] = {}
    for field, reader, ours in zip(FIELDS, _READERS, _ours(mail), strict=True):
        with suppress(Exception):
            theirs = reader(message)
            if not _same(theirs, ours):
                found[field] = (theirs, ours)
    return found


def _same(theirs: Any, ours: Any) -> bool:
    if isinstance(theirs, tuple):
        return len(theirs) == len(ours) and all(map(_same, theirs, ours))
    known = re.split(UNDECODED + "+", theirs)
    return re.fullmatch(".*".join(map(re.escape, known)), ours, re.DOTALL) is not None


def has_text(raw: bytes) -> bool:
    """Whether it finds a part of text, with something in it, that is no attachment."""
    with suppress(Exception):
        return _has_text(email.message_from_bytes(raw, policy=email.policy.compat32))
    return False


def _has_text(part: Message) -> bool:
    if part.get_content_maintype() == "multipart":
        children = part.get_payload()
        return isinstance(children, list) and any(map(_has_text, children))
    if part.is_multipart() or part.get_content_type() not in {"text/plain", "text/html"}:
        return False
    content = part.get_payload(decode=True)
    return part.get_content_disposition() != "attachment" and bool(content and content.strip())
