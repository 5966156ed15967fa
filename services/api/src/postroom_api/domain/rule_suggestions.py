"""What a rule might say, suggested from a mail and from what the account has seen."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec

from postroom_api.domain.rule_forms import TestRow

MOST: Final = 40
_HEAD: Final = 64 * 1024
_ANSWER: Final = re.compile(r"^\s*((re|aw|fwd?|wg|sv)\s*(\[\d+\])?\s*:\s*)+", re.IGNORECASE)
_LIST_ID: Final = re.compile(rb"^list-id:((?:[^\r\n]|\r?\n[ \t])*)", re.IGNORECASE | re.MULTILINE)
_IN_BRACKETS: Final = re.compile(r"<([^<>\s]+)>")
_WORD: Final = re.compile(r"[^\W\d_]{4,}")
_WORDS: Final = 3


class Suggestion(msgspec.Struct, frozen=True):
    """A comparison that fits a mail."""

    row: TestRow
    button: str
    """What takes it over, as `rule_forms.press` understands it."""


class Known(msgspec.Struct, frozen=True):
    """What an account has seen most, as suggestions beside fields."""

    senders: list[str] = []
    recipients: list[str] = []
    lists: list[str] = []
    tags: list[str] = []
    queues: list[str] = []


def frequent(values: Iterable[str]) -> list[str]:
    """Return the most frequent, first the most; of equals the first in the alphabet."""
    counted = Counter(one for one in values if one)
    return sorted(counted, key=lambda one: (-counted[one], one))[:MOST]


def list_id(raw: bytes) -> str:
    """Return the identifier in a mail's List-Id field (RFC 2919 §3); empty where there is none."""
    head = re.split(rb"\r?\n\r?\n", raw[:_HEAD], maxsplit=1)[0]
    found = _LIST_ID.search(head)
    if found is None:
        return ""
    text = found[1].decode("utf-8", "replace")
    inside = _IN_BRACKETS.search(text)
    return inside[1] if inside else ""


def suggestions(sender: str, recipient: str, subject: str, named: str) -> list[Suggestion]:
    """Return what a rule for mail like this one may ask, the likeliest first."""
    rows = []
    if named:
        rows.append(TestRow("list_id", "contains", named))
    if "@" in sender:
        domain = sender.rpartition("@")[2]
        rows.append(TestRow("from", "equals", sender, part="address"))
        rows.append(TestRow("from", "equals", domain, part="domain"))
    if recipient:
        rows.append(TestRow("envelope_to", "equals", recipient))
    bare = _ANSWER.sub("", subject).strip()
    if bare:
        rows.append(TestRow("subject", "contains", bare))
    longest = sorted(set(_WORD.findall(bare)), key=lambda one: (-len(one), one))
    rows += [TestRow("subject", "contains", word) for word in longest[:_WORDS] if word != bare]
    return [Suggestion(row, f"take {msgspec.json.encode(row).decode()}") for row in rows]
