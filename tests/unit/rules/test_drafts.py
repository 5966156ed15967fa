"""A ruleset with a draft in it."""

import msgspec

from postroom_contract.documents import RuleDocument
from postroom_contract.rules import AddTag, Group, Layer, Rating, Test
from postroom_rules.domain.drafts import (
    alone,
    has,
    layers_of,
    sorted_out,
    tried_alone,
    with_draft,
)
from postroom_rules.domain.plan import Plan
from support.rules import check, facts

WHEN = Test(field="to", operator="exists")


def rule(name: str, scope: str = "acc_1", layer: Layer = "before", tag: str = "x") -> RuleDocument:
    return RuleDocument(
        id=name, account="acc_1", scope=scope, name=name, active=True, when=WHEN,
        then=(AddTag(tag),), version=1, layer=layer,
    )  # fmt: skip


RULES = (rule("after", layer="after"), rule("own", "mbx_1"), rule("one"), rule("two"))
PLAN = Plan(sorted_out(RULES))


def names(plan: Plan) -> list[list[str]]:
    return [[one.id for one in layer] for layer in layers_of(plan)]


def test_rules_are_sorted_into_their_layers() -> None:
    assert names(PLAN) == [["one", "two"], ["own"], ["after"]]
    assert has(PLAN, "own")
    assert not has(PLAN, "none")


def test_a_draft_stands_in_the_place_of_its_rule() -> None:
    changed = with_draft(PLAN, rule("one", tag="y"))
    assert names(changed) == names(PLAN)
    assert layers_of(changed)[0][0].then == (AddTag("y"),)
    assert layers_of(PLAN)[0][0].then == (AddTag("x"),), "the plan itself is as it was"


def test_a_new_one_stands_behind_the_others_of_its_layer() -> None:
    assert names(with_draft(PLAN, rule("new")))[0] == ["one", "two", "new"]
    assert names(with_draft(PLAN, rule("new", "mbx_1")))[1] == ["own", "new"]


def test_one_that_changes_its_layer_leaves_the_other() -> None:
    assert names(with_draft(PLAN, rule("one", layer="after"))) == [
        ["two"],
        ["own"],
        ["after", "one"],
    ]


def test_a_condition_is_tried_alone_and_says_what_it_compared() -> None:
    found = facts(sender="anna@example.net")
    subject, sender = check("subject", "starts", "Invoice"), check("envelope_from", "equals", "x")
    tried = tried_alone(alone(Group(mode="all", of=(subject, sender))), found, lambda: 0.0)
    assert not tried.matched
    assert [one.matched for one in tried.conditions] == [True, False]
    assert (tried.subject, tried.sender) == ("Invoice 17 for May", "anna@example.net")
    assert tried_alone(alone(subject), found, lambda: 0.0).matched


def test_a_rating_counts_only_where_one_was_recorded() -> None:
    plan = alone(check("spam_rating", "greater", "50"))
    assert not tried_alone(plan, facts(), lambda: 0.0).matched
    rated = msgspec.structs.replace(facts(), rating=Rating(score=80))
    assert tried_alone(plan, rated, lambda: 0.0).matched


def test_what_is_too_much_to_show_is_not_shown() -> None:
    many = Group(mode="all", of=tuple(check("subject", "contains", "x" * 900) for _ in range(90)))
    tried = tried_alone(alone(many), facts(), lambda: 0.0)
    assert (tried.matched, tried.conditions, tried.problem) == (False, (), "")


def test_a_condition_that_breaks_is_a_problem() -> None:
    tried = tried_alone(alone(check("subject", "regex", "(")), facts(), lambda: 0.0)
    assert not tried.matched
    assert tried.problem
