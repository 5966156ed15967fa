"""The header block of any bytes: found, bounded, unfolded, decoded. Nothing here raises.

Laws:
1. The block ends at the first empty line or at the first line that is no header line (what MTAs do,
   so that we and they see the same headers); time and memory are linear in its bounded size.
2. A decoded value is one line without control characters: an encoded newline cannot become a
   header line of another mail (CVE-2024-6923).
"""

import binascii
import re
from collections.abc import Iterator

import msgspec

from postroom_mail.charset import decode
from postroom_mail.text import one_line

MAX_BLOCK = 262_144
"""Octets of the header block."""
MAX_LINES = 1_000
MAX_VALUE = 65_536
"""Octets of one header's value."""

_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]{0,20}:")
_MBOX_FROM = (b"From ", b">From ")
_BLANK = (b"\n\r\n", b"\n\n", b"\r\r")
_WORD = re.compile(r"=\?([^?\s]{1,80})\?([bq])\?([^?]*)\?=", re.IGNORECASE)
# What the MIME tree is read with; of each the first one counts.
_MIME_FIELDS = frozenset(
    {
        b"mime-version",
        b"content-type",
        b"content-transfer-encoding",
        b"content-disposition",
    }
)

_Line = tuple[bytes, re.Match[bytes] | None]
"""A line of the block, and its field's name where one begins."""


class Head(msgspec.Struct, frozen=True):
    """A header block. `fields` are name and unfolded value, encoded words not yet decoded."""

    fields: tuple[tuple[str, str], ...]
    mime: bytes
    """The MIME fields as a clean block, without the empty line that ends it."""
    body_at: int
    """Offset of the body in the raw mail."""
    defects: tuple[str, ...]

    def all(self, name: str) -> tuple[str, ...]:
        """Return the values of all headers of this lower-case name."""
        length = len(name)
        return tuple(
            value for field, value in self.fields if len(field) == length and field.lower() == name
        )

    def first(self, name: str) -> str:
        """Return the first value under this lower-case name, or an empty text."""
        return next(iter(self.all(name)), "")


def split_head(raw: bytes, fallback: str = "") -> Head:
    """Find the header block of a mail and unfold it; `fallback` is for octets not of UTF-8."""
    lines, body_at, defects = _lines(raw)
    fields: list[tuple[str, str]] = []
    mime: dict[bytes, bytes] = {}
    for name, octets in _unfold(lines):
        if len(octets) > MAX_VALUE:
            defects.append(f"a header is longer than {MAX_VALUE} octets and was cut")
        value, wrong = decode(octets[:MAX_VALUE].strip(), None, fallback)
        if wrong:
            defects.append("a header has octets that are not UTF-8")
        fields.append((name.decode("ascii"), value))
        if name.lower() in _MIME_FIELDS:
            mime.setdefault(name.lower(), octets[:MAX_VALUE].strip().replace(b"\0", b""))
    block = b"".join(name + b": " + value + b"\r\n" for name, value in mime.items())
    return Head(tuple(fields), block, body_at, tuple(defects))


def _lines(raw: bytes) -> tuple[list[_Line], int, list[str]]:
    """Return the lines of the header block, the offset behind it, and defects."""
    end = MAX_BLOCK
    for blank in _BLANK:  # each looks only before the one found: a long body costs nothing
        at = raw.find(blank, 0, end)
        end = at + 4 if at >= 0 else end
    region = raw[:end]
    lines: list[_Line] = []
    position = 0
    for line in region.splitlines(keepends=True):
        start, position = position, position + len(line)
        if not line.rstrip(b"\r\n"):
            return lines, position, []
        if not start and line.startswith(_MBOX_FROM):
            continue
        found = _FIELD.match(line)
        if not (found or (lines and line[:1] in b" \t")):
            return lines, start, ["the header block ends in a line that is no header line"]
        if len(lines) == MAX_LINES:
            defect = f"there are more than {MAX_LINES} header lines; the rest was not read"
            return lines, _behind_blank_line(raw, start), [defect]
        lines.append((line, found))
    if len(region) == len(raw):
        return lines, len(raw), []
    defect = f"the header block is longer than {MAX_BLOCK} octets; the rest was not read"
    return lines, _behind_blank_line(raw, position), [defect]


def _behind_blank_line(raw: bytes, start: int) -> int:
    found = [at + len(blank) for blank in _BLANK if (at := raw.find(blank, max(start - 2, 0))) >= 0]
    return min(found, default=len(raw))


def _unfold(lines: list[_Line]) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and unfolded value: only the line ends are removed (RFC 5322 §2.2.3)."""
    name, pieces = b"", list[bytes]()
    for line, found in lines:
        if line[:1] in b" \t" and pieces:
            pieces.append(line.rstrip(b"\r\n"))
            continue
        if pieces:
            yield name, b"".join(pieces)
        name, pieces = (found[1], [line[found.end() :].rstrip(b"\r\n")]) if found else (b"", [])
    if pieces:
        yield name, b"".join(pieces)


def decode_words(value: str) -> str:
    """Decode the encoded words (RFC 2047) of a header value; the result is one line."""
    if "=?" not in value:
        return one_line(value, MAX_VALUE)
    pieces: list[str] = []
    charset, octets, end = "", b"", 0
    for word in _WORD.finditer(value):
        between = value[end : word.start()]
        data = _word_octets(word[2], word[3])
        # White space between two words is not text, and senders cut characters in two (§6.2).
        adjacent = end > 0 and not between.strip()
        if not adjacent or word[1].lower() != charset:
            pieces.append(decode(octets, charset)[0])
            charset, octets = word[1].lower(), b""
        if not adjacent:
            pieces.append(between)
        octets += data
        end = word.end()
    pieces += (decode(octets, charset)[0], value[end:])
    return one_line("".join(pieces), MAX_VALUE)


def _word_octets(encoding: str, text: str) -> bytes:
    """Return the octets of one encoded word; what cannot be decoded stays as it is."""
    data = text.encode("utf-8", "replace")
    if encoding in "qQ":
        return binascii.a2b_qp(data, header=True)
    try:
        return binascii.a2b_base64(data.rstrip(b"=") + b"==")
    except binascii.Error:
        return data
