"""Rules in from Gmail's filters (`mailFilters.xml`)."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any, Final, Literal

from postroom_api.domain.rules_elsewhere import MOST_RULES, CarriedRule, LeftOut, UnreadableError
from postroom_contract.rules import (
    Action,
    AddTag,
    Condition,
    Delete,
    Forward,
    Group,
    MarkRead,
    MarkSpam,
    Operator,
    SetImportance,
    Test,
)

_ATOM: Final = "{http://www.w3.org/2005/Atom}entry"
_PROPERTY: Final = "{http://schemas.google.com/apps/2006}property"
_QUERY: Final = re.compile(r'[:(){}"]|\bOR\b|\bAND\b|\bAROUND\b|(?:^|\s)[-+]')
_UNITS: Final = {"s_sb": 1, "s_skb": 1024, "s_smb": 1024 * 1024}
_ASKED: Final = {
    "from", "to", "subject", "hasTheWord", "doesNotHaveTheWord", "hasAttachment", "size",
}  # fmt: skip
_IGNORED: Final = {"sizeOperator", "sizeUnit", "excludeChats"}


def from_gmail(text: str) -> tuple[list[CarriedRule], list[LeftOut]]:
    """Return the rules of a `mailFilters.xml`, and what they do not say; UnreadableError."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise UnreadableError("a file of Gmail's filters declares nothing of its own")
    try:
        root = ET.fromstring(text)  # noqa: S314 - without declarations nothing can be expanded
    except (ET.ParseError, ValueError) as error:
        raise UnreadableError(f"this is no XML: {error}") from error
    entries = root.findall(_ATOM)
    if not entries or len(entries) > MOST_RULES:
        raise UnreadableError(f"this is no file of 1 to {MOST_RULES} filters of Gmail")
    rules, left_out = list[CarriedRule](), list[LeftOut]()
    for number, entry in enumerate(entries, 1):
        found = {one.get("name", ""): one.get("value", "") for one in entry.findall(_PROPERTY)}
        name = f"Gmail filter {number}"
        tests, missing = _gmail_tests(found)
        actions, untold = _gmail_actions(found)
        left_out += [LeftOut(name, words) for words in (*missing, *untold)]
        if missing or not tests or not actions:
            left_out.append(LeftOut(name, "the whole filter: a part of it would do too much"))
            continue
        condition = Group(mode="all", of=tuple(tests))
        rules.append(CarriedRule(name=name, condition=condition, actions=actions))
    return rules, left_out


def _gmail_tests(found: dict[str, str]) -> tuple[list[Condition], list[str]]:
    tests, missing = list[Condition](), list[str]()
    for name, value in found.items():
        match name:
            case "from":
                tests.append(_any_of(("from",), _alternatives(value)))
            case "to":
                tests.append(_any_of(("to", "cc"), _alternatives(value)))
            case "subject":
                tests.append(_any_of(("subject",), _alternatives(value)))
            case "hasTheWord" | "doesNotHaveTheWord":
                if _QUERY.search(value):
                    missing.append(f"the search {value!r}")
                    continue
                words = tuple(
                    Test(field="message", operator="contains", values=(one,))
                    for one in value.split()
                )
                mode: Literal["all", "none"] = "all" if name == "hasTheWord" else "none"
                tests.append(Group(mode=mode, of=words))
            case "hasAttachment" if value == "true":
                tests.append(Test(field="attachment_name", operator="exists"))
            case "size" if found.get("sizeOperator") in {"s_sl", "s_ss"} and value.isdecimal():
                octets = int(value) * _UNITS.get(found.get("sizeUnit", "s_sb"), 1)
                how: Operator = "greater" if found["sizeOperator"] == "s_sl" else "less"
                tests.append(Test(field="size", operator=how, values=(str(octets),)))
            case _:
                pass
    return tests, missing


def _gmail_actions(found: dict[str, str]) -> tuple[list[Action], list[str]]:
    told: dict[str, Any] = {
        "shouldMarkAsRead": MarkRead(), "shouldTrash": Delete(), "shouldNeverSpam": MarkSpam(False),
        "shouldAlwaysMarkAsImportant": SetImportance("high"),
        "shouldNeverMarkAsImportant": SetImportance("low"), "shouldStar": AddTag("starred"),
    }  # fmt: skip
    actions, untold = list[Action](), list[str]()
    for name, value in found.items():
        if name in _ASKED | _IGNORED or value in {"false", ""}:
            continue
        if name in told:
            actions.append(told[name])
        elif name in {"label", "smartLabelToApply"}:
            actions.append(AddTag(value.removeprefix("^smartlabel_")[:100]))
        elif name == "forwardTo":
            actions.append(Forward(value))
        else:
            untold.append(f"the action {name}")
    return actions, untold


def _alternatives(value: str) -> tuple[str, ...]:
    """Return what stands between OR; brackets and quotes around it say nothing more."""
    found = re.split(r"\s+OR\s+|\|", value.strip().strip("()"))
    return tuple(one.strip().strip("()\"'") for one in found if one.strip().strip("()\"'"))


def _any_of(fields: Sequence[str], values: tuple[str, ...]) -> Condition:
    tests = tuple(
        Test(field=one, operator="contains", values=values)  # type: ignore[arg-type]  # names of fields
        for one in fields
    )
    return tests[0] if len(tests) == 1 else Group(mode="any", of=tests)
