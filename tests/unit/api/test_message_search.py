"""What is looked for in the message log, from words, forms and odd input."""

from datetime import UTC, datetime

import pytest

from postroom_api.domain.message_search import MAX_WORDS, MessageQuery, words_of
from postroom_api.http.message_pages import MessageForm


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Invoice 17", ["invoice", "17"]),
        ("bert@example.com", ["bert", "example", "com"]),
        ("invoices_2026", ["invoices", "2026"]),
        ("'a' | b & !c:*", ["a", "b", "c"]),
        ("Grüße", ["grüße"]),
        ("\x00 () \\", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_words_are_bounded() -> None:
    assert len(words_of("a " * 100)) == MAX_WORDS
    assert len(words_of("x" * 1_000)[0]) == 60


def test_what_is_wanted_is_said_literally() -> None:
    wanted = MessageQuery(search="a b", sender="50%_\\", tag="x").wanted()
    assert wanted == {
        "deleted": False, "quarantine": False, "words": "'a':* & 'b':*", "sender": "%50\\%\\_\\\\%", "tag": "x",
    }  # fmt: skip
    both = MessageQuery(search="in voice 17").wanted()
    assert (both["words"], both["short"]) == ("'voice':*", "'in':* & '17':*")
    assert not MessageQuery(mailbox="mbx_1", deleted=True).narrow
    assert MessageQuery(read=False).narrow


def test_a_form_with_odd_input_is_as_if_that_were_left_out() -> None:
    odd = MessageForm.of(
        {
            "since": "yesterday", "until": "9999-12-31", "spam": "perhaps", "importance": "urgent",
            "foreign": "x", "search": "y" * 900,
        }
    )  # fmt: skip
    query = odd.query()
    assert (query.since, query.until, query.spam, query.importance) == (None, None, None, None)
    assert len(odd.search) == 200
    assert MessageForm.of({"until": "2026-11-25"}).query().until == datetime(
        2026, 11, 26, tzinfo=UTC
    )
