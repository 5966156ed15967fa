"""The strings of the pages, and their translations: `python -m postroom_api.wording`.

`--write` brings every catalogue up to date: new strings come in empty, those that are gone go out.
`--check` ends with 1 where a translation is missing, or has other places than its string.
"""

import re
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Final

import jinja2
import polib

from postroom_api.domain.erasing import WHY
from postroom_api.domain.notices import ADVICE
from postroom_api.domain.rule_words import all_words
from postroom_api.http.problems import PROBLEMS, TITLES
from postroom_api.http.render import STEPS

LOCALES: Final = Path(str(files("postroom_api"))) / "locales"
TEMPLATES: Final = Path(str(files("postroom_api"))) / "templates"
_PLACES: Final = re.compile(r"%\(\w+\)[sd]|\{\w*\}|<[^>]+>")
_IMPORTANCE: Final = ("low", "normal", "high")

Message = tuple[str, str]
"""Singular, and plural or an empty text."""


def messages() -> list[Message]:
    """Return every string that pages may show, once each, in a lasting order."""
    found = dict.fromkeys(_of_templates())
    constant = [
        *(words for _, _, words in STEPS),
        *ADVICE.values(),
        *all_words(),
        *TITLES.values(),
        *PROBLEMS.values(),
        *WHY.values(),
        *_IMPORTANCE,
    ]
    found.update(dict.fromkeys((text, "") for text in constant))
    return list(found)


def _of_templates() -> Iterator[Message]:
    environment = jinja2.Environment(
        extensions=["jinja2.ext.i18n"], trim_blocks=True, lstrip_blocks=True, autoescape=True
    )
    for path in sorted(TEMPLATES.glob("*.html")):
        source = path.read_text(encoding="utf-8")
        for _, _, message in environment.extract_translations(source):  # type: ignore[attr-defined]  # the extension's
            if isinstance(message, tuple):
                yield str(message[0]), str(message[1] or "")
            elif message:
                yield str(message), ""


def problems(catalogue: polib.POFile) -> list[str]:
    """Return a sentence for each string that this catalogue does not translate well."""
    have = {entry.msgid: entry for entry in catalogue if not entry.obsolete}
    wrong = []
    for singular, plural in messages():
        entry = have.get(singular)
        forms = [] if entry is None else _forms(entry)
        if not forms or not all(forms) or (plural and len(forms) < 2):  # noqa: PLR2004 - one and many
            wrong.append(f"not translated: {singular!r}")
        elif any(_places(form) != _places(plural or singular) for form in forms[-1:]):
            wrong.append(f"other places than {singular!r}: {forms[-1]!r}")
    wanted = {singular for singular, _ in messages()}
    return wrong + [f"no longer said: {name!r}" for name in have if name not in wanted]


def _forms(entry: polib.POEntry) -> list[str]:
    if entry.msgid_plural:
        return [entry.msgstr_plural[number] for number in sorted(entry.msgstr_plural)]
    return [entry.msgstr]


def _places(text: str) -> list[str]:
    return sorted(_PLACES.findall(text))


def update(path: Path) -> None:
    """Give a catalogue every string, keeping what is translated."""
    old = {entry.msgid: entry for entry in polib.pofile(str(path))} if path.exists() else {}
    new = polib.POFile(wrapwidth=100)
    new.metadata = {
        "Language": path.stem,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": "nplurals=2; plural=(n != 1);",
    }
    for singular, plural in messages():
        entry = old.get(singular)
        if entry is None or bool(entry.msgid_plural) != bool(plural):
            entry = polib.POEntry(msgid=singular, msgid_plural=plural)
            if plural:
                entry.msgstr_plural = {0: "", 1: ""}
        new.append(entry)
    new.save(str(path))


def main(arguments: list[str]) -> int:
    """Write or check; return the exit code."""
    if arguments == ["--write"]:
        for path in LOCALES.glob("*.po"):
            update(path)
        return 0
    if arguments != ["--check"]:
        sys.stderr.write("usage: python -m postroom_api.wording --write | --check\n")
        return 2
    wrong = [
        f"{path.name}: {one}"
        for path in LOCALES.glob("*.po")
        for one in problems(polib.pofile(str(path)))
    ]
    sys.stderr.write("".join(f"{one}\n" for one in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
