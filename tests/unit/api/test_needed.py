"""What is said of a field that is refused."""

from typing import Any

import msgspec
import pytest

from postroom_api.domain.mailbox_settings import MailboxSettings
from postroom_api.domain.needed import Refused, refused
from postroom_api.http.office_api import NewRule

BOX = {"name": "x", "source": {"type": "imap"}}
RULE = {"name": "x", "condition": {"kind": "group", "mode": "all", "of": []}, "actions": []}
TLS = "This must be one of: implicit, none, starttls."


@pytest.mark.parametrize(
    ("kind", "value", "pointer", "code", "words"),
    [
        (MailboxSettings, [], "", "invalid", "This must be an object."),
        (MailboxSettings, {"source": {"type": "imap"}}, "/name", "required",
         "This is needed: a text of 1 to 100 characters."),
        (MailboxSettings, {"name": "", "source": {}}, "/name", "invalid",
         "This must be a text of 1 to 100 characters."),
        (MailboxSettings, BOX | {"source": {"type": "imap", "tls": "x"}}, "/source/tls", "invalid",
         TLS),
        (MailboxSettings, BOX | {"source": {"type": "imap", "port": 70_000}}, "/source/port",
         "invalid", "This must be a whole number from 0 to 65,535."),
        (MailboxSettings, BOX | {"source": {"type": "imap", "addresses": ["a", 3]}},
         "/source/addresses/1", "invalid", "This must be a text of at most 254 characters."),
        (MailboxSettings, BOX | {"active": "x"}, "/active", "invalid",
         "This must be true or false."),
        (MailboxSettings, BOX | {"a/b": 1}, "/a~1b", "unknown", "There is no such field; there"),
        (NewRule, RULE | {"condition": {}}, "/condition/kind", "required", "This is needed: one of"),
        (NewRule, RULE | {"condition": {"kind": "x"}}, "/condition/kind", "invalid",
         "This must be one of: "),
        (NewRule, RULE | {"actions": [{"kind": "add_tag"}]}, "/actions/0/tag", "required",
         "This is needed: a text"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_field_and_what_it_must_be(
    kind: Any, value: Any, pointer: str, code: str, words: str
) -> None:
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.convert(value, kind)
    found = refused(error.value, kind)
    assert (found.pointer, found.code) == (pointer, code)
    assert found.detail.startswith(words)


def test_a_refusal_that_is_about_nothing_known_says_so() -> None:
    """A type that was changed under a running program: still an answer."""
    error = msgspec.ValidationError("Something new - at `$.x.y`")
    assert refused(error, MailboxSettings) == Refused(
        "/x/y", "invalid", "This must be something else."
    )
