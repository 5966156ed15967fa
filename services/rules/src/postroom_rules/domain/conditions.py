"""Conditions on a mail, each answered together with what was compared."""

from collections.abc import Callable
from typing import Any, Final

from postroom_contract.rules import Condition, ConditionTrace, Group, Operator, Test
from postroom_contract.textless import TEXT_FIELDS
from postroom_rules.domain import patterns
from postroom_rules.domain.values import SHOWN, Text, Values, key_of

RANGE: Final = ".."
"""Stands between the two ends of `between`."""
OUTSIDE: Final = frozenset({"member", "known_thread"})
"""Fields that the forums are asked for."""
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


class Comparison:
    """One test made ready: its sentence, what it looks at, and how a value is found that fits."""

    __slots__ = ("_find", "_key", "_negate", "_outside", "_words")

    def __init__(self, test: Test) -> None:
        self._key = key_of(test)
        self._words = sentence(test)
        self._negate = test.negate
        self._outside = test.field in OUTSIDE
        self._find = _finder(test)

    def answer(
        self, values: Values, made: list[ConditionTrace], *, known: bool | None = None
    ) -> bool:
        """Return whether it holds, and note what was compared.

        `known`: whether a value fits, from somebody who needs nothing that a regex catches.
        """
        hit = None
        if known is not False:
            found = values.at(self._key)
            hit = found[0] if known and len(found) == 1 else self._find(found, values)
        if hit is None and self._outside and not values.at(self._key):
            matched, shown = False, "nobody answered in time"
        elif hit is None:
            matched, shown = self._negate, values.shown(self._key)
        else:
            matched, shown = not self._negate, hit.plain[:SHOWN]
        made.append(ConditionTrace(condition=self._words, value=shown, matched=matched))
        return matched


class Several:
    """A group made ready. All of it is compared, so that all can be shown."""

    __slots__ = ("_mode", "_parts")

    def __init__(self, group: Group) -> None:
        self._mode = group.mode
        self._parts = tuple(ready(one) for one in group.of)

    def answer(
        self, values: Values, made: list[ConditionTrace], *, known: bool | None = None
    ) -> bool:
        """Return whether it holds, and note what was compared; `known` is of one comparison."""
        del known
        held = [part.answer(values, made) for part in self._parts]
        if self._mode == "all":
            return all(held)
        return any(held) == (self._mode == "any")


def ready(condition: Condition) -> Comparison | Several:
    """Return a condition as it is evaluated, mail after mail."""
    return Comparison(condition) if isinstance(condition, Test) else Several(condition)


def evaluate(condition: Condition, values: Values) -> tuple[bool, tuple[ConditionTrace, ...]]:
    """Return whether it holds and every comparison made."""
    made: list[ConditionTrace] = []
    return ready(condition).answer(values, made), tuple(made)


_Find = Callable[[tuple[Text, ...], Values], Text | None]
"""Returns the first value that fits."""


def _finder(test: Test) -> _Find:
    if test.operator == "exists":
        return lambda found, _: next((one for one in found if one.plain), None)
    if test.operator == "regex":
        return _regex_finder(test)
    if (make := TEXTS.get(test.operator)) is not None:
        return _text_finder([make(one.casefold()) for one in test.values])
    if test.operator == "wildcard":
        return _wildcard_finder(test.values)
    fits = _time_fits if test.field in TIMES else _number_fits

    def find(found: tuple[Text, ...], _: Values) -> Text | None:
        return next(
            (o for o in found if any(fits(test.operator, o.plain, one) for one in test.values)),
            None,
        )

    return find


def _text_finder(fits: list[Callable[[str], bool]]) -> _Find:
    def find(found: tuple[Text, ...], _: Values) -> Text | None:
        for one in found:
            folded = one.folded
            for fit in fits:
                if fit(folded):
                    return one
        return None

    return find


TEXTS: Final[dict[Operator, Callable[[str], Callable[[str], bool]]]] = {
    "contains": lambda wanted: lambda value: wanted in value,
    "equals": lambda wanted: lambda value: value == wanted,
    "starts": lambda wanted: lambda value: value.startswith(wanted),
    "ends": lambda wanted: lambda value: value.endswith(wanted),
}
"""Comparisons of folded texts: from what is wanted to what says whether a value fits."""


def _wildcard_finder(wanted: tuple[str, ...]) -> _Find:
    def find(found: tuple[Text, ...], _: Values) -> Text | None:
        shapes = [patterns.wildcard(one) for one in wanted]
        return next((one for one in found if any(s.search(one.octets) for s in shapes)), None)

    return find


def _regex_finder(test: Test) -> _Find:
    """Find by RE2, and leave what its groups caught for the texts of actions.

    Of a text that may not be quoted they caught nothing: tags and answers stand in the decision.
    """
    of_text = test.field in TEXT_FIELDS

    def find(found: tuple[Text, ...], values: Values) -> Text | None:
        for one in found:
            for pattern in test.values:
                match = patterns.regex(pattern).search(one.octets)
                if match is not None:
                    if not test.negate and match.re.groups:
                        quoted = values.facts.quotable or not of_text
                        values.captures = _caught(match) if quoted else ()
                    return one
        return None

    return find


def _caught(match: Any) -> tuple[str, ...]:
    return tuple((group or b"").decode("utf-8", "replace") for group in match.groups())


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
