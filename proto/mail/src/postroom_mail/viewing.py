"""One mail as a person looks at it: text, clean HTML, headers, the way it took, its files.

Laws: as in `read`; and the numbers of files are those of the list of attachments that `read` makes.
Called in worker processes, with the task of `read.framed` (and a number in front, for one file).
"""

import re
from typing import Final

import msgspec

from postroom_mail.clean import PICTURES, Cleaned, Picture, clean
from postroom_mail.headers import Head, decode_words, split_head
from postroom_mail.parts import Part, read_parts
from postroom_mail.read import unframed
from postroom_mail.text import one_line

MAX_SHOWN: Final = 65_536
"""Octets of the header block that are shown as they came."""
MAX_HOPS: Final = 50
_NUMBER: Final = 4
_HOP: Final = re.compile(r"\b(from|by|with|for)\s+([^\s;]+(?:\s+\([^()]{0,300}\))?)", re.IGNORECASE)


class Hop(msgspec.Struct, frozen=True):
    """One Received header (RFC 5321 §4.4), as far as it says so; nothing of it is proved."""

    sender: str
    """Who handed the mail over, as the receiver puts it."""
    receiver: str
    protocol: str
    when: str


class File(msgspec.Struct, frozen=True):
    """An attachment by its number, from 1."""

    number: int
    name: str
    media_type: str
    size: int
    inline: bool
    """It is a picture that the HTML shows."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A mail as it is shown. Nothing of it can be made into the mail again."""

    headers: tuple[tuple[str, str], ...]
    """Name as written and value, decoded and unfolded."""
    head: str
    """The header block as it came, at most 64 KB."""
    hops: tuple[Hop, ...]
    """The newest first, as they stand in the mail."""
    text: str
    text_source: str
    """`plain`, or `html` where it was made of that, or `none`."""
    html: str
    """Cleaned; empty: there is none."""
    left_out: int
    """Pictures in the HTML that are elsewhere."""
    files: tuple[File, ...]
    defects: tuple[str, ...]


class Content(msgspec.Struct, frozen=True):
    """One file; `name` is a label."""

    name: str
    media_type: str
    content: bytes


class Contents(msgspec.Struct, frozen=True):
    """The file that was asked for; None: there is none of that number."""

    found: Content | None


def view(task: bytes) -> View:
    """Return a mail as it is shown."""
    raw, charset = unframed(task)
    head = split_head(raw, charset)
    body, parts, htmls = read_parts(head, raw, charset)
    cleaned = _cleaned(htmls, parts)
    everything = "".join(htmls)
    named = {one.content_id for one in parts if f"cid:{one.content_id}" in everything}
    return View(
        headers=tuple((name, decode_words(value)) for name, value in head.fields),
        head=raw[: min(head.body_at, MAX_SHOWN)].decode("utf-8", "replace").replace("\0", ""),
        hops=hops(head),
        text=body.text,
        text_source=body.source,
        html=cleaned.html,
        left_out=cleaned.left_out,
        files=tuple(
            File(number, one.name, one.media_type, one.size, _shown(part, named))
            for number, (one, part) in enumerate(zip(body.attachments, parts, strict=True), 1)
        )
        if parts
        else tuple(
            File(number, one.name, one.media_type, one.size, inline=False)
            for number, one in enumerate(body.attachments, 1)
        ),
        defects=tuple(dict.fromkeys((*head.defects, *body.defects, *cleaned.defects))),
    )


def numbered(number: int, task: bytes) -> bytes:
    """Return the task for `content`: file `number` of the mail framed in `task`."""
    return number.to_bytes(_NUMBER, "big") + task


def content(task: bytes) -> Contents:
    """Return one file of a mail."""
    number = int.from_bytes(task[:_NUMBER], "big")
    raw, charset = unframed(task[_NUMBER:])
    body, parts, _ = read_parts(split_head(raw, charset), raw, charset)
    if not 0 < number <= len(parts):
        return Contents(None)
    label = body.attachments[number - 1]
    return Contents(Content(label.name, label.media_type, parts[number - 1].content()))


def hops(head: Head) -> tuple[Hop, ...]:
    """Return the Received headers as a list."""
    return tuple(_hop(one_line(value, 2_000)) for value in head.all("received")[:MAX_HOPS])


def _hop(value: str) -> Hop:
    said, _, when = value.rpartition(";")
    words: dict[str, str] = {}
    for found in _HOP.finditer(said or value):
        words.setdefault(found[1].lower(), found[2])
    return Hop(
        words.get("from", ""),
        words.get("by", ""),
        words.get("with", ""),
        when.strip() if said else "",
    )


def _cleaned(htmls: tuple[str, ...], parts: tuple[Part, ...]) -> Cleaned:
    pictures = {
        one.content_id: Picture(one.media_type, one.content())
        for one in parts
        if one.content_id and one.media_type in PICTURES
    }
    found = [clean(html, pictures) for html in htmls]
    return Cleaned(
        "<hr>".join(one.html for one in found),
        sum(one.left_out for one in found),
        tuple(defect for one in found for defect in one.defects),
    )


def _shown(part: Part, named: set[str]) -> bool:
    return bool(part.content_id) and part.content_id in named and part.media_type in PICTURES
