"""Versions in words, what a back-test counts, and why a mail is decided otherwise today."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from postroom_api.domain.operations import Operation, as_of
from postroom_api.domain.replays import Known, replay
from postroom_api.domain.rule_life import EXAMPLES, Backtest, RuleVersion, compared
from postroom_contract.rules import (
    AddTag,
    ConditionTrace,
    Decision,
    Delete,
    Group,
    RuleTrace,
    Test,
)

NOW = datetime(2026, 11, 30, tzinfo=UTC)
A, B, C = (Test(field="subject", operator="contains", values=(one,)) for one in "abc")


def version(**changed: Any) -> RuleVersion:
    plain: dict[str, Any] = {
        "rule": "rul_1", "version": 1, "name": "n", "active": True, "layer": "before",
        "shadow": False, "condition": A, "actions": [Delete()], "sentence": "", "changed_by": "",
        "changed_at": NOW,
    }  # fmt: skip
    return RuleVersion(**{**plain, **changed})


def told(old: RuleVersion | None, new: RuleVersion) -> list[str]:
    marks = {"same": " ", "added": "+", "removed": "-"}
    return [f"{marks[one.mark]}{'.' * one.depth}{one.words}" for one in compared(old, new)]


def test_a_first_version_says_what_it_says() -> None:
    assert told(None, version()) == [" “n”, on", " the subject contains “a”", " → delete"]


def test_what_changed_is_marked_where_it_stands() -> None:
    nested = Group(mode="all", of=(A, Group(mode="none", of=(B, C))))
    fewer = Group(mode="all", of=(A, Group(mode="none", of=(B,))))
    assert told(version(condition=nested), version(condition=fewer, shadow=True)) == [
        "-“n”, on",
        "+“n”, on, in the shadow",
        " all of these:",
        " .the subject contains “a”",
        " .none of these:",
        " ..the subject contains “b”",
        "-..the subject contains “c”",
        " → delete",
    ]


def backtest() -> Backtest:
    return Backtest(rule="rul_1", name="n", days=1)


def test_a_back_test_counts_what_changes() -> None:
    test = backtest()
    for name, drafted, live in (
        ("same", ("x",), ("x",)), ("new", ("x", "y"), None), ("gone", None, ("z",)),
        ("nothing", None, None),
    ):  # fmt: skip
        test.count(name, drafted, live)
    assert (test.tried, test.matched, test.new, test.lost) == (4, 2, 1, 1)
    assert test.deeds == {"x": 2, "y": 1}
    assert [(one.message, one.change) for one in test.examples] == [
        ("same", "same"), ("new", "new"), ("gone", "gone"),
    ]  # fmt: skip


def test_what_changes_is_shown_before_what_stays() -> None:
    test = backtest()
    for number in range(EXAMPLES + 5):
        test.count(f"s{number}", ("x",), ("x",))
    for number in range(3):
        test.count(f"n{number}", ("x",), None)
    assert len(test.examples) == EXAMPLES
    assert [one.message for one in test.examples[-3:]] == ["n0", "n1", "n2"]
    for number in range(EXAMPLES):
        test.count(f"m{number}", ("x",), None)
    assert {one.change for one in test.examples} == {"new"}
    assert test.matched == 2 * EXAMPLES + 8


def test_long_work_is_given_up_when_it_is_silent_and_not_before() -> None:
    began = NOW - timedelta(hours=1)
    for beat, state in ((NOW - timedelta(seconds=5), "running"), (began, "failed")):
        operation = Operation(
            id="opr_1", kind="rule.backtest", about="", state="running", created_at=began,
            ended_at=None, result={"beat": beat.isoformat()},
        )  # fmt: skip
        assert as_of(operation, NOW).state == state


def trace(*, matched: bool = True, shadow: bool = False, value: str = "v") -> RuleTrace:
    seen = ConditionTrace(condition="c", value=value, matched=matched)
    done = ("tagged “t”",) if matched else ()
    return RuleTrace(
        rule="rul_1", version=1, name="n", matched=matched, conditions=(seen,), done=done,
        shadow=shadow,
    )  # fmt: skip


def decision(*traces: RuleTrace) -> Decision:
    matched = any(one.matched and not one.shadow for one in traces)
    return Decision(
        ruleset_version=1, importance="normal", spam_rating=None, trace=traces,
        actions=(AddTag("t"),) if matched else (), tags=("t",) if matched else (),
    )  # fmt: skip


OLD, YOUNG = NOW - timedelta(days=9), NOW + timedelta(days=1)
UNCHANGED = Known(OLD, True, OLD)


@pytest.mark.parametrize(
    ("then", "now", "known", "cause"),
    [
        ((), (trace(),), Known(YOUNG, True, YOUNG), "new"),
        ((trace(),), (), None, "removed"),
        ((trace(),), (), Known(OLD, False, YOUNG), "removed"),
        ((trace(),), (trace(matched=False),), Known(OLD, True, YOUNG), "changed"),
        ((trace(shadow=True),), (trace(),), Known(OLD, True, YOUNG), "switched"),
        ((trace(matched=False),), (trace(value="w"),), UNCHANGED, "facts"),
        ((trace(),), (), UNCHANGED, "others"),
    ],
)
def test_each_difference_has_its_cause(
    then: tuple[RuleTrace, ...], now: tuple[RuleTrace, ...], known: Known | None, cause: str
) -> None:
    rules = {} if known is None else {"rul_1": known}
    found = replay("msg_1", NOW, decision(*then), decision(*now), rules)
    assert [one.cause for one in found.rules] == [cause]
    assert {one.what for one in found.differences} == {"tags", "actions"}


def test_what_is_the_same_is_no_difference() -> None:
    found = replay("msg_1", NOW, decision(trace()), decision(trace()), {"rul_1": UNCHANGED})
    assert (found.differences, found.rules) == ([], [])
