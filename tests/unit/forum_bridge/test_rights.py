"""Who may do what in a forum."""

from datetime import UTC, datetime, timedelta

import pytest

from postroom_forum_bridge.domain.rights import (
    COMES_BACK,
    SERVICE,
    Past,
    Rules,
    Standing,
    refuse_joining,
    refuse_reading,
    refuse_running,
    role_on_return,
)

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
NOBODY = Standing()
MEMBER = Standing(role="member")
MODERATOR = Standing(role="moderator")
ADMINISTRATOR = Standing(administrator=True)


def left(
    ago: timedelta = timedelta(hours=1), *, removed: bool = False, role: str = "member"
) -> Standing:
    past = Past(role="moderator" if role == "moderator" else "member", removed=removed,
                left_at=NOW - ago)  # fmt: skip
    return Standing(past=past)


OPEN = Rules(joining="open", visible="account")
INVITE = Rules(joining="invite", visible="account")
HIDDEN = Rules(joining="invite", visible="members")
HIDDEN_OPEN = Rules(joining="open", visible="members")


@pytest.mark.parametrize(
    ("who", "reading", "running"),
    [
        (NOBODY, "not_found", "not_found"),
        (left(), "not_found", "not_found"),
        (left(removed=True), "not_found", "not_found"),
        (MEMBER, None, "forbidden"),
        (MODERATOR, None, None),
        (ADMINISTRATOR, None, None),
        (SERVICE, None, None),
    ],
)
def test_a_hidden_forum_is_there_for_those_in_it(who, reading, running):
    assert refuse_reading(HIDDEN, who) == reading
    assert refuse_running(HIDDEN, who) == running


@pytest.mark.parametrize("rules", [OPEN, INVITE])
def test_what_the_account_sees_is_run_by_some(rules):
    for who in (NOBODY, MEMBER, MODERATOR, ADMINISTRATOR, left()):
        assert refuse_reading(rules, who) is None
    assert refuse_running(rules, NOBODY) == "forbidden"
    assert refuse_running(rules, MEMBER) == "forbidden"
    assert refuse_running(rules, MODERATOR) is None


@pytest.mark.parametrize(
    ("rules", "who", "refused"),
    [
        (OPEN, NOBODY, None),
        (INVITE, NOBODY, "forbidden"),
        (HIDDEN, NOBODY, "not_found"),
        (HIDDEN_OPEN, NOBODY, "not_found"),
        (OPEN, left(removed=True), "forbidden"),
        (HIDDEN, left(removed=True), "not_found"),
        (HIDDEN, left(), None),
        (INVITE, left(), None),
        (INVITE, left(COMES_BACK), "forbidden"),
        (HIDDEN, left(COMES_BACK), "not_found"),
        (OPEN, left(COMES_BACK), None),
        (HIDDEN, MEMBER, None),
        (INVITE, ADMINISTRATOR, None),
    ],
)
def test_who_may_take_part_by_themselves(rules, who, refused):
    assert refuse_joining(rules, who, NOW) == refused


def test_a_role_comes_back_for_some_days_and_not_after_a_removal():
    assert role_on_return(left(role="moderator"), NOW) == "moderator"
    assert role_on_return(left(COMES_BACK, role="moderator"), NOW) == "member"
    assert role_on_return(left(removed=True, role="moderator"), NOW) == "member"
    assert role_on_return(MODERATOR, NOW) == "moderator"
    assert role_on_return(NOBODY, NOW) == "member"
