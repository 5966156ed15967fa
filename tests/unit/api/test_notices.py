"""Trouble is told once, and once that it is over."""

import pytest

from postroom_api.domain.notices import after_check


def told_of(*states: str) -> list[str | None]:
    failures, told, said = 0, False, []
    for state in states:
        step = after_check(state, failures, told=told)
        failures = step.failures
        told = {"trouble": True, "recovered": False}.get(step.notice or "", told)
        said.append(step.notice)
    return said


@pytest.mark.parametrize(
    ("states", "notices"),
    [
        (["idle", "idle"], [None, None]),
        (["auth_failed", "auth_failed", "idle", "idle"], ["trouble", None, "recovered", None]),
        (["unreachable", "idle"], [None, None]),
        (["unreachable"] * 4 + ["idle"], [None, None, "trouble", None, "recovered"]),
        (["trouble", "unreachable", "auth_failed"], [None, None, "trouble"]),
        (["refused", "idle", "refused"], ["trouble", "recovered", "trouble"]),
    ],
)
def test_once_and_once_when_it_is_over(states: list[str], notices: list[str | None]) -> None:
    assert told_of(*states) == notices
