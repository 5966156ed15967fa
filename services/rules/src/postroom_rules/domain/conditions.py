"""Conditions on facts, each answered together with what was compared."""

from collections.abc import Callable
from typing import Final

from postroom_contract.rules import Condition, ConditionTrace, Field, Group, Operator, Test
from postroom_rules.domain import patterns
from postroom_rules.domain.facts import Facts

VALUE_LENGTH: Final = 200

_COMPARE: Final[dict[Operator, Callable[[str, str], bool]]] = {
    "contains": lambda value, wanted: wanted.casefold() in value.casefold(),
    "equals": lambda value, wanted: value.casefold() == wanted.casefold(),
    "starts": lambda value, wanted: value.casefold().startswith(wanted.casefold()),
    "ends": lambda value, wanted: value.casefold().endswith(wanted.casefold()),
    "wildcard": lambda value, wanted: patterns.wildcard(wanted).search(value) is not None,
    "regex": lambda value, wanted: patterns.regex(wanted).search(value) is not None,
    "less": lambda value, wanted: float(value) < float(wanted),
    "greater": lambda value, wanted: float(value) > float(wanted),
}
_WORDS: Final[dict[Operator, str]] = {
    "contains": "contains",
    "equals": "is",
    "starts": "starts with",
    "ends": "ends with",
    "wildcard": "looks like",
    "regex": "matches",
    "less": "is less than",
    "greater": "is greater than",
}
_VALUES: Final[dict[Field, Callable[[Facts], tuple[str, ...]]]] = {
    "from": lambda facts: facts.senders,
    "to": lambda facts: facts.recipients,
    "cc": lambda facts: facts.cc,
    "subject": lambda facts: (facts.subject,),
    "body": lambda facts: (facts.body,),
    "size": lambda facts: (str(facts.size),),
    "attachment": lambda facts: facts.attachments,
    "spf": lambda facts: (facts.authentication.spf,),
    "dkim": lambda facts: (_dkim(facts),),
    "dmarc": lambda facts: (facts.authentication.dmarc,),
    "arc": lambda facts: (facts.authentication.arc,),
}


def _dkim(facts: Facts) -> str:
    """Return what the best signature is worth."""
    results = [one.result for one in facts.authentication.dkim]
    return "pass" if "pass" in results else next(iter(results), "none")


def _values(test: Test, facts: Facts) -> tuple[str, ...]:
    if test.field != "header":
        return _VALUES[test.field](facts)
    wanted = (test.header or "").lower()
    return tuple(value for name, value in facts.headers if name.lower() == wanted)


def sentence(test: Test) -> str:
    """Return a comparison in words."""
    subject = f"header {test.header}" if test.field == "header" else test.field
    negation = "not " if test.negate else ""
    wanted = " or ".join(f"“{value}”" for value in test.values)
    return f"{subject} {negation}{_WORDS[test.operator]} {wanted}"


def _compare(test: Test, facts: Facts) -> ConditionTrace:
    compare = _COMPARE[test.operator]
    values = _values(test, facts)
    hit = next((value for value in values if any(compare(value, one) for one in test.values)), None)
    shown = hit if hit is not None else ", ".join(values)
    return ConditionTrace(
        condition=sentence(test),
        value=shown[:VALUE_LENGTH],
        matched=(hit is not None) != test.negate,
    )


def evaluate(condition: Condition, facts: Facts) -> tuple[bool, tuple[ConditionTrace, ...]]:
    """Return whether it holds and every comparison made; all are made, so that all can be shown."""
    if isinstance(condition, Test):
        trace = _compare(condition, facts)
        return trace.matched, (trace,)
    return _group(condition, facts)


def _group(group: Group, facts: Facts) -> tuple[bool, tuple[ConditionTrace, ...]]:
    answers = [evaluate(part, facts) for part in group.of]
    traces = tuple(trace for _, part in answers for trace in part)
    held = [matched for matched, _ in answers]
    if group.mode == "all":
        return all(held), traces
    if group.mode == "any":
        return any(held), traces
    return not any(held), traces
