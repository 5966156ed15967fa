"""Rules in and out: our JSON, Sieve, Gmail's filters."""

import msgspec
import pytest

from postroom_api.domain.gmail_filters import from_gmail
from postroom_api.domain.rules_elsewhere import CarriedRule, UnreadableError, from_json, to_json
from postroom_api.domain.sieve_out import to_sieve
from postroom_contract.rules import (
    AddTag,
    AutoReply,
    Delete,
    Forward,
    Group,
    MarkRead,
    PostToForum,
    Reject,
    SetImportance,
    Stop,
    Test,
)

NESTED = Group(
    mode="all",
    of=(
        Test(field="from", operator="equals", values=("anna@example.net",)),
        Group(
            mode="any",
            of=(
                Test(field="subject", operator="starts", values=('[a"*]', "b")),
                Test(field="size", operator="greater", values=("1000",), negate=True),
            ),
        ),
    ),
)


def rule(name: str, condition, *actions, **more) -> CarriedRule:
    return CarriedRule(name=name, condition=condition, actions=list(actions), **more)


RULES = [
    rule("First", NESTED, AddTag("invoice"), MarkRead(), Stop()),
    rule("Shadow", NESTED, Delete(), shadow=True, layer="after"),
    rule("Time", Test(field="time", operator="between", values=("8:00..9:00",)), Delete()),
    rule("Mixed", Group(mode="none", of=()), PostToForum("frm_1"), Forward("x@example.org")),
    rule(
        "Away",
        Test(field="body", operator="contains", values=("hi",)),
        AutoReply("Away.\nBye.", "Gone", 3),
    ),
]


def test_json_says_all_of_it() -> None:
    assert from_json(to_json(RULES)) == RULES
    for text in (
        "",
        "{}",
        '{"postroom_rules": 2, "rules": []}',
        "[]",
        '{"postroom_rules": 1, "rules": [{}]}',
    ):
        with pytest.raises(UnreadableError):
            from_json(text)
    many = to_json([RULES[0]] * 501)
    with pytest.raises(UnreadableError, match="at most 500"):
        from_json(many)


def test_sieve_says_what_it_can_and_lists_the_rest() -> None:
    text, left_out = to_sieve(RULES)
    assert text.startswith('require ["body", "copy", "imap4flags", "vacation"];')
    assert '# rule:[First]\nif allof(address :all :is "From" "anna@example.net"' in text
    assert 'header :matches "Subject" ["[a\\"\\\\*]*", "b*"]' in text
    assert "not size :over 1000" in text
    assert 'addflag "invoice";\n  addflag "\\\\Seen";\n  stop;' in text
    assert 'redirect :copy "x@example.org";' in text
    assert 'vacation :days 3 :subject "Gone" "Away.\r\nBye.";' in text
    assert {(one.rule, one.words) for one in left_out} == {
        ("Shadow", "it is in the shadow"),
        ("Time", "Sieve cannot ask for the comparison between of time"),
        ("Mixed", "Sieve has no words for the action post_to_forum"),
    }


GMAIL = """<?xml version='1.0' encoding='UTF-8'?>
<feed xmlns='http://www.w3.org/2005/Atom' xmlns:apps='http://schemas.google.com/apps/2006'>
<entry><apps:property name='from' value='a@example.net OR "b@example.net"'/>
<apps:property name='label' value='Bills'/><apps:property name='shouldMarkAsRead' value='true'/>
<apps:property name='sizeOperator' value='s_sl'/><apps:property name='sizeUnit' value='s_smb'/></entry>
<entry><apps:property name='hasTheWord' value='list:(x.example)'/>
<apps:property name='shouldTrash' value='true'/></entry>
<entry><apps:property name='subject' value='Sale'/><apps:property name='size' value='2'/>
<apps:property name='sizeOperator' value='s_sl'/><apps:property name='sizeUnit' value='s_smb'/>
<apps:property name='shouldTrash' value='true'/><apps:property name='shouldArchive' value='true'/></entry>
<entry><apps:property name='to' value='me@example.org'/><apps:property name='shouldAlwaysMarkAsImportant' value='true'/></entry>
</feed>"""


def test_gmail_filters_become_rules_or_are_listed() -> None:
    rules, left_out = from_gmail(GMAIL)
    assert [one.name for one in rules] == ["Gmail filter 1", "Gmail filter 3", "Gmail filter 4"]
    first, sale, mine = rules
    assert first.condition.of == (
        Test(field="from", operator="contains", values=("a@example.net", "b@example.net")),
    )
    assert first.actions == [AddTag("Bills"), MarkRead()]
    assert sale.condition.of[1] == Test(field="size", operator="greater", values=("2097152",))
    assert sale.actions == [Delete()]
    assert isinstance(mine.condition.of[0], Group)
    assert mine.actions == [SetImportance("high")]
    assert {(one.rule, one.words.split()[0]) for one in left_out} == {
        ("Gmail filter 2", "the"), ("Gmail filter 3", "the"),
    }  # fmt: skip
    assert any("list:(x.example)" in one.words for one in left_out)


@pytest.mark.parametrize(
    "text",
    [
        "", "<feed", "<feed/>", "\x00",
        '<!DOCTYPE x [<!ENTITY a "aaaa">]><feed>&a;</feed>',
    ],
)  # fmt: skip
def test_what_is_no_file_of_filters_is_said(text: str) -> None:
    with pytest.raises(UnreadableError):
        from_gmail(text)


def test_a_reject_is_a_string_of_sieve() -> None:
    text, _ = to_sieve([rule("R", Group(mode="all", of=()), Reject('say "no" \\ now'))])
    assert 'if true\n{\n  reject "say \\"no\\" \\\\ now";' in text
    assert msgspec.json.decode(to_json([]))["rules"] == []
