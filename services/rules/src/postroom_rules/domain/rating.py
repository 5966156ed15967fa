"""What a mail is rated before any rule is tried: lists, the filter, what other servers said.

A list decides alone. Otherwise the surest counts: the opinion that is furthest from 50.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from postroom_contract.mail import Authentication
from postroom_contract.rules import Rating, RatingSource, Reason
from postroom_mail.values import Mail

MAX_REASONS: Final = 20
SPAM: Final = 95
WANTED: Final = 5
AS_THEY_SAY: Final = 90
"""A score that is just what another server takes for spam."""
_USUAL_THRESHOLD: Final = 5.0
"""SpamAssassin's, where a header tells a score alone."""
_NUMBER: Final = r"(-?\d{1,9}(?:\.\d{1,9})?)"
"""Not more: what anybody may have written must stay a number."""
_SCORE: Final = re.compile(rf"\b(?:score|hits)={_NUMBER}", re.IGNORECASE)
_REQUIRED: Final = re.compile(rf"\brequired={_NUMBER}", re.IGNORECASE)
_OF: Final = re.compile(rf"\[\s*{_NUMBER}\s*/\s*{_NUMBER}\s*\]")
_SPAMICITY: Final = re.compile(rf"\bspamicity={_NUMBER}", re.IGNORECASE)
_SCL: Final = re.compile(r"(?:\bSCL:|^\s*)(-?\d)\b")
_ALONE: Final = re.compile(rf"\s*{_NUMBER}\s*$")
_STARS: Final = re.compile(r"\s*(\*+|\++)\s*$")
_YES: Final = re.compile(r"\s*(?:yes|true|spam|1)\b", re.IGNORECASE)
_NO: Final = re.compile(r"\s*(?:no|false|ham|0)\b", re.IGNORECASE)
_SHOWN: Final = 80


class Opinion(msgspec.Struct, frozen=True):
    """What one of them says. `reasons` are those that weighed most."""

    source: RatingSource
    score: int
    reasons: tuple[Reason, ...]


class Lists(msgspec.Struct, frozen=True):
    """Addresses and domains that are never spam, or always."""

    allowed: frozenset[str] = frozenset()
    blocked: frozenset[str] = frozenset()


def rated(
    opinions: Iterable[Opinion], *, model: int = 0, learnt_spam: int = 0, learnt_ham: int = 0
) -> Rating:
    """Return the rating of a mail: of a list where one decides, else of the surest."""
    found = list(opinions)
    listed = [one for one in found if one.source == "list"]
    surest = max(listed or found, key=lambda one: abs(one.score - 50), default=None)
    reasons = [reason for one in listed or found for reason in one.reasons]
    reasons.sort(key=lambda one: -abs(one.weight))
    return Rating(
        score=surest.score if surest else None,
        reasons=tuple(reasons[:MAX_REASONS]),
        model=model,
        learnt_spam=learnt_spam,
        learnt_ham=learnt_ham,
    )


def by_lists(
    lists: Lists, senders: Sequence[str], envelope_from: str, authentication: Authentication
) -> Opinion | None:
    """Return what the lists say of who wrote; both an author and the envelope can be blocked.

    An allowed author whose mail fails DMARC is forged, and not allowed.
    """
    for address in (*senders, envelope_from):
        entry = _entry(lists.blocked, address)
        if entry:
            reason = Reason(source="list", words=f"blocked: {entry}", weight=10.0)
            return Opinion("list", 100, (reason,))
    if authentication.dmarc == "fail":
        return None
    for address in senders[:1]:
        entry = _entry(lists.allowed, address)
        if entry:
            reason = Reason(source="list", words=f"allowed: {entry}", weight=-10.0)
            return Opinion("list", 0, (reason,))
    return None


def _entry(entries: frozenset[str], address: str) -> str:
    """Return what stands in a list for an address: itself, its domain, or one above that."""
    if not entries:
        return ""
    folded = address.casefold()
    if folded in entries:
        return folded
    domain = folded.rpartition("@")[2]
    while domain:
        if domain in entries:
            return domain
        domain = domain.partition(".")[2]
    return ""


def by_headers(mail: Mail, trusted: Sequence[str]) -> list[Opinion]:
    """Return what the house's own mail servers wrote into the mail, the topmost field of a name."""
    opinions = []
    for name in trusted:
        value = next(iter(mail.header(name)), None)
        if value is None:
            continue
        score = score_of(value)
        if score is not None:
            words = f"{name}: {' '.join(value.split())[:_SHOWN]}"
            reason = Reason(source="header", words=words, weight=(score - 50) / 10)
            opinions.append(Opinion("header", score, (reason,)))
    return opinions


def score_of(value: str) -> int | None:  # noqa: PLR0911 - a table of kinds
    """Return the rating that a verdict header says; None when it says none that is known.

    Known: SpamAssassin (`X-Spam-Flag`, `-Status`, `-Level`, `-Score`), rspamd (`X-Spamd-Result`),
    bogofilter (`X-Bogosity`), Exchange (`SCL`). A score as high as their threshold is 90.
    """
    if found := _SPAMICITY.search(value):
        return _within(100 * float(found[1]))
    if found := _OF.search(value):
        return _scaled(float(found[1]), float(found[2]))
    if found := _SCORE.search(value):
        required = _REQUIRED.search(value)
        return _scaled(float(found[1]), float(required[1]) if required else _USUAL_THRESHOLD)
    if found := _STARS.match(value):
        return _scaled(float(len(found[1])), _USUAL_THRESHOLD)
    if "SCL" in value and (found := _SCL.search(value)):
        return _within(18 * float(found[1]))
    if (found := _ALONE.match(value)) and "." in found[1]:
        return _scaled(float(found[1]), _USUAL_THRESHOLD)
    if _YES.match(value):
        return SPAM
    return WANTED if _NO.match(value) else None


def by_rspamd(score: float, required: float, symbols: Sequence[tuple[str, float]]) -> Opinion:
    """Return what an rspamd server thinks; the symbols are those that it counted."""
    heaviest = sorted(symbols, key=lambda one: -abs(one[1]))[:MAX_REASONS]
    return Opinion(
        "rspamd",
        _scaled(score, required),
        tuple(Reason(source="rspamd", words=name, weight=weight) for name, weight in heaviest),
    )


def _scaled(score: float, required: float) -> int:
    return _within(AS_THEY_SAY * score / required) if required > 0 else SPAM * (score > 0)


def _within(score: float) -> int:
    return round(min(max(score, 0.0), 100.0))
