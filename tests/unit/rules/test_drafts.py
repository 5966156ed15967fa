"""A ruleset with a draft in it."""

from postroom_contract.documents import RuleDocument
from postroom_contract.rules import AddTag, Layer, Test
from postroom_rules.domain.drafts import has, layers_of, sorted_out, with_draft
from postroom_rules.domain.plan import Plan

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
