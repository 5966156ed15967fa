"""Conditions and actions beyond the first: bodies, sizes, patterns, marks, stop."""

import time

import msgspec
import pytest

from postroom_contract.mail import Authentication, MailFacts, Signature
from postroom_contract.rules import (
    AddSpamRating,
    AddTag,
    Delete,
    Forward,
    Group,
    MarkRead,
    MarkSpam,
    PostToForum,
    Reject,
    SetSpamRating,
    Stop,
    Test,
)
from postroom_rules.domain.acting import MAX_ACTIONS
from postroom_rules.domain.checks import problems
from postroom_rules.domain.decide import decide
from postroom_rules.domain.plan import Ruleset
from support.rules import ALWAYS, RAW, check, evaluate, facts, rule

MULTIPART = (
    b"From: a@example.net\r\nTo: b@example.org\r\nCc: Cara <cara@example.com>\r\nSubject: Files\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\nContent-Type: text/plain\r\n\r\nPlease find the Invoice.\r\nRegards\r\n"
    b"--x\r\nContent-Type: application/pdf; name=inv-17.pdf\r\n"
    b"Content-Disposition: attachment; filename=inv-17.pdf\r\n\r\nPDF\r\n--x--\r\n"
)


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (check("cc", "equals", "cara@example.com"), True),
        (check("body", "contains", "invoice"), True),
        (check("body", "contains", "find the invoice.\nregards"), True),
        (check("attachment", "equals", "application/pdf"), True),
        (check("attachment", "wildcard", "inv-*.pdf"), True),
        (check("attachment", "wildcard", "inv-?.pdf"), False),
        (check("attachment", "wildcard", "nv-*.pdf"), False),
        (check("subject", "regex", "^f.les$"), True),
        (check("subject", "regex", "^les"), False),
        (check("subject", "wildcard", "[f]iles"), False),
        (check("size", "greater", "100"), True),
        (check("size", "less", "100"), False),
        (check("size", "equals", "500"), True),
        (check("size", "greater", "100", negate=True), False),
    ],
)
def test_a_condition(test: Test, expected: bool) -> None:
    assert evaluate(test, facts(MULTIPART, size=500))[0] is expected


PROVED = Authentication(
    spf="pass", dmarc="fail",
    dkim=(
        Signature(domain="a.example", selector="s", result="fail"),
        Signature(domain="b.example", selector="s", result="pass"),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("test", "found", "expected"),
    [
        (check("spf", "equals", "pass"), PROVED, True),
        (check("dkim", "equals", "pass"), PROVED, True),
        (check("dmarc", "equals", "fail", "permerror"), PROVED, True),
        (check("dmarc", "equals", "pass", negate=True), PROVED, True),
        (check("arc", "equals", "pass"), PROVED, False),
        (check("dkim", "equals", "none"), Authentication(), True),
        (check("dmarc", "equals", "none"), None, True),
        (check("spf", "equals", "pass"), None, False),
    ],
)
def test_who_sent_it(test: Test, found: Authentication | None, expected: bool) -> None:
    assert evaluate(test, facts(authentication=found))[0] is expected


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|aa)+$", "(a|a?)+$", "(.*a){20}$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(x+x+)+y"],
)
def test_no_pattern_takes_long(pattern: str) -> None:
    body = b"From: a@b.c\r\nSubject: x\r\n\r\n" + b"a" * 256_000 + b"!\r\n"
    subject = facts(body)
    began = time.perf_counter()
    evaluate(check("body", "regex", pattern), subject)
    assert time.perf_counter() - began < 5  # a deadline for safety; RE2 takes milliseconds


def test_marks_and_stop() -> None:
    rules = (
        rule("a", ALWAYS, AddTag("one"), AddTag("one"), AddTag("two"), MarkRead(), MarkSpam(True)),
        rule("b", ALWAYS, AddSpamRating(40), AddSpamRating(80), AddSpamRating(-10), Delete()),
        rule("c", ALWAYS, MarkSpam(False), Stop()),
        rule("d", ALWAYS, SetSpamRating(0)),
    )
    decision = decide(facts(), Ruleset(1, rules))
    assert decision.tags == ("one", "two")
    assert (decision.read, decision.deleted, decision.spam) == (True, True, False)
    assert decision.spam_rating == 90
    assert [trace.rule for trace in decision.trace] == ["rul_a", "rul_b", "rul_c"]


def test_a_mail_is_not_forwarded_in_circles() -> None:
    rules = (rule("a", ALWAYS, Forward("boss@example.com"), Forward("boss@example.com")),)
    assert decide(facts(), Ruleset(1, rules)).actions == (Forward("boss@example.com"),)
    for raw, own in ((b"Postroom-Forwarded: msg_1\r\n" + RAW, False), (RAW, True)):
        decision = decide(facts(raw, own_marker=own), Ruleset(1, rules))
        assert decision.actions == ()
        assert decision.trace[0].done[0].startswith("not forwarded")


def test_a_program_may_be_forwarded_but_never_posts() -> None:
    rules = (rule("a", ALWAYS, Forward("boss@example.com"), PostToForum("frm_1")),)
    decision = decide(facts(b"Auto-Submitted: auto-generated\r\n" + RAW), Ruleset(1, rules))
    assert decision.actions == (Forward("boss@example.com"),)


def test_limits_on_actions() -> None:
    many = tuple(AddTag(f"t{number}") for number in range(MAX_ACTIONS + 5))
    forwards = tuple(Forward(f"{number}@example.com") for number in range(6))
    decision = decide(facts(), Ruleset(1, (rule("a", ALWAYS, *forwards, *many),)))
    assert len(decision.actions) == MAX_ACTIONS
    assert sum(isinstance(action, Forward) for action in decision.actions) == 4


def test_a_rule_that_breaks_is_skipped_and_said_so() -> None:
    broken = rule("a", check("size", "greater", "huge"), AddTag("x"))
    decision = decide(facts(), Ruleset(1, (broken, rule("b", ALWAYS, AddTag("y")))))
    assert decision.tags == ("y",)
    assert "skipped" in decision.trace[0].done[0]


@pytest.mark.parametrize(
    ("when", "then", "pointer", "words"),
    [
        (check("subject", "regex", "(unclosed"), (), "/condition/values/0", "not understood"),
        (check("subject", "regex", "(?=x)"), (), "/condition/values/0", "not understood"),
        (check("subject", "regex", "x" * 501), (), "/condition/values/0", "500"),
        (check("subject", "less", "1"), (), "/condition/operator", "size"),
        (check("size", "contains", "1"), (), "/condition/operator", "number"),
        (check("size", "less", "big"), (), "/condition/values/0", "number"),
        (check("header", "equals", "x"), (), "/condition/header", "header"),
        (check("subject", "contains"), (), "/condition/values", "value"),
        (ALWAYS, (Forward("nobody"),), "/actions/0/to", "address"),
        (
            Group(mode="all", of=(check("from", "regex", "["),)),
            (),
            "/condition/of/0/values/0",
            "not understood",
        ),
    ],
)
def test_what_is_wrong_is_said_when_saving(when, then, pointer: str, words: str) -> None:
    found = list(problems(when, then))
    assert [where for where, _ in found] == [pointer]
    assert words in found[0][1]


def test_nesting_has_a_limit() -> None:
    when = ALWAYS
    for _ in range(9):
        when = Group(mode="all", of=(when,))
    assert any("deep" in words for _, words in problems(when, ()))


def test_who_is_rejected_gets_no_further() -> None:
    rules = (
        rule("a", ALWAYS, AddTag("one"), Reject("not here"), PostToForum("frm_1"), AddTag("two")),
        rule("b", ALWAYS, AddTag("three")),
    )
    decision = decide(facts(), Ruleset(1, rules))
    assert decision.actions == (AddTag("one"), Reject("not here"))
    assert (decision.deleted, decision.tags, len(decision.trace)) == (True, ("one",), 1)
    assert decision.trace[0].done[2:] == ("not done: the mail is rejected",) * 2


@pytest.mark.parametrize("text", ["", " ", "a\r\nb", "größer", "x" * 201])
def test_words_that_cannot_stand_in_a_reply(text: str) -> None:
    assert [where for where, _ in problems(ALWAYS, (Reject(text),))] == ["/actions/0/text"]


@pytest.mark.parametrize(
    ("known", "test", "expected"),
    [
        (MailFacts(member=True, known_thread=False), check("member", "equals", "yes"), True),
        (MailFacts(member=True, known_thread=False), check("known_thread", "equals", "yes"), False),
        (MailFacts(member=False, known_thread=True), check("member", "equals", "yes", negate=True), True),
        # Nobody answered: neither it nor its contrary holds.
        (None, check("member", "equals", "yes"), False),
        (None, check("member", "equals", "yes", negate=True), False),
        (None, check("member", "equals", "no"), False),
    ],
)  # fmt: skip
def test_what_the_forums_know(known: MailFacts | None, test: Test, expected: bool) -> None:
    mail = msgspec.structs.replace(facts(MULTIPART), forums=known)
    matched, (trace,) = evaluate(test, mail)
    assert matched is expected
    assert (trace.value == "nobody answered in time") is (known is None)
