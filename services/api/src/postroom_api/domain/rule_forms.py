"""A rule as a form, and back; what its buttons do to it.

The condition is a tree: its root is a group, every part of it a comparison or a group again. A
part's name is its way from the root: `c` is the root, `c.0` its first part, `c.0.2` that one's
third. The form says everything that it shows, so nothing of a draft is kept here.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Union

import msgspec

from postroom_api.domain import sentences
from postroom_api.domain.rule_words import ACTION_FIELDS, ACTIONS, ActionField
from postroom_contract.rules import Action, Condition, Group, Layer, Test

ROOT: Final = "c"
MOST: Final = 100
DEEPEST: Final = 8
_DECIDED: Final = "rule"
"""What deciding fills in."""
_YES: Final = frozenset({"1", "yes", "true", "on"})


class FormError(ValueError):
    """The form cannot be understood; the text is for the person who filled it in."""


class TestRow(msgspec.Struct, tag="test"):
    """One comparison as the form has it; several values stand on lines of their own."""

    __test__ = False  # no test case

    field: str = "subject"
    operator: str = "contains"
    values: str = ""
    header: str = ""
    negate: bool = False
    part: str = "whole"

    @property
    def empty(self) -> bool:
        """Nobody has said yet what it compares with."""
        return self.operator != "exists" and not self.values.strip()


class GroupRow(msgspec.Struct, tag="group"):
    """Comparisons and groups taken together."""

    mode: str = "all"
    of: list[Union[TestRow, "GroupRow"]] = []


class ActionRow(msgspec.Struct):
    """One action as the form has it."""

    kind: str
    values: dict[str, str] = {}

    @property
    def fields(self) -> tuple[ActionField, ...]:
        """What it wants to know."""
        return ACTION_FIELDS.get(self.kind, ())


class RuleForm(msgspec.Struct):
    """The whole form."""

    name: str = ""
    mailbox: str = ""
    condition: GroupRow = msgspec.field(default_factory=GroupRow)
    actions: list[ActionRow] = []
    layer: str = "before"
    shadow: bool = False
    focus: str = ""
    """The part that was added last."""
    several: str = ""
    """The comparison that shall take several values."""

    @property
    def numbers(self) -> dict[str, int]:
        """The number of each comparison, by its name, as the page counts them."""
        return {name: at for at, (name, _) in enumerate(_tests(self.condition, ROOT), 1)}


def _tests(group: GroupRow, name: str) -> Iterator[tuple[str, TestRow]]:
    for index, part in enumerate(group.of):
        if isinstance(part, TestRow):
            yield f"{name}.{index}", part
        else:
            yield from _tests(part, f"{name}.{index}")


def fresh(mailbox: str = "") -> RuleForm:
    """Return the form of a rule that nobody has begun to write."""
    return RuleForm(mailbox=mailbox, condition=GroupRow(of=[TestRow()]))


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
    return RuleForm(
        name=name,
        mailbox=mailbox,
        condition=_group_row(group),
        actions=[_action_row(action) for action in then],
        layer=layer,
        shadow=shadow,
    )


def _group_row(group: Group) -> GroupRow:
    return GroupRow(
        mode=group.mode,
        of=[_row(part) if isinstance(part, Test) else _group_row(part) for part in group.of],
    )


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
    checks = {one.name for one in ACTION_FIELDS.get(kind, ()) if one.control == "check"}
    return ActionRow(kind, {name: _said(value, name in checks) for name, value in plain.items()})


def _said(value: object, check: bool) -> str:
    if check:
        return "1" if value else ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def read(fields: Mapping[str, str]) -> RuleForm:
    """Return the form from its fields `c.0_field`, …, `a0_kind`, `a0_tag`."""
    actions = []
    for number in range(MOST):
        kind = fields.get(f"a{number}_kind")
        if kind is None:
            break
        wanted = ACTION_FIELDS.get(kind, ())
        said = {one.name: fields.get(f"a{number}_{one.name}", "").strip() for one in wanted}
        actions.append(ActionRow(kind, {name: _lines(text) for name, text in said.items()}))
    return RuleForm(
        name=fields.get("name", "").strip(),
        mailbox=fields.get("mailbox", ""),
        condition=_read_group(fields, ROOT, 1),
        actions=actions,
        layer=fields.get("layer", "before"),
        shadow=bool(fields.get("shadow")),
    )


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read_group(fields: Mapping[str, str], name: str, depth: int) -> GroupRow:
    group = GroupRow(mode=fields.get(f"{name}_mode", "all"), of=[])
    for index in range(MOST):
        part = f"{name}.{index}"
        if f"{part}_field" in fields:
            group.of.append(_read_test(fields, part))
        elif f"{part}_mode" in fields and depth < DEEPEST - 1:
            group.of.append(_read_group(fields, part, depth + 1))
        else:
            break
    return group


def _read_test(fields: Mapping[str, str], name: str) -> TestRow:
    return TestRow(
        field=fields.get(f"{name}_field", ""),
        operator=fields.get(f"{name}_operator", ""),
        values=_lines(fields.get(f"{name}_values", "").strip()),
        header=fields.get(f"{name}_header", "").strip(),
        negate=bool(fields.get(f"{name}_negate")),
        part=fields.get(f"{name}_part", "whole"),
    )


def press(form: RuleForm, button: str, chosen: str = "") -> RuleForm:
    """Return the form as a button makes it; one that there is not changes nothing.

    Buttons are `test <group>`, `group <group>`, `drop <part>`, `action` (adds the one that is
    `chosen`), `drop-action <n>`, `up-action <n>`, `several <comparison>` and
    `take <comparison as JSON>`.
    """
    what, _, where = button.partition(" ")
    if what in {"test", "group"}:
        _add(form, where, TestRow() if what == "test" else GroupRow(of=[TestRow()]))
    elif what == "drop":
        _drop(form, where)
    elif what == "take":
        _take(form, where)
    elif what == "several":
        form.several = where
    elif what == "action" and chosen in ACTIONS:
        given = {one.name: one.default for one in ACTION_FIELDS.get(chosen, ())}
        form.actions.append(ActionRow(chosen, given))
        form.focus = f"a{len(form.actions) - 1}"
    elif what in {"drop-action", "up-action"} and where.isdecimal():
        number = int(where)
        if number < len(form.actions):
            row = form.actions.pop(number)
            if what == "up-action":
                form.actions.insert(max(number - 1, 0), row)
    return form


def _group_at(form: RuleForm, name: str) -> GroupRow | None:
    """Return the group of this name, or None."""
    root, *way = name.split(".")
    found: TestRow | GroupRow = form.condition
    for step in way:
        if not (isinstance(found, GroupRow) and step.isdecimal() and int(step) < len(found.of)):
            return None
        found = found.of[int(step)]
    return found if root == ROOT and isinstance(found, GroupRow) else None


def _add(form: RuleForm, name: str, part: TestRow | GroupRow) -> None:
    group = _group_at(form, name)
    deepest = DEEPEST - 2 if isinstance(part, TestRow) else DEEPEST - 3
    if group is None or len(group.of) >= MOST or name.count(".") > deepest:
        return
    group.of.append(part)
    at = f"{name}.{len(group.of) - 1}"
    form.focus = at if isinstance(part, TestRow) else f"{at}.0"


def _drop(form: RuleForm, name: str) -> None:
    group_name, _, index = name.rpartition(".")
    group = _group_at(form, group_name) if group_name else None
    if group is not None and index.isdecimal() and int(index) < len(group.of):
        group.of.pop(int(index))


def _take(form: RuleForm, comparison: str) -> None:
    """Add a comparison that was suggested; in the place of one that says nothing yet."""
    try:
        row = msgspec.json.decode(comparison, type=TestRow)
    except msgspec.DecodeError:
        return
    parts = form.condition.of
    parts[:] = [one for one in parts if not (isinstance(one, TestRow) and one.empty)]
    _add(form, ROOT, row)


def condition_of(form: RuleForm) -> Condition:
    """Return the condition; FormError says what is wrong."""
    parts = form.condition.of
    if len(parts) == 1 and isinstance(parts[0], TestRow) and parts[0] == TestRow():
        parts = []  # nobody touched the row that a new rule begins with
    for number, (_, row) in enumerate(_tests(form.condition, ROOT), 1):
        if row.empty and parts:
            raise FormError(f"comparison {number} has no value: give it one, or remove it")
    plain = _plain_group(form.condition if parts else GroupRow(form.condition.mode, []))
    try:
        condition: Condition = msgspec.convert(plain, type=Condition)
    except msgspec.ValidationError as error:
        raise FormError(f"a condition is not understood: {error}") from error
    return condition


def _plain_group(group: GroupRow, *, root: bool = True) -> dict[str, Any]:
    if not (group.of or root):
        raise FormError("a group is empty: give it a comparison, or remove it")
    of = [
        _plain(one) if isinstance(one, TestRow) else _plain_group(one, root=False)
        for one in group.of
    ]
    return {"kind": "group", "mode": group.mode, "of": of}


def _plain(row: TestRow) -> dict[str, Any]:
    return {
        "kind": "test",
        "field": row.field,
        "operator": row.operator,
        "values": [line.strip() for line in row.values.split("\n") if line.strip()],
        "header": row.header or None,
        "negate": row.negate,
        "part": row.part,
    }


def layer_of(form: RuleForm) -> Layer:
    """Return the layer; what is none is the usual one."""
    return "after" if form.layer == "after" else "before"


def actions_of(form: RuleForm) -> list[Action]:
    """Return the actions; FormError says what is wrong."""
    if not form.actions:
        raise FormError("choose at least one action")
    return [_action(row) for row in form.actions]


def _action(row: ActionRow) -> Action:
    plain: dict[str, Any] = {"kind": row.kind}
    for one in row.fields:
        said = row.values.get(one.name, "")
        if one.control == "check":
            plain[one.name] = said in _YES
        elif said:
            plain[one.name] = (
                said in _YES if (row.kind, one.name) == ("mark_spam", "spam") else said
            )
        elif not one.optional:
            raise FormError(f"{ACTIONS[row.kind]}: {one.words}?")
    try:
        action: Action = msgspec.convert(plain, type=Action, strict=False)
    except msgspec.ValidationError as error:
        words = ACTIONS.get(row.kind, row.kind)
        said = ", ".join(one for one in row.values.values() if one)
        raise FormError(f"{words} “{said}” is not understood: {error}") from error
    return action


def sentence(form: RuleForm) -> str:
    """Return what the rule says so far; empty where that cannot be said yet."""
    try:
        when = condition_of(form)
        then = actions_of(form) if form.actions else []
    except FormError:
        return ""
    return sentences.rule(when, then) if then else f"When {sentences.condition(when)}: …"
