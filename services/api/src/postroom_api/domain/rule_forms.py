"""A rule as a form of rows, and back.

The form has one group of comparisons (all, any or none of them) and a list of actions. A condition
that is nested deeper is kept as JSON, which the form shows and takes as well.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

import msgspec

from postroom_contract.rules import (
    Action,
    Condition,
    Field,
    Group,
    Layer,
    Operator,
    Part,
    Test,
)

ROWS: Final = 4
FIELDS: Final[tuple[str, ...]] = get_args(Field)
OPERATORS: Final[tuple[str, ...]] = get_args(Operator)
PARTS: Final[tuple[str, ...]] = get_args(Part)
ACTIONS: Final = {
    "set_importance": "set the importance to (low, normal, high)",
    "add_tag": "add the tag",
    "set_spam_rating": "set the spam rating to (0 to 100)",
    "add_spam_rating": "change the spam rating by",
    "mark_spam": "mark as spam (yes, no)",
    "mark_read": "mark as read",
    "delete": "delete",
    "forward": "forward to",
    "post_to_forum": "post to the forum",
    "move_on_server": "move on its IMAP server to the folder",
    "flag_on_server": "mark on its IMAP server as (read, starred)",
    "reject": "reject with the words (to mail by SMTP)",
    "quarantine": "keep in quarantine for so many days",
    "auto_reply": "answer automatically with the words",
    "open_ticket": "make a ticket (in the queue)",
    "call_webhook": "tell the webhook",
    "publish_event": "publish an event with the name",
    "stop": "try no further rule (all, layer)",
}
_ARGUMENT: Final = {
    "set_importance": "level",
    "add_tag": "tag",
    "set_spam_rating": "rating",
    "add_spam_rating": "points",
    "mark_spam": "spam",
    "forward": "to",
    "post_to_forum": "forum",
    "move_on_server": "folder",
    "flag_on_server": "flag",
    "reject": "text",
    "quarantine": "days",
    "auto_reply": "text",
    "open_ticket": "queue",
    "call_webhook": "webhook",
    "publish_event": "name",
    "stop": "of",
}
_OPTIONAL: Final = {"stop", "quarantine", "open_ticket"}
_DECIDED: Final = "rule"
"""What deciding fills in."""


class FormError(ValueError):
    """The form cannot be understood; the text is for the person who filled it in."""


class TestRow(msgspec.Struct):
    """One comparison as the form has it; several values stand on lines of their own."""

    __test__ = False  # no test case

    field: str = "subject"
    operator: str = "contains"
    values: str = ""
    header: str = ""
    negate: bool = False
    part: str = "whole"


class ActionRow(msgspec.Struct):
    """One action as the form has it."""

    kind: str = ""
    argument: str = ""
    more: str = ""
    """JSON of what the row does not show, as how often an answer goes out."""


class RuleForm(msgspec.Struct):
    """The whole form."""

    name: str = ""
    mailbox: str = ""
    mode: str = "all"
    tests: list[TestRow] = []
    actions: list[ActionRow] = []
    nested: str = ""
    """JSON of a condition that rows cannot show."""
    layer: str = "before"
    shadow: bool = False


def to_form(
    name: str,
    mailbox: str,
    when: Condition,
    then: Sequence[Action],
    layer: Layer = "before",
    *,
    shadow: bool = False,
) -> RuleForm:
    """Return the form that shows a rule."""
    group = when if isinstance(when, Group) else Group(mode="all", of=(when,))
    flat = all(isinstance(part, Test) for part in group.of)
    tests = [_row(part) for part in group.of if isinstance(part, Test)] if flat else []
    return RuleForm(
        name=name,
        mailbox=mailbox,
        mode=group.mode,
        tests=tests,
        actions=[_action_row(action) for action in then],
        layer=layer,
        shadow=shadow,
        nested="" if flat else msgspec.json.format(msgspec.json.encode(when), indent=2).decode(),
    )


def padded(form: RuleForm) -> RuleForm:
    """Return the form with empty rows to fill in."""
    tests = [*form.tests, *(TestRow() for _ in range(max(2, ROWS - len(form.tests))))]
    actions = [*form.actions, *(ActionRow() for _ in range(max(1, ROWS - 1 - len(form.actions))))]
    return msgspec.structs.replace(form, tests=tests, actions=actions)


def _row(test: Test) -> TestRow:
    return TestRow(
        field=test.field,
        operator=test.operator,
        values="\n".join(test.values),
        header=test.header or "",
        negate=test.negate,
        part=test.part,
    )


def _action_row(action: Action) -> ActionRow:
    plain: dict[str, Any] = msgspec.to_builtins(action)
    kind = plain.pop("kind")
    plain.pop(_DECIDED, None)
    value = plain.pop(_ARGUMENT.get(kind, ""), "")
    if isinstance(value, bool):
        value = "yes" if value else "no"
    more = msgspec.json.encode(plain).decode() if plain else ""
    return ActionRow(kind=kind, argument=str(value), more=more)


def read(fields: Mapping[str, str]) -> RuleForm:
    """Return the form from its fields `t0_field`, `t0_operator`, …, `a0_kind`, `a0_argument`."""
    tests, actions = [], []
    for number in range(100):
        values = fields.get(f"t{number}_values", "").strip()
        if values or fields.get(f"t{number}_operator") == "exists":
            tests.append(
                TestRow(
                    field=fields.get(f"t{number}_field", ""),
                    operator=fields.get(f"t{number}_operator", ""),
                    values=values.replace("\r", ""),
                    header=fields.get(f"t{number}_header", "").strip(),
                    negate=bool(fields.get(f"t{number}_negate")),
                    part=fields.get(f"t{number}_part", "whole"),
                )
            )
        kind = fields.get(f"a{number}_kind", "")
        if kind:
            argument = fields.get(f"a{number}_argument", "").strip()
            actions.append(ActionRow(kind, argument, fields.get(f"a{number}_more", "")))
    return RuleForm(
        name=fields.get("name", "").strip(),
        mailbox=fields.get("mailbox", ""),
        mode=fields.get("mode", "all"),
        tests=tests,
        actions=actions,
        nested=fields.get("nested", "").strip(),
        layer=fields.get("layer", "before"),
        shadow=bool(fields.get("shadow")),
    )


def condition_of(form: RuleForm) -> Condition:
    """Return the condition; FormError says what is wrong."""
    if form.nested:
        try:
            nested: Condition = msgspec.json.decode(form.nested, type=Condition)
        except msgspec.DecodeError as error:
            raise FormError(f"the nested condition is not understood: {error}") from error
        return nested
    plain = {
        "kind": "group",
        "mode": form.mode,
        "of": [
            {
                "kind": "test",
                "field": row.field,
                "operator": row.operator,
                "values": [line.strip() for line in row.values.split("\n") if line.strip()],
                "header": row.header or None,
                "negate": row.negate,
                "part": row.part,
            }
            for row in form.tests
        ],
    }
    try:
        condition: Condition = msgspec.convert(plain, type=Condition)
    except msgspec.ValidationError as error:
        raise FormError(f"a condition is not understood: {error}") from error
    return condition


def layer_of(form: RuleForm) -> Layer:
    """Return the layer; what is none is the usual one."""
    return "after" if form.layer == "after" else "before"


def actions_of(form: RuleForm) -> list[Action]:
    """Return the actions; FormError says what is wrong."""
    if not form.actions:
        raise FormError("choose at least one action")
    return [_action(row) for row in form.actions]


def _more(row: ActionRow) -> dict[str, Any]:
    """Return what the row does not show, unless another kind was chosen or it is not ours."""
    try:
        found = msgspec.json.decode(row.more, type=dict[str, Any]) if row.more else {}
    except msgspec.DecodeError:
        return {}
    known = {one.__struct_config__.tag: one.__struct_fields__ for one in get_args(Action)}
    return {name: value for name, value in found.items() if name in known.get(row.kind, ())}


def _action(row: ActionRow) -> Action:
    plain: dict[str, Any] = {**_more(row), "kind": row.kind}
    argument = _ARGUMENT.get(row.kind)
    if argument == "spam":
        plain[argument] = row.argument.lower() not in {"no", "false", "0"}
    elif argument:
        if not row.argument and row.kind not in _OPTIONAL:
            raise FormError(f"say what: {ACTIONS[row.kind]} …")
        if row.argument:
            plain[argument] = row.argument
    try:
        action: Action = msgspec.convert(plain, type=Action, strict=False)
    except msgspec.ValidationError as error:
        words = ACTIONS.get(row.kind, row.kind)
        raise FormError(f"{words} “{row.argument}” is not understood: {error}") from error
    return action
