"""Conditions on a mail, each answered together with what was compared."""

from collections.abc import Callable
from typing import Final

from postroom_contract.rules import Condition, ConditionTrace, Group, Operator, Test
from postroom_rules.domain import patterns
from postroom_rules.domain.values import Text, Values

VALUE_LENGTH: Final = 200
RANGE: Final = ".."
"""Stands between the two ends of `between`."""
TIMES: Final = frozenset({"time", "date", "weekday"})
"""Fields that are compared as they are written; the others by number."""

_WORDS: Final[dict[Operator, str]] = {
    "contains": "contains",
    "equals": "is",
    "starts": "starts with",
    "ends": "ends with",
    "wildcard": "looks like",
    "regex": "matches",
    "less": "is less than",
    "greater": "is greater than",
    "between": "lies between",
    "exists": "is there",
}


def sentence(test: Test) -> str:
    """Return a comparison in words."""
    subject = f"header {test.header}" if test.field == "header" else test.field.replace("_", " ")
    if test.part != "whole":
        subject = f"{test.part} of {subject}"
    negation = "not " if test.negate else ""
    wanted = " or ".join(f"“{value}”" for value in test.values)
    return f"{subject} {negation}{_WORDS[test.operator]} {wanted}".rstrip()


def evaluate(condition: Condition, values: Values) -> tuple[bool, tuple[ConditionTrace, ...]]:
    """Return whether it holds and every comparison made; all are made, so that all can be shown."""
    if isinstance(condition, Test):
        trace = _compare(condition, values)
        return trace.matched, (trace,)
    return _group(condition, values)


def _group(group: Group, values: Values) -> tuple[bool, tuple[ConditionTrace, ...]]:
    answers = [evaluate(part, values) for part in group.of]
    traces = tuple(trace for _, part in answers for trace in part)
    held = [matched for matched, _ in answers]
    if group.mode == "all":
        return all(held), traces
    if group.mode == "any":
        return any(held), traces
    return not any(held), traces


def _compare(test: Test, values: Values) -> ConditionTrace:
    found = values.of(test)
    hit = _hit(test, found, values)
    shown = hit.plain if hit is not None else ", ".join(one.plain for one in found[:VALUE_LENGTH])
    return ConditionTrace(
        condition=sentence(test),
        value=shown[:VALUE_LENGTH],
        matched=(hit is not None) != test.negate,
    )


def _hit(test: Test, found: tuple[Text, ...], values: Values) -> Text | None:
    """Return the first value that fits."""
    if test.operator == "exists":
        return next((one for one in found if one.plain), None)
    if test.operator == "regex":
        return _search(test, found, values)
    if (plain := _TEXTS.get(test.operator)) is not None:
        wanted = [one.casefold() for one in test.values]
        return next((o for o in found if any(plain(o.folded, one) for one in wanted)), None)
    if test.operator == "wildcard":
        shapes = [patterns.wildcard(one) for one in test.values]
        return next((one for one in found if any(s.search(one.plain) for s in shapes)), None)
    fits = _time_fits if test.field in TIMES else _number_fits
    return next(
        (o for o in found if any(fits(test.operator, o.plain, one) for one in test.values)), None
    )


def _search(test: Test, found: tuple[Text, ...], values: Values) -> Text | None:
    for one in found:
        for pattern in test.values:
            match = patterns.regex(pattern).search(one.plain)
            if match is not None:
                if not test.negate and match.re.groups:
                    values.captures = tuple(group or "" for group in match.groups())
                return one
    return None


_TEXTS: Final[dict[Operator, Callable[[str, str], bool]]] = {
    "contains": lambda value, wanted: wanted in value,
    "equals": lambda value, wanted: value == wanted,
    "starts": lambda value, wanted: value.startswith(wanted),
    "ends": lambda value, wanted: value.endswith(wanted),
}


def _number_fits(operator: Operator, value: str, wanted: str) -> bool:
    if operator == "between":
        low, _, high = wanted.partition(RANGE)
        return float(low) <= float(value) <= float(high)
    return float(value) < float(wanted) if operator == "less" else float(value) > float(wanted)


def _time_fits(operator: Operator, value: str, wanted: str) -> bool:
    """Compare times and dates; a range of times may go over midnight."""
    if operator == "between":
        low, _, high = (part.strip() for part in wanted.partition(RANGE))
        if low > high:
            return value >= low or value <= high
        return low <= value <= high
    return value < wanted if operator == "less" else value > wanted
