"""What each line of a mail's text is: own words, a quotation, or what stands above one.

Law: a line is judged by itself and by few short lines around it (`trim` says why).
"""

import re
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from typing import Final

from postroom_mail import trim_words as words

_MAX_LINE: Final = 500
"""Characters of a line, or of an attribution's lines; what is longer is text."""
_MAX_SPAN: Final = 6
"""Lines that an attribution may be wrapped into."""
_MAX_WRAPPED: Final = 2
"""Lines that a header of a quoted mail may go on for."""
_MIN_RULE: Final = 3
_MIN_FOOTER: Final = 5
_MAX_MARKER: Final = 60

_DATE: Final = re.compile(
    r"(?<!\d)(?:19|20)\d\d(?!\d)|(?<!\d)\d{1,2}[:.h]\d\d(?!\d)|\d{1,2}[./-]\d{1,2}[./-]\d\d"
)
_TIME: Final = re.compile(r"(?<!\d)\d{1,2}[:.h]\d\d(?!\d)")
_DATE_FIRST: Final = re.compile(r"(?:19|20)\d\d(?:[-/.]\d\d?[-/.]|[年년] ?\d\d?[月월] ?)\d\d?")
_INITIALS: Final = re.compile(r"([A-Z]\w{0,19})>(?: |$)")
_SENTENCE_END: Final = re.compile(r"(?:[!?:]|(?<!\d)\.)\Z")
_WORD: Final = re.compile(r"\w+")
_COLONS: Final = (":", "\uff1a")
"""The second is that of Chinese and Japanese."""
_RULES: Final = "-_=*#~+—ᐧ"
"""What lines are drawn with; the last by a tracker of mails, alone."""
_PGP: Final = "-----BEGIN PGP SIGNATURE-----"


class Kind(Enum):
    """What a line is."""

    BLANK = auto()
    TEXT = auto()
    QUOTE = auto()
    SIGNATURE = auto()
    """A line above a signature."""
    RULE = auto()
    ATTRIBUTION = auto()
    """Also: a marker or the headers of a mail that follows."""


def kinds_of(lines: Sequence[str]) -> list[Kind]:
    """Return the kind of each line: judged by itself, or by its neighbours where those say more."""
    kinds = [_kind(line) for line in lines]
    for start, end in _fences(lines):
        kinds[start:end] = [Kind.TEXT] * (end - start)
    _mark_attributions(lines, kinds)
    _mark_initials(lines, kinds)
    _mark_headers(lines, kinds)
    return kinds


def _kind(line: str) -> Kind:
    bare = line.strip()
    if not bare:
        return Kind.BLANK
    if bare.startswith(">"):
        # The angle bracket of an address that was wrapped is told apart later.
        return Kind.QUOTE
    if bare in {"--", "—", "- --", _PGP}:
        return Kind.SIGNATURE
    if bare[0] in _RULES and bare == bare[0] * len(bare):
        return _rule(bare)
    return Kind.ATTRIBUTION if _is_marker(bare) else Kind.TEXT


def _rule(bare: str) -> Kind:
    if bare[0] == "_" and len(bare) >= _MIN_FOOTER:
        return Kind.SIGNATURE
    return Kind.RULE if len(bare) >= _MIN_RULE or bare == "ᐧ" else Kind.TEXT


def _is_marker(bare: str) -> bool:
    """Tell "-----Original Message-----" and what stands for it in other languages and programs."""
    if len(bare) > _MAX_MARKER:
        return False
    said = bare.strip("-_* \t:\uff1a").casefold()
    decorated = bare.strip("*").startswith(("--", "__")) or bare.endswith(_COLONS)
    return decorated and said in words.MARKERS


def _fences(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the blocks of code between pairs of ``` lines: what is in them is text."""
    opened: int | None = None
    for at, line in enumerate(lines):
        if not line.lstrip().startswith("```"):
            continue
        if opened is None:
            opened = at
        else:
            yield opened, at + 1
            opened = None


# Attribution lines.


def _mark_attributions(lines: Sequence[str], kinds: list[Kind]) -> None:
    for at in range(len(lines)):
        start = _attribution(lines, kinds, at)
        if start is not None:
            kinds[start : at + 1] = [Kind.ATTRIBUTION] * (at + 1 - start)


def _attribution(lines: Sequence[str], kinds: Sequence[Kind], at: int) -> int | None:
    """Return the first line of the attribution that ends here: the nearest that it can be."""
    if not _may_end(lines, kinds, at):
        return None
    quoted = _next_kind(kinds, at + 1) is Kind.QUOTE
    said, bare = "", None
    for start in range(at, max(at - _MAX_SPAN, -1), -1):
        line = lines[start].strip()
        if not line and said.startswith("<"):
            continue
        ended = not line or (start < at and _SENTENCE_END.search(line))
        if ended or (kinds[start] is not Kind.TEXT and start != at):
            break
        said = f"{line} {said}".rstrip()
        if len(said) > _MAX_LINE:
            break
        if said.startswith(("<", ">")) or said.count(">") > said.count("<"):
            continue
        if _attributes(said, quoted=quoted):
            return _with_date(lines, kinds, start, said)
        # "Anna wrote:" is one too, unless there is more of it above.
        bare = start if bare is None and quoted and _says_wrote(said) and _ends(said) else bare
    return bare


def _may_end(lines: Sequence[str], kinds: Sequence[Kind], at: int) -> bool:
    line = lines[at].rstrip(" \t*_-")
    if len(line) > _MAX_LINE:
        return False
    if kinds[at] is Kind.QUOTE:
        # The end of an address that was wrapped: "Anna <anna@example.org" above "> wrote:".
        before = "".join(lines[max(at - 3, 0) : at])
        open_ = before.count("<") > before.count(">")
        return line.endswith(":") and kinds[at - 1] is Kind.TEXT and open_
    if kinds[at] is not Kind.TEXT:
        return False
    return line.endswith((*_COLONS, ">")) or " GMT" in line or lines[at].rstrip().endswith("---")


def _ends(said: str) -> bool:
    bare = said.rstrip(" \t*_")
    return bare.endswith(_COLONS) or (bare.startswith("---") and bare.endswith("---"))


def _attributes(said: str, *, quoted: bool) -> bool:
    """Tell whether this says who wrote, and when or where; `quoted`: quote marks follow."""
    bare = said.rstrip(" \t*_")
    address, date = "@" in said, _DATE.search(said) is not None
    # "2016-10-24 15:36 GMT+02:00 Anna <anna@example.org>:", in every language.
    known = " GMT" in bare or (address and bare.endswith((">", ">:")))
    if date and known and _DATE_FIRST.match(bare):
        return True
    if not _ends(said) or not (date or address):
        return False
    if not _says_wrote(said):
        # "26.06.2014, 14:41, Anna <anna@example.org>:", as Yandex writes.
        sure = quoted or (bare.endswith(">:") and _TIME.search(said) is not None)
        return sure and address and date
    # Without quote marks everything below it goes, so it must be sure.
    return quoted or address or bare.startswith("--- ") or _TIME.search(said) is not None


def _says_wrote(said: str) -> bool:
    folded = said.casefold()
    if not words.WROTE.isdisjoint(_WORD.findall(folded)):
        return True
    return any(word in folded for word in words.WROTE_UNSPACED)


def _with_date(lines: Sequence[str], kinds: Sequence[Kind], start: int, said: str) -> int:
    """Return the line above, where that has the date which the attribution lacks."""
    above = lines[start - 1].strip() if start else ""
    if not above or len(above) > _MAX_LINE or kinds[start - 1] is not Kind.TEXT:
        return start
    dates = _DATE.search(above) and not _DATE.search(said)
    return start - 1 if dates and not _SENTENCE_END.search(above) else start


def _mark_initials(lines: Sequence[str], kinds: list[Kind]) -> None:
    """Mark quotations as "AB> text" and "| text", below an attribution or two of a kind."""
    below, attributed, before = False, False, ""
    for at, line in enumerate(lines):
        if kinds[at] is Kind.BLANK:
            continue
        if kinds[at] is Kind.ATTRIBUTION:
            below = attributed = True
        elif kinds[at] is Kind.TEXT:
            found = _INITIALS.match(line)
            mark = found[1] if found else "|" if line.startswith("|") else ""
            twice = mark and mark != "|" and attributed and (mark == before or _goes_on(lines, at))
            below = bool(mark) and (below or bool(twice))
            before = mark if below else ""
            if below:
                kinds[at] = Kind.QUOTE
        else:
            below = False


def _goes_on(lines: Sequence[str], at: int) -> bool:
    mark = lines[at].partition(">")[0]
    return at + 1 < len(lines) and lines[at + 1].startswith(f"{mark}>")


# Headers of mails that follow whole.


def _mark_headers(lines: Sequence[str], kinds: list[Kind]) -> None:
    at = 0
    while at < len(lines):
        if kinds[at] is not Kind.TEXT or not _header(lines[at]):
            at += 1
            continue
        end, names = _block(lines, kinds, at)
        if _heads_mail(lines[at:end], names, _announced(kinds, at)):
            kinds[at:end] = [Kind.ATTRIBUTION] * (end - at)
        at = end


def _header(line: str) -> str:
    """Return the name of the header that the line is, casefolded; empty for none."""
    name, colon, _ = line[:_MAX_MARKER].replace("\uff1a", ":").partition(":")
    if not colon:
        return ""
    name = name.strip("*_ \t\xa0").casefold()
    known = (words.FROM, words.SUBJECT, words.DATE, words.OTHER_HEADERS)
    return name if any(name in one for one in known) else ""


def _block(lines: Sequence[str], kinds: Sequence[Kind], start: int) -> tuple[int, set[str]]:
    """Return the end of a block of headers and their names; some are wrapped, or set apart."""
    end, names, others = start, set[str](), 0
    for at in range(start, len(lines)):
        name = _header(lines[at]) if kinds[at] is Kind.TEXT else ""
        if name:
            names.add(name)
            end, others = at + 1, 0
            continue
        others += 1
        if others > _MAX_WRAPPED or kinds[at] not in {Kind.TEXT, Kind.BLANK}:
            break
    return end, names


def _heads_mail(block: Sequence[str], names: set[str], announced: bool) -> bool:
    """Tell headers of a mail from a plan of a journey ("From: … To: … Date: …")."""
    if names.isdisjoint(words.FROM) or names.isdisjoint(words.SUBJECT | words.DATE):
        return False
    if announced or any("@" in line for line in block):
        return len(names) > 2  # noqa: PLR2004  # who, what or when, and one more
    return len(names) > 3 and not names.isdisjoint(words.SUBJECT)  # noqa: PLR2004


def _announced(kinds: Sequence[Kind], at: int) -> bool:
    """Tell whether a marker or a rule stands above."""
    above = (kinds[one] for one in range(at - 1, max(at - 4, -1), -1))
    kind = next((kind for kind in above if kind is not Kind.BLANK), Kind.TEXT)
    return kind in {Kind.ATTRIBUTION, Kind.RULE, Kind.SIGNATURE}


def _next_kind(kinds: Sequence[Kind], at: int) -> Kind:
    """Return the kind of the next line that is not blank; looks a few lines ahead."""
    ahead = kinds[at : at + 8]
    return next((kind for kind in ahead if kind is not Kind.BLANK), Kind.BLANK)


def is_attributed(line: str) -> bool:
    """Tell whether a quoted line is an attribution itself."""
    said = line.strip("> \t")
    return len(said) <= _MAX_LINE and _attributes(said, quoted=True)
