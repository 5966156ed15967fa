"""A ruleset made ready for many mails: which of its rules may match one is found for all at once.

Law: a rule that is no candidate does not match and does not break, whatever else is true of the
mail. A candidate may still not match; `decide` tries it as it is written.

Of each rule one comparison is chosen without which it cannot match (of "any of" one of each part);
those of all rules are sorted by what they look at, and asked together: texts and patterns in one
pass, equal values by look-up, numbers by their order. A rule without such a comparison (negated,
times, the spam rating) is a candidate always.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from math import isnan
from operator import itemgetter
from typing import Final

import msgspec

from postroom_contract.documents import RuleDocument
from postroom_contract.rules import Condition, Operator, Test
from postroom_rules.domain import patterns
from postroom_rules.domain.conditions import RANGE, TEXTS, TIMES, Comparison, Several, ready
from postroom_rules.domain.patterns import Together
from postroom_rules.domain.values import NUMBERS, SPAM_RATING, Key, Text, Values, has_places, key_of

TRACED: Final = 50
"""So many rules are tried and traced in full whatever comes of them, and nothing is asked together.
"""
FIRST: Final = 10
"""Of more rules than these, so many are traced whatever comes of them."""
SLOW_SECONDS: Final = 0.25
"""A pass that takes longer is not made again: its patterns are asked alone."""
_FEW_TEXTS: Final = 12
_FEW_SHAPES: Final = 3
"""So many are found one by one as fast as together."""
_RULE_BYTES: Final = 4_096
_SHAPES: Final[dict[Operator, str]] = {"contains": "{}", "starts": r"\A{}", "ends": r"{}\z"}
_WEIGHTS: Final = {"equals": 0, "less": 2, "greater": 2, "between": 2, "exists": 3}
"""Which comparison of several is asked: the one that says no most often, and costs least."""

Ticks = Callable[[], float]
"""Seconds of a clock that never goes back."""


class Thresholds(msgspec.Struct, frozen=True):
    """From which rating on a mail is spam, or kept apart, unless a rule says so; 0: never."""

    mark_at: int = 0
    quarantine_at: int = 0
    quarantine_days: int = 30


class Ruleset(msgspec.Struct, frozen=True):
    """The active rules of one mailbox: its account's, its own, and its account's for afterwards."""

    version: int
    rules: tuple[RuleDocument, ...]
    own: tuple[RuleDocument, ...] = ()
    after: tuple[RuleDocument, ...] = ()
    thresholds: Thresholds = Thresholds()


class _Found(msgspec.Struct):
    """Rules whose comparison may hold, and rules of which it does."""

    maybe: set[int]
    sure: set[int] = msgspec.field(default_factory=set)


class Candidates(msgspec.Struct, frozen=True):
    """The rules that may match one mail."""

    numbers: Sequence[int] = ()
    """In order."""
    sure: AbstractSet[int] = frozenset()
    """Rules that are one comparison, of which it is known that it holds; nothing of what a regex
    catches is needed of them."""
    never: AbstractSet[int] = frozenset()
    """Rules that are one comparison, of which it is known that it does not hold."""


class ReadyRule:
    """A rule and its condition made ready."""

    __slots__ = ("document", "when")

    def __init__(self, document: RuleDocument) -> None:
        self.document = document
        self.when: Comparison | Several = ready(document.when)


class Plan:
    """A ruleset made ready. Rules are numbered through all layers; `ends` are those of layers."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.version = ruleset.version
        self.thresholds = ruleset.thresholds
        layers = (ruleset.rules, ruleset.own, ruleset.after)
        self.rules = tuple(ReadyRule(one) for layer in layers for one in layer)
        first, second = len(ruleset.rules), len(ruleset.rules) + len(ruleset.own)
        self.ends = (first, second, len(self.rules))
        self._always: set[int] = set()
        self._single: set[int] = set()
        self._plain: set[int] = set()
        self._first_single: frozenset[int] = frozenset()
        self._fields: dict[Key, _Field] = {}
        if len(self.rules) > TRACED:
            self._sort()
        memory = sum(one.memory for one in self._fields.values())
        self.cost: Final = _RULE_BYTES * len(self.rules) + memory
        """Octets that it may come to take, roughly."""

    def _sort(self) -> None:
        for number, rule in enumerate(self.rules):
            when = rule.document.when
            keys = None if any(map(may_break, _tests(when))) else _needed(when)
            if keys is None:
                self._always.add(number)
                continue
            if isinstance(when, Test):
                self._single.add(number)
                if when.operator != "regex" or not any(map(has_places, rule.document.then)):
                    self._plain.add(number)
            for test in keys:
                self._fields.setdefault(key_of(test), _Field()).add(test, number)
        for field in self._fields.values():
            field.finish()
        # Behind these rules only candidates are tried, unless layers are left early.
        self._first_single = frozenset(one for one in self._single if one < 2 * FIRST)

    def candidates(self, values: Values, ticks: Ticks) -> Candidates:
        """Return the rules of which one may match this mail."""
        found = _Found(set(self._always))
        for key, field in self._fields.items():
            if texts := values.at(key):
                field.ask(texts, found, ticks)
        numbers = found.sure | found.maybe
        never = self._first_single - numbers
        return Candidates(sorted(numbers), found.sure & self._plain, never)


def _tests(when: Condition) -> Iterator[Test]:
    if isinstance(when, Test):
        yield when
    else:
        for one in when.of:
            yield from _tests(one)


def may_break(test: Test) -> bool:
    """Whether trying it may raise: such a rule is tried always, so that the trace says it."""
    if test.operator in {"less", "greater", "between"}:
        if test.field in TIMES:
            return False
        return test.field not in NUMBERS or any(span(test, one) is None for one in test.values)
    try:
        for value in test.values:
            if test.operator == "regex":
                patterns.regex(value)
            elif test.operator == "wildcard":
                patterns.wildcard_shape(value)
    except patterns.PatternError:
        return True
    return False


def _needed(when: Condition) -> frozenset[Test] | None:
    """Return comparisons of which one must hold where the condition holds; None: there are none."""
    if isinstance(when, Test):
        askable = key_of(when) != SPAM_RATING and not _is_of_times(when)
        return frozenset({when}) if askable and not when.negate else None
    if when.mode == "none":
        return None
    parts = [_needed(one) for one in when.of]
    if when.mode == "any":
        return None if None in parts else frozenset(t for part in parts for t in part or ())
    return min((part for part in parts if part is not None), key=_weight, default=None)


def _is_of_times(test: Test) -> bool:
    return test.field in TIMES and test.operator in {"less", "greater", "between"}


def _weight(tests: Iterable[Test]) -> int:
    """Return how little is gained by asking for these."""
    total = 0
    for test in tests:
        long = 10 if test.field in {"body", "message"} else 0
        total += (1 + _WEIGHTS.get(test.operator, 1 + long)) * max(len(test.values), 1)
    return total


def span(test: Test, value: str) -> tuple[float, float] | None:
    """Return the two ends of a comparison by number, the first twice where there is one."""
    low, _, high = value.partition(RANGE) if test.operator == "between" else (value, "", value)
    try:
        ends = float(low), float(high)
    except ValueError:
        return None
    return None if any(map(isnan, ends)) else ends


class _Field:
    """What rules need of one field."""

    def __init__(self) -> None:
        self._equal: dict[str, list[int]] = {}
        self._texts = _Texts()
        self._shapes = _Shapes()
        self._less: list[tuple[float, int]] = []
        self._greater: list[tuple[float, int]] = []
        self._between: list[tuple[float, float, int]] = []
        self._there: list[int] = []

    def add(self, test: Test, rule: int) -> None:
        """Note that a rule needs this comparison; `finish` comes after the last."""
        if test.operator == "exists":
            self._there.append(rule)
            return
        for value in test.values:
            if test.operator == "equals":
                self._equal.setdefault(value.casefold(), []).append(rule)
            elif test.operator in _SHAPES:
                self._texts.add((test.operator, value.casefold()), rule)
            elif test.operator == "regex":
                self._shapes.add(value, rule)
            elif test.operator == "wildcard":
                self._shapes.add(patterns.wildcard_shape(value), rule)
            else:
                self._add_number(test, value, rule)

    def _add_number(self, test: Test, value: str, rule: int) -> None:
        low, high = span(test, value) or (0.0, 0.0)
        if test.operator == "between":
            self._between.append((low, high, rule))
        else:
            (self._less if test.operator == "less" else self._greater).append((low, rule))

    def finish(self) -> None:
        """Make it ready."""
        self._less.sort()
        self._greater.sort()
        self._texts.finish()
        self._shapes.finish()

    @property
    def memory(self) -> int:
        """Octets that it may come to take."""
        return self._texts.memory + self._shapes.memory

    def ask(self, texts: tuple[Text, ...], found: _Found, ticks: Ticks) -> None:
        """Add the rules whose comparison holds, or may hold, for one of the texts."""
        if self._equal:
            for one in texts:
                found.sure.update(self._equal.get(one.folded, ()))
        if self._texts.rules:
            self._texts.ask([one.folded for one in texts], found, ticks)
        if self._shapes.rules:
            self._shapes.ask([one.plain for one in texts], found, ticks)
        if self._there and any(one.plain for one in texts):
            found.maybe.update(self._there)
        if self._less or self._greater or self._between:
            for one in texts:
                self._ask_number(float(one.plain), found.sure)

    def _ask_number(self, value: float, found: set[int]) -> None:
        at = bisect_right(self._less, value, key=itemgetter(0))
        found.update(rule for _, rule in self._less[at:])
        at = bisect_left(self._greater, value, key=itemgetter(0))
        found.update(rule for _, rule in self._greater[:at])
        found.update(rule for low, high, rule in self._between if low <= value <= high)


class _Asked:
    """Patterns of one field, and the rules that need them, asked together."""

    def __init__(self) -> None:
        self._lists: list[list[int]] = []
        self._together: Together | None = None

    @property
    def memory(self) -> int:
        """Octets that they may come to take."""
        return self._together.memory if self._together else 0

    def _ask(self, texts: list[str], found: _Found, ticks: Ticks) -> None:
        assert self._together is not None
        for text in texts:
            octets = text.encode("utf-8", "surrogatepass")
            for one in self._together.sets():
                began = ticks()
                for number in self._together.matches(one, octets):
                    found.sure.update(self._lists[number])
                if ticks() - began > SLOW_SECONDS:
                    self._together.give_up(one)
        for loose in self._together.loose:
            found.maybe.update(self._lists[loose])


class _Texts(_Asked):
    """What a value contains, or starts or ends with."""

    def __init__(self) -> None:
        super().__init__()
        self.rules: dict[tuple[Operator, str], list[int]] = {}
        self._few: list[tuple[Callable[[str], bool], list[int]]] = []

    def add(self, wanted: tuple[Operator, str], rule: int) -> None:
        """Note that a rule needs this."""
        self.rules.setdefault(wanted, []).append(rule)

    def finish(self) -> None:
        """Make it ready."""
        self._lists = list(self.rules.values())
        if len(self.rules) <= _FEW_TEXTS:
            self._few = [(TEXTS[how](text), rules) for (how, text), rules in self.rules.items()]
            return
        shapes = [_SHAPES[how].format(patterns.literal(text)) for how, text in self.rules]
        self._together = Together(shapes, fold=False)

    def ask(self, texts: list[str], found: _Found, ticks: Ticks) -> None:
        """Add the rules that one of the texts fits."""
        if self._together is not None:
            self._ask(texts, found, ticks)
            return
        for text in texts:
            for fits, rules in self._few:
                if fits(text):
                    found.sure.update(rules)


class _Shapes(_Asked):
    """Regexes, and wildcards written as such."""

    def __init__(self) -> None:
        super().__init__()
        self.rules: dict[str, list[int]] = {}

    def add(self, pattern: str, rule: int) -> None:
        """Note that a rule needs a pattern."""
        self.rules.setdefault(pattern, []).append(rule)

    def finish(self) -> None:
        """Make it ready; a few are not worth it, and their rules are tried one by one."""
        self._lists = list(self.rules.values())
        if len(self.rules) > _FEW_SHAPES:
            self._together = Together(list(self.rules), fold=True)

    def ask(self, texts: list[str], found: _Found, ticks: Ticks) -> None:
        """Add the rules of the patterns that match, or may match, one of the texts."""
        if self._together is not None:
            self._ask(texts, found, ticks)
            return
        for rules in self._lists:
            found.maybe.update(rules)
