"""A mail rendered once with personal places that are filled for each recipient.

Law: a template is CRLF-clean by the check that made it, and values hold neither line ends nor
controls: so is every filled mail.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

from postroom_mail.crlf import is_clean

_PLACE_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_VALUE = re.compile(r"[A-Za-z0-9@._+=:/?&%<>,-]{1,500}")
# A place named for what it holds is checked for it: an address in the place of a URL would make a
# header that mail clients pass over in silence.
_SCHEMES = {"_mailto": ("mailto:",), "_url": ("https://", "http://")}


class UnsafeHeaderError(ValueError):
    """A value that must not get into a mail; the text names the header or place, never the value.

    The fault is the caller's, who took the value from somewhere unchecked; retrying does not help.
    """


class Template(msgspec.Struct, frozen=True):
    """A mail in pieces: segments[0], value of places[0], segments[1] and so on."""

    segments: tuple[bytes, ...]
    places: tuple[str, ...]


def mark(place: str) -> bytes:
    r"""Return the marker `\x00name\x00` that stands for a place in a raw template."""
    if not _PLACE_NAME.fullmatch(place):
        raise UnsafeHeaderError("a place's name is not one")
    return b"\0" + place.encode() + b"\0"


def compile_template(raw: bytes, places: Sequence[str]) -> Template:
    """Cut a raw mail at its markers. A place may stand in it several times.

    Raises UnsafeHeaderError when `raw` has other markers than `places`, or is not CRLF-clean.
    """
    pieces = raw.split(b"\0")
    names = tuple(piece.decode("ascii", "replace") for piece in pieces[1::2])
    if len(pieces) % 2 == 0 or set(names) != set(places):
        raise UnsafeHeaderError("the template's markers are not the places that were named")
    segments = tuple(pieces[::2])
    if not is_clean(b"x".join(segments)):
        raise UnsafeHeaderError("the template has a bare CR or LF")
    return Template(segments, names)


def fill(template: Template, values: Mapping[str, str]) -> bytes:
    """Return the mail of one recipient. Values for other places are passed over.

    KeyError when a value is missing, UnsafeHeaderError when one has a character that none may have.
    """
    pieces = [template.segments[0]]
    for place, segment in zip(template.places, template.segments[1:], strict=True):
        value = values[place]
        if not _VALUE.fullmatch(value) or not _fits(place, value):
            raise UnsafeHeaderError(f"the value for the place {place} is not allowed there")
        pieces += (value.encode("ascii"), segment)
    return b"".join(pieces)


def _fits(place: str, value: str) -> bool:
    schemes = next((s for suffix, s in _SCHEMES.items() if place.endswith(suffix)), ("",))
    return value.startswith(schemes)
