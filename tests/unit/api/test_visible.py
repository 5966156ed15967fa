"""What of a decision is told to whom."""

from postroom_api.domain.visible import for_eyes
from postroom_contract.rules import ConditionTrace, Decision, RuleTrace


def test_a_rule_that_is_not_seen_is_told_without_its_name_and_conditions() -> None:
    condition = ConditionTrace(condition="subject contains x", matched=True, value="xy")
    trace = tuple(
        RuleTrace(
            rule=rule, version=3, name=f"name of {rule}", matched=True,
            conditions=(condition,), done=("tagged",),
        )
        for rule in ("rul_mine", "rul_hidden")
    )  # fmt: skip
    decision = Decision(
        ruleset_version=7, importance="normal", spam_rating=None, actions=(), trace=trace
    )
    mine, hidden = for_eyes(decision, {"rul_mine"}).trace
    assert mine == trace[0]
    assert (hidden.rule, hidden.name, hidden.conditions) == ("", "", ())
    assert (hidden.matched, hidden.done) == (True, ("tagged",))
