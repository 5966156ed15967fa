"""What a mail says of deliveries: delivery status (RFC 3464), complaints (RFC 5965), old bounces.

Laws:
1. `read_report` never raises, whatever the bytes, but MemoryError; its work is bounded like that of
   `read`, and services call it in a worker process.
2. What is returned is what the mail claims. Whoever acts on it looks for a token of ours first:
   anybody can write that an address does not exist.
3. What a delivery status says is believed before any guess; an answer of a person's program (a
   vacation note) is never a fate.
"""

import email
import email.policy
import logging
import re
from collections.abc import Iterable, Iterator
from typing import Final

from flufl.bounce import all_failures

from postroom_mail.address import AddressError, parse_address
from postroom_mail.addresslist import read_address_list
from postroom_mail.headers import Head, decode_words, split_head
from postroom_mail.parts import Part, read_tree
from postroom_mail.text import one_line
from postroom_mail.tokens import token_kind
from postroom_mail.values import Action, Complaint, Fate, Report

__all__ = ["Complaint", "Fate", "Report", "read_report"]

MAX_FATES: Final = 100
MAX_TOKENS: Final = 20
MAX_WORDS: Final = 500
_MAX_STATUS: Final = 262_144
"""Octets of a delivery status or of an original's headers that are read."""
_MAX_GUESSED: Final = 131_072
_MAX_LINES: Final = 4_000
"""Octets and lines of a mail without delivery status that are searched for known words."""
_MAX_BLOCKS: Final = 2 * MAX_FATES

_BLANK_LINE = re.compile(rb"\r?\n[ \t]*\r?\n[\s]*")
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_TYPED = re.compile(r"\s*([A-Za-z0-9-]{1,40})\s*;(.*)", re.DOTALL)
_ADDRESSED = {"rfc822", "utf-8"}
"""Address types of RFC 3464 §2.1.2 and RFC 6533 §3 that are ours to read."""
_COMMENT = re.compile(r"\([^()]{0,500}\)\s*$")
_DETAIL = re.compile(r"[+/]([rbuRBU][A-Za-z0-9]-[A-Za-z2-7]{1,13}-[A-Za-z2-7]{16})(?![A-Za-z0-9-])")
_ACTIONS: Final[dict[str, Action]] = {
    "failed": "failed",
    "error": "failed",  # OpenSMTPD
    "failure": "failed",  # NTMail
    "delayed": "delayed",
    "delivered": "delivered",
    "relayed": "relayed",
    "expanded": "expanded",
}
_MIME: Final = {"mime-version", "content-type", "content-transfer-encoding", "content-disposition"}
_BY_CLASS: Final[dict[str, Action]] = {"2": "delivered", "4": "delayed", "5": "failed"}
_BEARING = ("return-path", "reply-to", "list-unsubscribe", "to", "sender", "x-envelope-from")
"""Fields of an original mail of ours that hold a token."""
_DAEMON = re.compile(
    r"(?:mailer-?daemon|postmaster|mail-?daemon|mdaemon|mail delivery (?:sub)?system)(?:\W|$)",
    re.IGNORECASE,
)
_AWAY = re.compile(
    r"\s{0,9}(?:out of (?:the )?office|automatic reply|auto(?:matic)?[- ]?(?:reply|response)|"
    r"automatische antwort|abwesenheit|vacation)",
    re.IGNORECASE,
)


class _Found:
    """What was met on the way through the tree."""

    def __init__(self) -> None:
        self.statuses: list[bytes] = []
        self.feedbacks: list[bytes] = []
        self.originals: list[bytes] = []


def read_report(raw: bytes) -> Report:
    """Read what a mail says of deliveries; raises nothing but MemoryError."""
    try:
        return _report(raw)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  # the law: a fault of ours must not stop the mail
        return Report(kind="none")


def _report(raw: bytes) -> Report:
    head = split_head(raw)
    found = read_tree(head, raw, _collect) or _Found()
    tokens = _tokens(found)
    if found.feedbacks:
        return Report(kind="complaint", complaint=_complaint(found.feedbacks[0]), tokens=tokens)
    fates = tuple(fate for status in found.statuses for fate in _fates(status))[:MAX_FATES]
    if fates:
        return Report(kind="delivery", fates=fates, tokens=tokens)
    if _is_answer(head):
        return Report(kind="answer", tokens=tokens)
    guessed = _guessed(head, raw)
    return Report(kind="guess" if guessed else "none", fates=guessed, tokens=tokens)


def _collect(root: Part) -> _Found:
    """Look at every part but those within an attached mail: what that says is not of ours."""
    found = _Found()
    waiting = [root]
    while waiting:
        part = waiting.pop()
        kind = part.media_type
        if kind in {"message/delivery-status", "message/global-delivery-status"}:
            found.statuses.append(part.content()[:_MAX_STATUS])
        elif kind == "message/feedback-report":
            found.feedbacks.append(part.content()[:_MAX_STATUS])
        elif kind in {"message/rfc822", "message/global", "text/rfc822-headers"} or (
            kind == "message/global-headers"
        ):
            found.originals.append(part.content()[:_MAX_STATUS])
        else:
            waiting.extend(reversed(part.children))
    return found


def _fates(status: bytes) -> Iterator[Fate]:
    """Read the blocks of a delivery status (RFC 3464 §2.1), those for a recipient."""
    blocks = _BLANK_LINE.split(status.strip(), maxsplit=_MAX_BLOCKS)[:_MAX_BLOCKS]
    for block in blocks:
        head = split_head(block.lstrip() + b"\r\n\r\n")
        final, original = head.first("final-recipient"), head.first("original-recipient")
        said = head.first("action")
        if not (said or final or original):
            continue
        words = _words(head.first("diagnostic-code"))
        code = _status(head.first("status"), words)
        action = _ACTIONS.get(_first_word(said)) or _BY_CLASS.get(code[:1])
        if action is None:
            continue
        yield Fate(
            action=action,
            recipient=_address(final),
            original=_address(original),
            status=code,
            words=words,
            server=_untyped(head.first("remote-mta"))[:MAX_WORDS],
        )


def _status(value: str, words: str) -> str:
    """Return the status; the server's own code where the field says nothing nearer (X.0.0)."""
    found = _STATUS.search(value)
    code = found[0] if found else ""
    if not code or code.endswith(".0.0"):
        nearer = _STATUS.search(words)
        if nearer and code[:1] in {"", nearer[1]}:
            return nearer[0]
    return code


def _first_word(value: str) -> str:
    words = value.strip().lower().split()
    return words[0].strip("();,") if words else ""


def _untyped(value: str) -> str:
    """Return a value without the type before its `;` and the comment behind it."""
    typed = _TYPED.fullmatch(value)
    return one_line(_COMMENT.sub("", typed[2] if typed else value), MAX_WORDS)


def _words(value: str) -> str:
    typed = _TYPED.fullmatch(value)
    return one_line(decode_words(typed[2] if typed else value), MAX_WORDS)


def _address(value: str) -> str:
    """Return the canonical address of a recipient field, or nothing when it has none."""
    typed = _TYPED.fullmatch(value)
    if typed and typed[1].lower() not in _ADDRESSED:
        return ""
    text = _COMMENT.sub("", typed[2] if typed else value).strip()
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1].strip()
    return _canonical(text)


def _canonical(text: str) -> str:
    try:
        return parse_address(text).canonical
    except AddressError:
        return ""


def _complaint(feedback: bytes) -> Complaint:
    head = split_head(feedback.lstrip() + b"\r\n\r\n")
    recipients = (_address(one) for one in head.all("original-rcpt-to")[:MAX_FATES])
    return Complaint(
        kind=_first_word(head.first("feedback-type"))[:40],
        recipients=tuple(dict.fromkeys(one for one in recipients if one)),
        sender=_address(head.first("original-mail-from")),
    )


def _tokens(found: _Found) -> tuple[str, ...]:
    """Return the details of addresses that have the form of a token, each once, in lower case."""
    texts: list[str] = []
    for feedback in found.feedbacks:
        texts += split_head(feedback.lstrip() + b"\r\n\r\n").all("original-mail-from")
    for original in found.originals:
        head = split_head(original.lstrip() + b"\r\n\r\n")
        texts += [value for name in _BEARING for value in head.all(name)]
    details = (one.lower() for text in texts for one in _DETAIL.findall(text))
    return tuple(dict.fromkeys(one for one in details if token_kind(one)))[:MAX_TOKENS]


def _is_answer(head: Head) -> bool:
    """Tell an automatic answer by its marks; mail servers set some of them too (RFC 3834 §2)."""
    authors, _ = read_address_list(", ".join(head.all("from"))[:MAX_WORDS])
    names = [name for one in authors for name in (one.name, one.address)]
    if head.first("x-failed-recipients") or any(map(_DAEMON.match, names)):
        return False
    return (
        _first_word(head.first("auto-submitted")).startswith("auto-replied")
        or _first_word(head.first("precedence")) in {"auto_reply", "auto-reply"}
        or bool(head.first("x-autoreply") or head.first("x-autorespond"))
        or bool(_AWAY.match(decode_words(head.first("subject"))))
    )


def _guessed(head: Head, raw: bytes) -> tuple[Fate, ...]:
    """Return what flufl.bounce knows of the words of this mail.

    Its detectors raise where From is missing or is not ASCII, and then none of the others is asked:
    so it sees a header of our own making. It also logs the traceback of what it raises.
    """
    logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL + 1)
    fields = {name.lower(): one_line(value, MAX_WORDS) for name, value in reversed(head.fields)}
    fields["from"] = fields.get("from") or "unknown"
    block = "".join(f"{k}: {v}\r\n" for k, v in fields.items() if k not in _MIME)
    body = raw[head.body_at : head.body_at + _MAX_GUESSED].splitlines(keepends=True)[:_MAX_LINES]
    clean = b"".join((block.encode("ascii", "replace"), head.mime, b"\r\n", *body))
    message = email.message_from_bytes(clean, policy=email.policy.compat32)
    temporary, permanent = all_failures(message)
    return (*_named(permanent, "failed"), *_named(temporary - permanent, "delayed"))[:MAX_FATES]


def _named(addresses: Iterable[bytes], action: Action) -> Iterator[Fate]:
    for one in sorted(addresses):
        address = _canonical(one.decode("ascii", "replace").strip())
        if address:
            yield Fate(action=action, recipient=address)
