"""Signs that a program sent a mail: such a mail is never answered and never posted (RFC 3834 §2).

Law: the answer is a list of reasons; it is empty for what a person wrote by hand, in any doubt too.
"""

import re

from postroom_mail.values import Mail

MAX_HOPS = 50
"""Received headers of a mail that is not in a loop."""

FORWARDED_HEADER = "Postroom-Forwarded"
"""Put on top of a mail that a rule sends on; one that has it is not sent on again."""

_REPORT_TYPE = re.compile(r""";\s{0,99}report-type\s{0,9}=\s{0,9}"?([a-z-]{1,40})""", re.IGNORECASE)
_PRECEDENCES = frozenset({"bulk", "junk", "list", "auto_reply", "auto-reply"})
# "DR", "RN", "NRN" only suppress receipts, which Exchange asks for in people's mail too.
_SUPPRESSED = frozenset({"all", "oof", "autoreply"})


def robot_signs(mail: Mail, *, envelope_sender: str | None, own_marker: bool) -> tuple[str, ...]:
    """Return the reasons, in words, why this is not a person's mail; empty when it is one.

    `envelope_sender` None or empty is the null sender of bounces (RFC 5321 §4.5.5): a caller who
    does not know the sender must not pass None. `own_marker`: the caller found our loop header and
    its value valid.
    """
    signs: list[str] = []
    if own_marker:
        signs.append("it carries our own loop marker")
    if not envelope_sender:
        signs.append("the envelope sender is empty, as that of a bounce")
    signs.extend(_auto_submitted(mail))
    signs.extend(
        f"Precedence is {value}"
        for value in map(_keyword, mail.header("precedence"))
        if value in _PRECEDENCES
    )
    signs.extend(
        f"it has a {name} header, as mail of a list"
        for name in ("List-Id", "List-Post")
        if mail.header(name)
    )
    if any(_suppresses(value) for value in mail.header("x-auto-response-suppress")):
        signs.append("X-Auto-Response-Suppress asks for no automatic answers")
    if any(_keyword(value) == "multipart/report" for value in mail.header("content-type")[:1]):
        signs.append("it is a report (multipart/report)")
    hops = len(mail.header("received"))
    if hops > MAX_HOPS:
        signs.append(f"it has passed {hops} servers, more than {MAX_HOPS}: a loop")
    return tuple(dict.fromkeys(signs))


def report_kind(mail: Mail) -> str:
    """Return which kind of report a mail is (RFC 6522), as `delivery-status`; empty: none."""
    value = next(iter(mail.header("content-type")), "")
    if _keyword(value) != "multipart/report":
        return ""
    found = _REPORT_TYPE.search(value)
    return found[1].lower() if found else ""


def _auto_submitted(mail: Mail) -> list[str]:
    """Read Auto-Submitted (RFC 3834 §5): everything but `no` is automatic."""
    keywords = [_keyword(value) for value in mail.header("auto-submitted")]
    return [f"Auto-Submitted is {word[:40]}" for word in keywords if word not in {"", "no"}]


def _keyword(value: str) -> str:
    """Return the first word of a structured value, in lower case, without what follows it."""
    for end in ";( \t":
        value = value.strip().partition(end)[0]
    return value.lower()


def _suppresses(value: str) -> bool:
    return not _SUPPRESSED.isdisjoint(word.strip().lower() for word in value.split(","))
