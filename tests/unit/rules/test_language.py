"""Fields, parts, ranges, captures, layers and the shadow."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from postroom_contract.rules import (
    AddSpamRating,
    AddTag,
    MarkRead,
    MoveOnServer,
    Reject,
    SetImportance,
    SetSpamRating,
    Stop,
    Test,
)
from postroom_mail.read import read
from postroom_rules.domain.checks import problems
from postroom_rules.domain.decide import decide
from postroom_rules.domain.facts import facts_of
from postroom_rules.domain.plan import Ruleset
from support.rules import ALWAYS, check, envelope, evaluate, facts, rule

BERLIN = timezone(timedelta(hours=1))
LETTER = (
    b"From: Anna <anna+shop@Mail.Example.net>\r\nSender: List <list@example.com>\r\n"
    b"Reply-To: team@example.com\r\nTo: garden+rose@example.org\r\nBcc: hidden@example.org\r\n"
    b"Subject: [Ticket 4711] roof leaks\r\nList-Id: The garden <garden.example.org>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\nContent-Type: text/plain\r\n\r\nWater everywhere.\r\n"
    b"--x\r\nContent-Type: image/png\r\nContent-Disposition: attachment; filename=roof.png\r\n\r\n"
    b"0123456789\r\n"
    b"--x\r\nContent-Type: application/pdf; name=bill.pdf\r\n"
    b"Content-Disposition: attachment; filename=bill.pdf\r\n\r\nPDF\r\n--x--\r\n"
)


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (check("from", "equals", "mail.example.net", part="domain"), True),
        (check("from", "equals", "anna", part="local"), True),
        (check("from", "equals", "shop", part="detail"), True),
        (check("from", "equals", "anna+shop@mail.example.net", part="address"), True),
        (check("from", "contains", "Anna <", part="address"), False),
        (check("to", "equals", "rose", part="detail"), True),
        (check("cc", "exists"), False),
        (check("cc", "exists", negate=True), True),
        (check("bcc", "contains", "hidden@"), True),
        (check("sender", "equals", "list@example.com"), True),
        (check("reply_to", "ends", "@example.com"), True),
        (check("envelope_from", "equals", "anna@example.net"), True),
        (check("envelope_to", "starts", "garden@"), True),
        (check("list_id", "equals", "garden.example.org"), True),
        (check("header", "exists", header="list-id"), True),
        (check("header", "exists", header="X-None"), False),
        (check("message", "contains", "ticket 4711"), True),
        (check("message", "contains", "water everywhere"), True),
        (check("attachment_name", "wildcard", "*.png"), True),
        (check("attachment_type", "equals", "application/pdf"), True),
        (check("attachment_count", "equals", "2"), True),
        (check("attachment_count", "greater", "2"), False),
        (check("attachment_size", "between", "9..11"), True),
        (check("attachment_size", "greater", "11"), False),
        (check("size", "between", "400..500"), True),
        (check("size", "between", "501..600"), False),
        (check("robot", "equals", "yes"), True),  # it came through a list
        (check("spam_rating", "exists"), False),
        (check("spam_rating", "less", "50"), False),
    ],
)  # fmt: skip
def test_a_condition(test: Test, expected: bool) -> None:
    assert evaluate(test, facts(LETTER, size=500))[0] is expected


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (check("weekday", "equals", "wed"), True),
        (check("weekday", "equals", "sat", "sun"), False),
        (check("time", "between", "22:00..06:00"), True),
        (check("time", "between", "09:00..17:00"), False),
        (check("time", "less", "06:00"), False),
        (check("time", "greater", "23:00"), True),
        (check("date", "equals", "2026-11-25"), True),
        (check("date", "between", "2026-11-01..2026-11-30"), True),
        (check("date", "less", "2026-11-25"), False),
    ],
)
def test_the_clock_is_the_house_s_own(test: Test, expected: bool) -> None:
    """At 22:15 in London it is 23:15 in Berlin."""
    came = envelope(received_at=datetime(2026, 11, 25, 22, 15, tzinfo=UTC))
    found = facts_of(read(LETTER), came, own_marker=False, zone=BERLIN)
    assert evaluate(test, found)[0] is expected


@pytest.mark.parametrize(
    ("test", "pointer", "words"),
    [
        (check("size", "between", "10-20"), "/condition/values/0", "write it as 10..20"),
        (check("size", "between", "10..x"), "/condition/values/0", "'x' is no number"),
        (check("size", "less", "nan"), "/condition/values/0", "no number"),
        (check("time", "less", "7 o'clock"), "/condition/values/0", "22:15"),
        (check("time", "between", "22:00..25:00"), "/condition/values/0", "22:15"),
        (check("date", "greater", "25.11.2026"), "/condition/values/0", "2026-11-25"),
        (check("weekday", "equals", "monday"), "/condition/values/0", "mon, tue"),
        (check("robot", "equals", "maybe"), "/condition/values/0", "yes or no"),
        (check("subject", "between", "a..b"), "/condition/operator", "only sizes"),
        (check("subject", "contains", "x", part="domain"), "/condition/part", "only addresses"),
        (check("spam_rating", "contains", "5"), "/condition/operator", "number"),
    ],
)
def test_what_is_wrong_is_said_when_saving(test: Test, pointer: str, words: str) -> None:
    (found,) = problems(test, ())
    assert found[0] == pointer
    assert words in found[1]
    assert list(problems(check("cc", "exists"), ())) == []


def decided(*rules, own=(), after=(), raw=LETTER, **changes):
    return decide(facts(raw, **changes), Ruleset(1, rules, own, after))


TICKET = check("subject", "regex", r"\[ticket (\d+)\] (\w+)")


def test_what_a_regex_caught_stands_in_the_texts_of_actions() -> None:
    found = decided(
        rule("one", TICKET, AddTag("ticket {1}"), AddTag("{2} from {from}")), source="imap"
    )
    assert found.tags == ("ticket 4711", "roof from anna+shop@mail.example.net")
    found = decided(rule("one", TICKET, MoveOnServer("Tickets {1}/{3}")), source="imap")
    assert found.actions == (MoveOnServer("Tickets 4711-"),)
    found = decided(rule("one", TICKET, Reject("no ticket {1} here")))
    assert found.actions == (Reject("no ticket 4711 here"),)


def test_captures_are_those_of_the_rule_itself() -> None:
    found = decided(
        rule("one", TICKET, AddTag("{1}")),
        rule("two", ALWAYS, AddTag("x{1}")),
        rule("three", check("subject", "regex", "no(thing)", negate=True), AddTag("y{1}")),
    )
    assert found.tags == ("4711", "x", "y")


def test_what_fills_a_place_breaks_nothing() -> None:
    hostile = (
        b"From: a@b.example\r\nSubject: =?utf-8?q?" + b"=0D=0A=00" + b"x" * 300 + b"?=\r\n\r\n"
    )
    found = decided(rule("one", ALWAYS, AddTag("{subject}"), Reject("no: {subject}")), raw=hostile)
    assert len(found.tags[0]) <= 100
    assert found.tags[0].isprintable()
    assert found.actions[-1] == Reject("no: {subject}"), "what cannot be said is said as written"
    # Where nothing is left of a tag, it stays as it was written.
    assert decided(rule("one", ALWAYS, AddTag("{1}"))).tags == ("{1}",)


def test_the_rating_is_what_rules_have_made_of_it_by_then() -> None:
    high = check("spam_rating", "greater", "50")
    found = decided(
        rule("early", high, AddTag("early")),
        rule("rate", ALWAYS, SetSpamRating(40), AddSpamRating(20)),
        rule("late", high, AddTag("late")),
    )
    assert found.tags == ("late",)


def names(decision) -> list[str]:
    return [one.name for one in decision.trace]


def test_layers_are_tried_in_order_and_stop_ends_one_or_all() -> None:
    before, own, after = (rule(name, ALWAYS, AddTag(name)) for name in ("before", "own", "after"))
    assert decided(before, own=(own,), after=(after,)).tags == ("before", "own", "after")
    stops = rule("stop", ALWAYS, Stop("layer"))
    found = decided(before, own=(stops, own), after=(after,))
    assert names(found) == ["before", "stop", "after"]
    assert found.trace[1].done == ("no further rule of this layer is tried",)
    assert names(decided(before, own=(rule("stop", ALWAYS, Stop()), own), after=(after,))) == [
        "before", "stop",
    ]  # fmt: skip


def test_a_rule_in_the_shadow_says_what_it_would_do_and_does_nothing() -> None:
    shadow = rule(
        "shadow", ALWAYS, SetImportance("high"), SetSpamRating(90), AddTag("x"), MarkRead(), Stop(),
        shadow=True,
    )  # fmt: skip
    rejects = rule("rejects", ALWAYS, Reject("no"), shadow=True)
    found = decided(shadow, rejects, rule("real", ALWAYS, AddTag("real")))
    assert (found.importance, found.spam_rating, found.tags, found.read) == (
        "normal", None, ("real",), False,
    )  # fmt: skip
    assert found.actions == (AddTag("real"),)
    assert not found.deleted
    assert [one.shadow for one in found.trace] == [True, True, False]
    assert found.trace[0].done == (
        "importance set to high", "spam rating set to 90", "tagged “x”", "marked as read",
        "no further rule is tried",
    )  # fmt: skip
