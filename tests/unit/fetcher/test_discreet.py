"""A password does not come back in what a server says."""

import pytest

from postroom_fetcher.domain.secret import without


@pytest.mark.parametrize(
    ("words", "password", "shown"),
    [
        ("NO bad login", "secret", "NO bad login"),
        ("NO LOGIN office secret is wrong", "secret", "NO LOGIN office … is wrong"),
        (r'NO LOGIN "o" "a\"b\\c"', r'a"b\c', 'NO LOGIN "o" "…"'),
        ("the line was cut: LOGIN office secr", "secret words", "the line was cut: LOGIN office …"),
        ("nothing was sent", "", "nothing was sent"),
    ],
)
def test_words_are_shown_without_it(words: str, password: str, shown: str) -> None:
    assert without(words, password) == shown
