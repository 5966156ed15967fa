"""Rules as they were first written: one comparison after the other, nothing kept, nothing together.

Slow, and plainly right: what the engine decides is compared with it. Only the values of fields and
what an action does are the engine's own.
"""

import copy
from collections.abc import Callable

from postroom_contract.rules import (
    Condition,
    ConditionTrace,
    Decision,
    Group,
    Operator,
    RuleTrace,
    Test,
)
from postroom_rules.domain import patterns
from postroom_rules.domain.acting import State, apply
from postroom_rules.domain.conditions import sentence
from postroom_rules.domain.facts import Facts
from postroom_rules.domain.plan import Ruleset
from postroom_rules.domain.values import Text, Values


def decide(facts: Facts, ruleset: Ruleset) -> Decision:
    """Return the decision with the trace of every rule that was tried."""
    state = State(tags=[], actions=[])
    values = Values(facts)
    trace = []
    for layer in (ruleset.rules, ruleset.own, ruleset.after):
        for rule in layer:
            if state.stopped:
                break
            trace.append(_try(rule, values, state))
        if state.stopped == "layer":
            state.stopped = ""
    return Decision(
        ruleset_version=ruleset.version,
        importance=state.importance,
        spam_rating=state.spam_rating,
        spam=state.spam,
        tags=tuple(state.tags),
        read=state.read,
        deleted=state.deleted,
        actions=tuple(state.actions),
        trace=tuple(trace),
    )


def _try(rule, values: Values, state: State) -> RuleTrace:
    values.spam_rating, values.captures = state.spam_rating, ()
    touched = copy.deepcopy(state) if rule.shadow else state
    try:
        matched, conditions = evaluate(rule.when, values)
    except ValueError as error:
        matched, conditions = False, ()
        done = (f"skipped: {error}",)
    else:
        done = tuple(apply(one, values, touched, rule.id) for one in rule.then) if matched else ()
    return RuleTrace(
        rule=rule.id,
        version=rule.version,
        name=rule.name,
        matched=matched,
        conditions=conditions,
        done=done,
        shadow=rule.shadow,
    )


def _found(test: Test, values: Values) -> tuple[Text, ...]:
    """Read a field anew each time."""
    if test.field == "spam_rating":
        rating = values.spam_rating
        return () if rating is None else (Text(str(rating)),)
    if test.field == "header":
        name = (test.header or "").lower()
        return tuple(Text(value) for one, value in values.facts.headers if one.lower() == name)
    return Values(values.facts).of(test)


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
    found = _found(test, values)
    hit = _hit(test, found, values)
    shown = hit.plain if hit is not None else ", ".join(one.plain for one in found[:200])
    return ConditionTrace(
        condition=sentence(test),
        value=shown[:200],
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
    fits = _time_fits if test.field in {"time", "date", "weekday"} else _number_fits
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


_TEXTS: dict[Operator, Callable[[str, str], bool]] = {
    "contains": lambda value, wanted: wanted in value,
    "equals": lambda value, wanted: value == wanted,
    "starts": lambda value, wanted: value.startswith(wanted),
    "ends": lambda value, wanted: value.endswith(wanted),
}


def _number_fits(operator: Operator, value: str, wanted: str) -> bool:
    if operator == "between":
        low, _, high = wanted.partition("..")
        return float(low) <= float(value) <= float(high)
    return float(value) < float(wanted) if operator == "less" else float(value) > float(wanted)


def _time_fits(operator: Operator, value: str, wanted: str) -> bool:
    """Compare times and dates; a range of times may go over midnight."""
    if operator == "between":
        low, _, high = (part.strip() for part in wanted.partition(".."))
        if low > high:
            return value >= low or value <= high
        return low <= value <= high
    return value < wanted if operator == "less" else value > wanted
