"""What pages say, in the reader's language: catalogues `locales/<language>.po` (gettext).

Law: a string without a translation is shown in English, and never an empty one. The language is
the reader's own choice, else what the browser asks for.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from importlib.resources import files
from typing import Final

import polib

ENGLISH: Final = "en"
_MOST: Final = 10
"""Languages of an Accept-Language header that are looked at."""

Catalogue = Mapping[str, tuple[str, ...]]
"""English (singular) → translation, or singular and plural."""
_EMPTY: Final[Catalogue] = {}
_current: ContextVar[Catalogue] = ContextVar("catalogue", default=_EMPTY)


class Strings:
    """The catalogues of this package; made once."""

    def __init__(self) -> None:
        folder = files("postroom_api") / "locales"
        found = {one.name.removesuffix(".po"): one for one in folder.iterdir()}
        self._catalogues = {name: _read(one.read_text("utf-8")) for name, one in found.items()}

    @property
    def languages(self) -> list[str]:
        """Return the languages there are."""
        return sorted({ENGLISH, *self._catalogues})

    def language(self, chosen: str, accepted: str) -> str:
        """Return the language for somebody who chose this, or whose browser sends that header."""
        for wish in [chosen, *_wishes(accepted)]:
            short = wish.lower().replace("_", "-").partition("-")[0]
            if short in self.languages:
                return short
        return ENGLISH

    def use(self, language: str) -> None:
        """Speak this language in what is rendered from here on (in this task)."""
        _current.set(self._catalogues.get(language, _EMPTY))


def gettext(message: str) -> str:
    """Return the message in the language in use."""
    found = _current.get().get(message)
    return (found[0] if found else "") or message


def ngettext(singular: str, plural: str, number: int) -> str:
    """Return the form for a number (languages with two forms, as English has)."""
    found = _current.get().get(singular)
    if found and len(found) > 1:
        return found[0 if number == 1 else 1] or (singular if number == 1 else plural)
    return singular if number == 1 else plural


def _read(text: str) -> Catalogue:
    entries: dict[str, tuple[str, ...]] = {}
    for entry in polib.pofile(text):
        if entry.obsolete or entry.fuzzy:
            continue
        if entry.msgid_plural:
            forms = entry.msgstr_plural
            entries[entry.msgid] = tuple(forms[number] for number in sorted(forms))
        elif entry.msgstr:
            entries[entry.msgid] = (entry.msgstr,)
    return entries


def _wishes(header: str) -> list[str]:
    """Return the languages of an Accept-Language header (RFC 9110 §12.5.4), the best first."""
    found: list[tuple[float, str]] = []
    for part in header.split(",")[:_MOST]:
        name, _, parameters = part.strip().partition(";")
        try:
            quality = float(parameters.partition("=")[2] or 1)
        except ValueError:
            quality = 0.0
        if name and quality > 0:
            found.append((-quality, name))
    return [name for _, name in sorted(found, key=lambda one: one[0])]
