"""Conditions, actions and the robot guard."""

import msgspec
import pytest

from postroom_contract.commands import RecordBounce
from postroom_contract.rules import (
    Condition,
    Group,
    PostToForum,
    SetImportance,
    SetSpamRating,
)
from postroom_rules.domain.consequences import consequences
from postroom_rules.domain.decide import decide
from postroom_rules.domain.plan import Ruleset
from support.rules import ALWAYS, NEVER, RAW, check, evaluate, event_for, facts, rule


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (check("from", "contains", "anna"), True),
        (check("from", "equals", "anna@example.net"), True),
        (check("from", "contains", "müller"), True),
        (check("from", "ends", "@example.net"), True),
        (check("from", "equals", "anna"), False),
        (check("to", "equals", "other@example.com"), True),
        (check("to", "equals", "GARDEN@example.org"), True),
        (check("to", "starts", "nobody", "other@"), True),
        (check("subject", "starts", "invoice"), True),
        (check("subject", "contains", "april"), False),
        (check("subject", "contains", "april", negate=True), True),
        (check("header", "equals", "URGENT", header="x-kind"), True),
        (check("header", "contains", "x", header="X-None"), False),
        (check("header", "contains", "x", header="X-None", negate=True), True),
        (Group(mode="all", of=()), True),
        (Group(mode="any", of=()), False),
        (Group(mode="none", of=()), True),
        (
            Group(
                mode="all",
                of=(
                    check("subject", "contains", "invoice"),
                    Group(mode="none", of=(check("from", "contains", "bert"),)),
                ),
            ),
            True,
        ),
        (
            Group(
                mode="any",
                of=(check("subject", "contains", "a!"), check("from", "contains", "anna")),
            ),
            True,
        ),
    ],
)
def test_a_condition(condition: Condition, expected: bool) -> None:
    assert evaluate(condition, facts())[0] is expected


def test_a_blind_copy_is_seen_by_its_recipient() -> None:
    condition = check("to", "equals", "hidden@example.org")
    assert evaluate(condition, facts(recipient="hidden@example.org"))[0]


def test_the_trace_shows_what_was_compared() -> None:
    matched, (trace,) = evaluate(check("subject", "contains", "april", "may"), facts())
    assert matched
    assert trace.condition == "subject contains “april” or “may”"
    assert trace.value == "Invoice 17 for May"


def test_rules_apply_in_order_and_the_last_word_counts() -> None:
    rules = (
        rule("a", ALWAYS, SetImportance("low"), SetSpamRating(250)),
        rule("b", NEVER, SetImportance("normal")),
        rule("c", ALWAYS, SetImportance("high"), PostToForum("frm_1")),
        rule("d", ALWAYS, PostToForum("frm_1")),
    )
    decision = decide(facts(), Ruleset(9, rules))
    assert (decision.ruleset_version, decision.importance, decision.spam_rating) == (9, "high", 100)
    assert [trace.matched for trace in decision.trace] == [True, False, True, True]
    assert decision.trace[1].done == ()
    posts = [action for action in decision.actions if isinstance(action, PostToForum)]
    assert posts == [PostToForum("frm_1")]


@pytest.mark.parametrize(
    ("header", "changes", "word"),
    [
        (b"Auto-Submitted: auto-replied\r\n", {}, "Auto-Submitted"),
        (b"Precedence: bulk\r\n", {}, "Precedence"),
        (b"List-Id: <x.example.org>\r\n", {}, "List-Id"),
        (b"", {"sender": ""}, "envelope sender is empty"),
        (b"", {"own_marker": True}, "own"),
    ],
)
@pytest.mark.parametrize("role", ["mail", "post", "reply"])
def test_a_program_never_posts(header: bytes, changes: dict, word: str, role: str) -> None:
    rules = (rule("a", ALWAYS, PostToForum("frm_1"), SetImportance("high")),)
    decision = decide(facts(header + RAW, role=role, forum="frm_1", **changes), Ruleset(1, rules))
    assert not any(isinstance(action, PostToForum) for action in decision.actions)
    said = " ".join([*decision.notes, *(done for trace in decision.trace for done in trace.done)])
    assert "not posted" in said.lower()
    assert word.lower() in said.lower()


@pytest.mark.parametrize(
    ("role", "kinds"),
    [
        ("reply", ["forum-bridge.post"]),
        ("bounce", ["forum-bridge.bounce"]),
        ("leave", ["forum-bridge.leave"]),
        ("owner", []),
    ],
)
def test_other_roles_have_their_one_command(role: str, kinds: list[str]) -> None:
    rules = (rule("a", ALWAYS, SetImportance("high")),)
    decision = decide(facts(role=role, forum="frm_1"), Ruleset(1, rules))
    assert decision.importance == "normal"
    assert decision.notes
    commands = consequences(event_for(role, "r1-x-y", decision))
    assert [str(type(one).__struct_config__.tag) for one in commands] == kinds
    if role == "reply":
        assert commands[0].token == "r1-x-y"


REPORT = b'Content-Type: multipart/report;\r\n report-type="Feedback-Report"; boundary=x\r\n'


@pytest.mark.parametrize("role", ["post", "reply", "owner"])
def test_a_complaint_to_a_forum_is_shown_to_it_and_never_posted(role: str) -> None:
    rules = (rule("a", ALWAYS, PostToForum("frm_1")),)
    seen = facts(REPORT + RAW, role=role, forum="frm_1")
    assert seen.report == "feedback-report"
    event = event_for(role, "r1-x-y" if role == "reply" else None, decide(seen, Ruleset(1, rules)))
    summary = msgspec.structs.replace(event.summary, report=seen.report)
    (command,) = consequences(msgspec.structs.replace(event, summary=summary))
    assert isinstance(command, RecordBounce)
    assert (command.forum, command.token) == ("frm_1", None)
    assert event.decision.notes


def test_other_reports_to_a_forum_are_not_shown_to_it() -> None:
    raw = REPORT.replace(b"Feedback-Report", b"delivery-status") + RAW
    event = event_for("post", None, decide(facts(raw, role="post", forum="frm_1"), Ruleset(1, ())))
    summary = msgspec.structs.replace(event.summary, report="delivery-status")
    assert consequences(msgspec.structs.replace(event, summary=summary)) == []


def test_commands_repeat_under_the_same_ids() -> None:
    rules = (rule("a", ALWAYS, PostToForum("frm_1"), PostToForum("frm_2")),)
    event = event_for("post", None, decide(facts(role="post", forum="frm_1"), Ruleset(1, rules)))
    first, again = consequences(event), consequences(event)
    assert first == again
    assert len({one.id for one in first}) == 2
    assert all(one.token is None for one in first)


def test_a_post_is_read_in_the_charset_that_the_mail_was_decided_in() -> None:
    rules = (rule("a", ALWAYS, PostToForum("frm_1")),)
    event = event_for("post", None, decide(facts(role="post", forum="frm_1"), Ruleset(1, rules)))
    (command,) = consequences(msgspec.structs.replace(event, charset="koi8-r"))
    assert command.charset == "koi8-r"
