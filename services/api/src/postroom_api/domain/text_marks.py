"""A mail's text for a page: quoted lines told apart, addresses told from words. Nothing is trusted.

Law: the pieces put together are the text; a link is http, https or mailto, and nothing else.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

MAX_TEXT: Final = 262_144
"""Characters that a page shows."""
_LINK: Final = re.compile(r"(?:https?://|mailto:)[^\s<>\"'`{}|\\^\x00-\x20]{1,2000}", re.IGNORECASE)
_QUOTED: Final = re.compile(r"[ \t]{0,3}>")
_BEHIND: Final = ".,;:!?)]*_"
"""Punctuation that ends a sentence, not an address."""


class Piece(msgspec.Struct, frozen=True):
    """Some text; `link`: it is an address."""

    text: str
    link: bool = False


class Block(msgspec.Struct, frozen=True):
    """Lines that are quoted, or lines that are not."""

    quoted: bool
    pieces: list[Piece]


def blocks(text: str) -> list[Block]:
    """Return the text in blocks, each of them its lines with their line ends."""
    found: list[tuple[bool, list[str]]] = []
    for line in text[:MAX_TEXT].splitlines(keepends=True):
        quoted = _QUOTED.match(line) is not None
        if not found or found[-1][0] != quoted:
            found.append((quoted, []))
        found[-1][1].append(line)
    return [Block(quoted, list(_pieces("".join(lines)))) for quoted, lines in found]


def _pieces(text: str) -> Iterator[Piece]:
    done = 0
    for link in _LINK.finditer(text):
        address = link[0].rstrip(_BEHIND)
        if link.start() > done:
            yield Piece(text[done : link.start()])
        yield Piece(address, link=True)
        done = link.start() + len(address)
    if done < len(text):
        yield Piece(text[done:])
