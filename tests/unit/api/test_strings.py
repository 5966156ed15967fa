"""Pages in the reader's language."""

import polib
import pytest

from postroom_api import wording
from postroom_api.http.strings import Strings, gettext, ngettext


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        ("", "", "en"),
        ("", "de-AT,en;q=0.5", "de"),
        ("", "fr, de;q=0.2, en;q=0.4", "en"),
        ("", "de;q=0, en;q=0.1", "en"),
        ("", ";;;q=x,,de", "de"),
        ("de", "en", "de"),
        ("xx", "de", "de"),
        ("pt-BR", "", "en"),
    ],
)
def test_the_reader_chooses_then_the_browser(chosen: str, accepted: str, language: str) -> None:
    assert Strings().language(chosen, accepted) == language


def test_what_is_not_translated_is_said_in_english() -> None:
    strings = Strings()
    strings.use("de")
    assert gettext("Sign in") == "Anmelden"
    assert gettext("nobody translated this") == "nobody translated this"
    assert [ngettext("post", "posts", number) for number in (1, 2)] == ["Beitrag", "Beiträge"]
    strings.use("en")
    assert gettext("Sign in") == "Sign in"
    assert ngettext("post", "posts", 0) == "posts"


def test_a_missing_and_a_wrong_translation_are_named() -> None:
    catalogue = polib.pofile(str(wording.LOCALES / "de.po"))
    assert wording.problems(catalogue) == []
    catalogue.find("Sign in").msgstr = ""
    catalogue.find("in %(name)s").msgstr = "in %(nahme)s"
    assert [one.split(":")[0].split(" '")[0] for one in wording.problems(catalogue)] == [
        "other places than",
        "not translated",
    ]
