"""Folders of an IMAP mailbox: their names on the wire, and what servers use them for.

Modified UTF-7 is RFC 3501 §5.1.3; special uses are RFC 6154.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Final

import msgspec

from postroom_fetcher.domain.imap_wire import Response, tokens

INBOX: Final = "INBOX"
MAX_NAME: Final = 200
_PLAIN: Final = range(0x20, 0x7F)


class Folder(msgspec.Struct, frozen=True):
    r"""A folder by its name, and its attributes in lower case (`\junk`, `\noselect`)."""

    name: str
    attributes: frozenset[str] = frozenset()


def encoded(name: str) -> str:
    """Return a folder's name as it stands on the wire."""
    return "".join(_encoded(name))


def _encoded(name: str) -> Iterator[str]:
    foreign = ""
    for char in name:
        if ord(char) not in _PLAIN:
            foreign += char
            continue
        if foreign:
            yield _shifted(foreign)
            foreign = ""
        yield "&-" if char == "&" else char
    if foreign:
        yield _shifted(foreign)


def _shifted(text: str) -> str:
    words = base64.b64encode(text.encode("utf-16-be")).decode().rstrip("=")
    return f"&{words.replace('/', ',')}-"


def decoded(wire: str) -> str:
    """Return the name that is meant; what is no modified UTF-7 stays as it is."""
    found: list[str] = []
    rest = wire
    while rest:
        plain, shift, rest = rest.partition("&")
        found.append(plain)
        if not shift:
            break
        words, end, rest = rest.partition("-")
        if not end:
            return wire
        if not words:
            found.append("&")
            continue
        padded = words.replace(",", "/") + "=" * (-len(words) % 4)
        try:
            found.append(base64.b64decode(padded, validate=True).decode("utf-16-be"))
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return wire
    return "".join(found)


def folder_in(response: Response) -> Folder | None:
    """Return the folder of a LIST response, or None for another response."""
    if response.line[:7].upper() != b"* LIST ":
        return None
    words = tokens(response, len(b"* LIST "))
    if len(words) < 3:  # noqa: PLR2004 - attributes, separator, name; RFC 5258 may add more
        return None
    attributes, name = words[0], words[2]
    if not isinstance(name, bytes):
        return None
    named = attributes if isinstance(attributes, list) else []
    uses = {one.decode("ascii", "replace").lower() for one in named if isinstance(one, bytes)}
    return Folder(decoded(name.decode("utf-8", "replace"))[:MAX_NAME], frozenset(uses))


def chosen(wanted: str, folders: list[Folder]) -> str | None:
    r"""Return the name of the folder that is meant: by name, or by use if it begins with `\`."""
    if not wanted.startswith("\\"):
        return INBOX if wanted.upper() == INBOX else wanted
    return next((one.name for one in folders if wanted.lower() in one.attributes), None)
