"""What a reply says itself, apart from what it quotes and signs with.

Laws:
1. Nothing is lost: every line but blank ones is own or elided, unchanged and in its order.
2. Time grows with the text alone: lines are judged one by one, or a few short ones together. A
   text of more than MAX_LINES is taken for own as a whole.
3. Answers stay seen. What follows a quotation in quote marks is own text, and quotations between
   own lines stay for them to make sense; only what nobody answered goes, and attribution lines.
   In doubt something is own: what is elided wrongly costs a click, what is shown wrongly nothing.

The texts of discourse/email_reply_trimmer (MIT) said what to expect; nothing is taken of its code.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

import msgspec

from postroom_mail import trim_words as words
from postroom_mail.trim_kinds import Kind, is_attributed, kinds_of

MAX_LINES: Final = 10_000
_MAX_SIGNATURE: Final = 15
"""Lines of a signature; more behind dashes are text."""
_MAX_DEVICE: Final = 120


class Trimmed(msgspec.Struct, frozen=True):
    """A text in its two parts; blank lines around them are dropped."""

    own: str
    elided: str


def trim(text: str) -> Trimmed:
    r"""Return the parts of a text with `\n` line ends; `own` is empty where all is quoted."""
    return part(text, elided_lines(text))


def part(text: str, elided: Sequence[int]) -> Trimmed:
    """Return the parts of a text by what `elided_lines` said of it."""
    lines = text.split("\n")
    own: list[str] = []
    away: list[str] = []
    done = 0
    for start, end in zip(elided[::2], elided[1::2], strict=True):
        own += lines[done:start]
        away += lines[start:end]
        if own and own[-1].strip() and not all(line.strip() for line in lines[start:end]):
            own.append("")  # what stood apart stays apart
        done = end
    return Trimmed(_joined([*own, *lines[done:]]), _joined(away))


def elided_lines(text: str) -> tuple[int, ...]:
    """Return which lines are elided: first line and line behind the last, of each run, flat."""
    lines = text.split("\n")
    if len(lines) > MAX_LINES:
        return ()
    kinds = kinds_of(lines)
    away = _Reading(lines, kinds).read()
    _take_ends(lines, kinds, away)
    _take_quotes(lines, kinds, away)
    _take_blanks(kinds, away)
    edges = [at for at in range(len(away) + 1) if _at(away, at) != _at(away, at - 1)]
    return tuple(edges)


def _at(away: Sequence[bool], at: int) -> bool:
    return 0 <= at < len(away) and away[at]


def _joined(lines: list[str]) -> str:
    start, end = 0, len(lines)
    while start < end and not lines[start].strip():
        start += 1
    while end > start and not lines[end - 1].strip():
        end -= 1
    return "\n".join(lines[start:end])


class _Reading:
    """One way from the first line to the last, that decides of all but quotations."""

    def __init__(self, lines: Sequence[str], kinds: Sequence[Kind]) -> None:
        self._lines, self._kinds = lines, kinds
        self._away = [False] * len(lines)
        self._follows = _following(kinds)
        self._quoted = _quotations(kinds)
        self._texts = [0, *accumulate(kind is Kind.TEXT for kind in kinds)]

    def read(self) -> list[bool]:
        """Return of each line whether it goes."""
        at, own = 0, False
        while at < len(self._kinds):
            end = self._end(at, own)
            self._away[at:end] = [True] * (end - at)
            own = own or (end == at and self._kinds[at] is Kind.TEXT)
            at = max(end, at + 1)
        return self._away

    def _end(self, at: int, own: bool) -> int:
        """Return the line behind what goes from here on; `at` itself where nothing goes."""
        kind = self._kinds[at]
        if kind is Kind.ATTRIBUTION:
            end = at
            while end < len(self._kinds) and self._kinds[end] is Kind.ATTRIBUTION:
                end += 1
            follows = self._follows[end - 1]
            whole = own and follows not in {Kind.QUOTE, Kind.ATTRIBUTION}
            return len(self._kinds) if whole else end
        if kind is Kind.SIGNATURE:
            return self._signature(at)
        return at

    def _signature(self, at: int) -> int:
        """Return the end of a signature: where a quotation begins, or the text ends."""
        end = self._quoted[at]
        return end if self._texts[end] - self._texts[at] <= _MAX_SIGNATURE else at


def _quotations(kinds: Sequence[Kind]) -> list[int]:
    """Return for each line where the next quotation begins."""
    found, nearest = [len(kinds)] * len(kinds), len(kinds)
    for at in range(len(kinds) - 1, -1, -1):
        if kinds[at] in {Kind.QUOTE, Kind.ATTRIBUTION}:
            nearest = at
        found[at] = nearest
    return found


def _following(kinds: Sequence[Kind]) -> list[Kind]:
    """Return for each line the kind of the next that is not blank."""
    found = [Kind.BLANK] * len(kinds)
    for at in range(len(kinds) - 1, 0, -1):
        found[at - 1] = found[at] if kinds[at] is Kind.BLANK else kinds[at]
    return found


def _take_ends(lines: Sequence[str], kinds: Sequence[Kind], away: list[bool]) -> None:
    """Take what telephones sign with, and rules, from the ends of own text."""
    ending = True
    for at in range(len(lines) - 1, -1, -1):
        if away[at] or kinds[at] is Kind.BLANK:
            ending = ending or away[at]
        elif ending:
            ending = kinds[at] in {Kind.RULE, Kind.SIGNATURE} or _is_device(lines[at])
            away[at] = ending


def _is_device(line: str) -> bool:
    bare = line.strip(" \t<>()[]*_").casefold()
    if not bare or len(bare) > _MAX_DEVICE:
        return False
    return bare.startswith(words.SENT_FROM) or bare.endswith(words.SENT_FROM_ENDS)


def _take_quotes(lines: Sequence[str], kinds: Sequence[Kind], away: list[bool]) -> None:
    """Take the quotations that nobody answers: at the end, and at the top when there is no other.

    Without a line of own text they stay, but for a mail that was sent back whole.
    """
    kept = [at for at in range(len(lines)) if not away[at] and kinds[at] is not Kind.BLANK]
    own = [at for at in kept if kinds[at] is Kind.TEXT]
    if not own:
        if kept and (any(away[: kept[0]]) or is_attributed(lines[kept[0]])):
            _take(away, kept)
        return
    _take(away, (at for at in kept if at > own[-1]))
    quoted = [at for at in kept if kinds[at] is Kind.QUOTE]
    if quoted and quoted[-1] < own[0] and any(away[: quoted[0]]):
        _take(away, quoted)


def _take(away: list[bool], taken: Iterable[int]) -> None:
    for at in taken:
        away[at] = True


def _take_blanks(kinds: Sequence[Kind], away: list[bool]) -> None:
    """A run of blank lines goes where what stands above and below it goes."""
    above, start, some = True, 0, any(away)
    for at in range(len(away) + 1):
        if at < len(away) and kinds[at] is Kind.BLANK:
            continue
        below = at == len(away) or away[at]
        goes = above and below and some
        away[start:at] = [goes] * (at - start)
        above, start = below, at + 1
