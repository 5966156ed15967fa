"""Who sent a fetched mail, and when it came: its envelope is gone, so its header must say.

Law: the result is empty only for `Return-Path: <>`, which marks a bounce (RFC 5321 §4.4, §4.5.5).
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from postroom_mail.address import AddressError, parse_address
from postroom_mail.addresslist import read_address_list
from postroom_mail.headers import MAX_BLOCK, decode_words, split_head

HISTORY: Final = timedelta(days=7)
"""No MTA holds a mail longer on its way (RFC 5321 §4.5.4.1: 4 to 5 days)."""
TITLE: Final = 200
NOBODY: Final = "unknown@sender.invalid"
"""RFC 2606 §2."""


def sender_of(raw: bytes) -> str:
    """Return the address that the mail's Return-Path names, else its From."""
    head = split_head(raw[:MAX_BLOCK])
    path = head.first("return-path").strip()
    if path.replace(" ", "") == "<>":
        return ""
    for value in (path, head.first("from")):
        for found in read_address_list(value)[0][:1]:
            try:
                return str(parse_address(found.address))
            except AddressError:
                continue
    return NOBODY


def title_of(head: bytes) -> str:
    """Return subject and author of a header in one printable line; empty when it has neither."""
    fields = split_head(head[:MAX_BLOCK])
    words = [decode_words(fields.first(name)).strip() for name in ("subject", "from")]
    text = " — ".join(word for word in words if word)
    return "".join(c if c.isprintable() else " " for c in text)[:TITLE]


def is_history(raw: bytes, now: datetime) -> bool:
    """Return whether a mail was delivered long ago, by its last Received field.

    Only a server's trace counts: a Date is what the sender's clock said.
    """
    when = _time_of(split_head(raw[:MAX_BLOCK]).first("received").rpartition(";")[2])
    return when is not None and now - when > HISTORY


def arrived(raw: bytes) -> datetime | None:
    """Return when a mail was delivered, by its last Received field or else its Date."""
    head = split_head(raw[:MAX_BLOCK])
    return _time_of(head.first("received").rpartition(";")[2]) or _time_of(head.first("date"))


def _time_of(value: str) -> datetime | None:
    try:
        when = parsedate_to_datetime(value.strip()[:200])
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
