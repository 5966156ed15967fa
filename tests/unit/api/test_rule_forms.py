"""A rule as a form, and back; and what the form's buttons do."""

from typing import get_args

import pytest

from postroom_api.domain import rule_forms, rule_words, sentences
from postroom_api.domain.rule_forms import (
    ActionRow,
    FormError,
    GroupRow,
    RuleForm,
    TestRow,
    press,
)
from postroom_api.domain.rule_suggestions import frequent, list_id, suggestions
from postroom_contract.rules import (
    Action,
    AddSpamRating,
    AddTag,
    AutoReply,
    CallWebhook,
    Delete,
    Field,
    FlagOnServer,
    Forward,
    Group,
    MarkRead,
    MarkSpam,
    MoveOnServer,
    OpenTicket,
    Operator,
    Part,
    PostToForum,
    PublishEvent,
    Quarantine,
    Reject,
    SetImportance,
    SetSpamRating,
    Stop,
    Test,
)

EVERY_ACTION = [
    SetImportance("high"), AddTag("a b"), SetSpamRating(7), AddSpamRating(-3), MarkSpam(True),
    MarkSpam(False, train=True), MarkRead(), Delete(), Forward("a@example.org"),
    PostToForum("frm_1"), MoveOnServer("Old"), FlagOnServer("read"), Reject("no"), Quarantine(9),
    AutoReply("Thank you\nWe read it", "About {subject}", 3), OpenTicket("billing", True),
    CallWebhook("whk_1"), PublishEvent("paid"), Stop(), Stop("layer"),
]  # fmt: skip
FLAT = Group(
    mode="any",
    of=(
        Test(field="subject", operator="contains", values=("a", "b c")),
        Test(field="header", operator="regex", values=("^x$",), header="X-Kind", negate=True),
        Test(field="size", operator="greater", values=("1000",)),
        Test(field="from", operator="equals", values=("a.example",), part="domain"),
    ),
)
NESTED = Group(
    mode="all",
    of=(FLAT, Test(field="to", operator="equals", values=("a@b",)), Group(mode="none", of=(FLAT,))),
)
DEEP = Group(mode="any", of=(Group(mode="none", of=(NESTED,)), FLAT.of[0]))


def fields_of(form: RuleForm) -> dict[str, str]:
    """What a browser sends for a form."""
    found = {"name": form.name, "mailbox": form.mailbox}

    def add(part: TestRow | GroupRow, name: str) -> None:
        if isinstance(part, GroupRow):
            found[f"{name}_mode"] = part.mode
            for number, one in enumerate(part.of):
                add(one, f"{name}.{number}")
            return
        found.update({
            f"{name}_field": part.field,
            f"{name}_operator": part.operator,
            f"{name}_values": part.values.replace("\n", "\r\n"),
            f"{name}_header": part.header,
            f"{name}_part": part.part,
        })  # fmt: skip
        if part.negate:
            found[f"{name}_negate"] = "1"

    add(form.condition, "c")
    for number, action in enumerate(form.actions):
        found[f"a{number}_kind"] = action.kind
        for name, value in action.values.items():
            if value:  # a box that is not ticked is not sent
                found[f"a{number}_{name}"] = value.replace("\n", "\r\n")
    return found


@pytest.mark.parametrize("when", [FLAT, NESTED, DEEP, Group(mode="none", of=FLAT.of)])
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


def test_the_form_knows_every_field_operator_part_and_action() -> None:
    assert set(rule_words.FIELDS) == set(get_args(Field))
    assert set(rule_words.OPERATORS) == set(get_args(Operator))
    assert set(rule_words.PARTS) == set(get_args(Part))
    assert set(rule_words.ACTIONS) == {one.__struct_config__.tag for one in get_args(Action)}
    for one in get_args(Action):
        shown = {
            field.name for field in rule_words.ACTION_FIELDS.get(one.__struct_config__.tag, ())
        }
        assert shown == set(one.__struct_fields__) - {"rule"}


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (RuleForm(), "at least one action"),
        (RuleForm(actions=[ActionRow("forward", {})]), "forward: To the address"),
        (RuleForm(actions=[ActionRow("set_importance", {"level": "huge"})]), "huge"),
        (RuleForm(actions=[ActionRow("set_spam_rating", {"rating": "much"})]), "much"),
        (RuleForm(actions=[ActionRow("quarantine", {"days": "9999"})]), "9999"),
        (RuleForm(actions=[ActionRow("explode", {})]), "explode"),
    ],
)
def test_a_wrong_action_is_named(form: RuleForm, words: str) -> None:
    with pytest.raises(FormError, match=words):
        rule_forms.actions_of(form)


def of(*rows: TestRow | GroupRow, mode: str = "all") -> RuleForm:
    return RuleForm(condition=GroupRow(mode, list(rows)))


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (of(TestRow(values="x"), mode="some"), "not understood"),
        (of(TestRow(field="moon", values="x")), "not understood"),
        (of(TestRow(values="x"), TestRow()), "comparison 2 has no value"),
        (of(TestRow(field="from")), "comparison 1 has no value"),
        (of(GroupRow(of=[])), "a group is empty"),
    ],
)
def test_a_wrong_condition_is_named(form: RuleForm, words: str) -> None:
    with pytest.raises(FormError, match=words):
        rule_forms.condition_of(form)


def test_a_rule_that_was_not_begun_applies_to_every_mail() -> None:
    assert rule_forms.condition_of(rule_forms.fresh()) == Group(mode="all", of=())


def test_buttons_build_three_levels_and_take_them_down_again() -> None:
    form = rule_forms.fresh()
    for button in ("group c", "group c.1", "test c.1.1", "several c.1.1.0", "test c", "group c.9"):
        form = press(form, button)
    assert form.focus == "c.2"
    assert form.several == "c.1.1.0"
    assert list(form.numbers) == ["c.0", "c.1.0", "c.1.1.0", "c.1.1.1", "c.2"]
    for button in ("drop c.1.1.0", "drop c.1.0", "drop c.0", "drop c.7", "drop c", "drop x.0", "?"):
        form = press(form, button)
    assert list(form.numbers) == ["c.0.0.0", "c.1"]


def test_groups_are_nested_as_deep_as_rules_may_be_and_no_deeper() -> None:
    form = rule_forms.fresh()
    name = "c"
    for _ in range(12):
        form = press(form, f"group {name}")
        name = form.focus.rpartition(".")[0] or name
    assert max(one.count(".") for one in form.numbers) == rule_forms.DEEPEST - 1
    assert list(rule_forms.read(fields_of(form)).numbers) == list(form.numbers)


def test_actions_are_added_with_what_is_usual_moved_and_removed() -> None:
    form = press(rule_forms.fresh(), "action", "quarantine")
    form = press(press(form, "action", "delete"), "action", "nonsense")
    assert [one.kind for one in form.actions] == ["quarantine", "delete"]
    assert form.actions[0].values == {"days": "30"}
    form = press(form, "up-action 1")
    assert [one.kind for one in form.actions] == ["delete", "quarantine"]
    form = press(press(form, "drop-action 0"), "drop-action 5")
    assert [one.kind for one in form.actions] == ["quarantine"]


def test_the_sentence_grows_with_the_form() -> None:
    form = press(rule_forms.fresh(), 'take {"type":"test","field":"subject","values":"invoice"}')
    assert rule_forms.sentence(form) == "When the subject contains “invoice”: …"
    form = press(form, "action", "delete")
    assert rule_forms.sentence(form) == "When the subject contains “invoice”: delete."
    assert rule_forms.sentence(press(form, "test c")) == ""
    assert press(form, "take nonsense") is form


def test_groups_within_groups_are_read_as_they_are_meant() -> None:
    a, b, c = (Test(field="subject", operator="contains", values=(one,)) for one in "abc")
    said = {
        Group(mode="all", of=(a, Group(mode="any", of=(b, c)))):
            "subject contains “a” and (the subject contains “b” or the subject contains “c”)",
        Group(mode="all", of=(a, Group(mode="none", of=(b,)))):
            "subject contains “a” and not (the subject contains “b”)",
        Group(mode="none", of=(a, b)):
            "none of these: the subject contains “a” or the subject contains “b”",
        Group(mode="all", of=(Group(mode="any", of=(a,)),)): "the subject contains “a”",
    }  # fmt: skip
    for when, words in said.items():
        assert words in sentences.condition(when)


RAW = (
    b"Subject: x\r\nList-Id: Roses and\r\n tulips <roses.example.org>\r\n\r\nList-Id: <no.example>"
)


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (RAW, "roses.example.org"),
        (b"List-Id: <a.b>\n\nx", "a.b"),
        (b"List-Id: bare\r\n\r\nx", ""),
        (b"Subject: x\r\n\r\nList-Id: <a.b>", ""),
        (b"", ""),
    ],
)
def test_the_list_of_a_mail_is_found_in_its_header(raw: bytes, found: str) -> None:
    assert list_id(raw) == found


def test_a_rule_is_suggested_from_a_mail() -> None:
    found = suggestions("ann@a.example", "us@b.example", "AW: Re: Invoice 17", "roses.example.org")
    assert [(one.row.field, one.row.part, one.row.values) for one in found] == [
        ("list_id", "whole", "roses.example.org"),
        ("from", "address", "ann@a.example"),
        ("from", "domain", "a.example"),
        ("envelope_to", "whole", "us@b.example"),
        ("subject", "whole", "Invoice 17"),
        ("subject", "whole", "Invoice"),
    ]
    for one in found:
        taken = press(rule_forms.fresh(), one.button)
        assert taken.condition.of == [one.row]
    assert suggestions("", "", "Re: ", "") == []


def test_the_most_frequent_comes_first() -> None:
    assert frequent(["b", "a", "c", "c", ""]) == ["c", "a", "b"]
