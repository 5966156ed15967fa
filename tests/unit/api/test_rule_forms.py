"""A rule as a form, and back."""

import pytest

from postroom_api.domain import rule_forms
from postroom_api.domain.rule_forms import ActionRow, FormError, RuleForm, TestRow
from postroom_contract.rules import (
    AddSpamRating,
    AddTag,
    Delete,
    Forward,
    Group,
    MarkRead,
    MarkSpam,
    PostToForum,
    SetImportance,
    SetSpamRating,
    Stop,
    Test,
)

EVERY_ACTION = [
    SetImportance("high"), AddTag("a b"), SetSpamRating(7), AddSpamRating(-3), MarkSpam(True),
    MarkSpam(False), MarkRead(), Delete(), Forward("a@example.org"), PostToForum("frm_1"), Stop(),
]  # fmt: skip
FLAT = Group(
    mode="any",
    of=(
        Test(field="subject", operator="contains", values=("a", "b c")),
        Test(field="header", operator="regex", values=("^x$",), header="X-Kind", negate=True),
        Test(field="size", operator="greater", values=("1000",)),
    ),
)
NESTED = Group(mode="all", of=(FLAT, Test(field="to", operator="equals", values=("a@b",))))


def fields_of(form: RuleForm) -> dict[str, str]:
    """What a browser sends for a form."""
    found = {"name": form.name, "mailbox": form.mailbox, "mode": form.mode, "nested": form.nested}
    for number, row in enumerate(rule_forms.padded(form).tests):
        found |= {
            f"t{number}_field": row.field,
            f"t{number}_operator": row.operator,
            f"t{number}_values": row.values.replace("\n", "\r\n"),
            f"t{number}_header": row.header,
        }
        if row.negate:
            found[f"t{number}_negate"] = "1"
    for number, action in enumerate(rule_forms.padded(form).actions):
        found |= {f"a{number}_kind": action.kind, f"a{number}_argument": action.argument}
    return found


@pytest.mark.parametrize("when", [FLAT, NESTED, Group(mode="none", of=FLAT.of)])
def test_a_rule_comes_back_from_its_form_as_it_was(when) -> None:
    form = rule_forms.to_form("Name", "mbx_1", when, EVERY_ACTION)
    again = rule_forms.read(fields_of(form))
    assert (again.name, again.mailbox) == ("Name", "mbx_1")
    assert rule_forms.condition_of(again) == when
    assert rule_forms.actions_of(again) == EVERY_ACTION


def test_a_single_comparison_becomes_a_group_of_one() -> None:
    test = FLAT.of[0]
    form = rule_forms.to_form("n", "", test, [Stop()])
    assert rule_forms.condition_of(rule_forms.read(fields_of(form))) == Group(
        mode="all", of=(test,)
    )


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (RuleForm(), "at least one action"),
        (RuleForm(actions=[ActionRow("forward", "")]), "forward to"),
        (RuleForm(actions=[ActionRow("set_importance", "huge")]), "huge"),
        (RuleForm(actions=[ActionRow("set_spam_rating", "much")]), "much"),
        (RuleForm(actions=[ActionRow("explode", "")]), "explode"),
    ],
)
def test_a_wrong_action_is_named(form: RuleForm, words: str) -> None:
    with pytest.raises(FormError, match=words):
        rule_forms.actions_of(form)


@pytest.mark.parametrize(
    "form",
    [
        RuleForm(nested="{"),
        RuleForm(nested='{"kind": "nothing"}'),
        RuleForm(mode="some", tests=[TestRow(values="x")]),
        RuleForm(tests=[TestRow(field="moon", values="x")]),
    ],
)
def test_a_wrong_condition_is_named(form: RuleForm) -> None:
    with pytest.raises(FormError, match="not understood"):
        rule_forms.condition_of(form)
