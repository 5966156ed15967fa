"""What is said of an example that came out otherwise than it should."""

import pytest

from postroom_api.domain.rule_examples import finding


@pytest.mark.parametrize(
    ("expects", "problem", "words"),
    [
        (True, "", "the example “Invoice 17” does not match, and should"),
        (False, "", "the example “Invoice 17” matches, and should not"),
        (True, "too slow", "the example “Invoice 17” could not be tried: too slow"),
    ],
)
def test_words(expects: bool, problem: str, words: str) -> None:
    found = finding("rul_1", "Invoice 17", expects=expects, problem=problem)
    assert (found.rule, found.kind, found.words) == ("rul_1", "example", words)
