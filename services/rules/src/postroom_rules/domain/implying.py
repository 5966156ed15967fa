"""What follows from a condition whatever the mail: that another holds, or that it cannot hold.

Law: every answer but "no" is a proof; "no" says nothing. Conditions of which one reads the spam
rating are compared within one rule only: between two rules it may change (`stable`).
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from postroom_contract.rules import Condition, Group, Test
from postroom_rules.domain.conditions import RANGE, TIMES
from postroom_rules.domain.plan import span
from postroom_rules.domain.values import NUMBERS, key_of

_SINGLE: Final = frozenset(
    {"subject", "body", "message", "size", "attachment_count", "spam_rating", "robot", "weekday",
     "time", "date", "spf", "dkim", "dmarc", "arc", "envelope_from", "envelope_to"}
)  # fmt: skip
"""Fields of which a mail has one value at most: two values exclude each other."""
_TEXTS: Final = frozenset({"equals", "contains", "starts", "ends"})
_ORDERED: Final = frozenset({"less", "greater", "between"})
_MANY: Final = 2_500
"""Pairs of values that are looked at; of longer lists nothing is said."""
_LAST: Final = "\U0010ffff"
"""Behind every time and date."""
_UNBOUNDED: Final = frozenset({float("-inf"), float("inf"), "", _LAST})


def tests(when: Condition) -> Iterator[Test]:
    """Yield all comparisons of a condition."""
    if isinstance(when, Test):
        yield when
    else:
        for one in when.of:
            yield from tests(one)


def stable(when: Condition) -> bool:
    """Whether it says the same of a mail all the time."""
    return all(one.field != "spam_rating" for one in tests(when))


def plain(when: Condition) -> Condition:
    """Return a condition as all that are written the same way but for order and case have it."""
    if isinstance(when, Group):
        parts = sorted({plain(one) for one in when.of}, key=repr)
        return Group(mode=when.mode, of=tuple(parts))
    values = map(str.casefold, when.values) if when.operator in _TEXTS else when.values
    header = (when.header or "").lower() if when.field == "header" else None
    return msgspec.structs.replace(when, values=tuple(sorted(set(values))), header=header)


def always(when: Condition) -> bool:
    """Whether it holds for each mail."""
    if isinstance(when, Test):
        return _is_empty(when) and when.negate
    if when.mode == "any":
        return any(map(always, when.of))
    return all(map(always if when.mode == "all" else never, when.of))


def never(when: Condition) -> bool:
    """Whether it holds for no mail."""
    if isinstance(when, Test):
        return _is_empty(when) and not when.negate
    if when.mode == "any":
        return all(map(never, when.of))
    if when.mode == "none":
        return any(map(always, when.of))
    return any(map(never, when.of)) or conflict(when) is not None


def conflict(when: Condition) -> tuple[Test, Test] | None:
    """Return two comparisons that both have to hold, and cannot."""
    needed = list(dict.fromkeys(_needed(when)))
    pairs = ((a, b) for n, a in enumerate(needed) for b in needed[n + 1 :])
    return next(((a, b) for a, b in pairs if excludes(a, b)), None)


def _needed(when: Condition) -> Iterator[Test]:
    """Yield comparisons that hold wherever the condition does."""
    if isinstance(when, Test):
        yield when
    elif when.mode == "all":
        for one in when.of:
            yield from _needed(one)
    elif when.mode == "none":
        yield from (_turned(one) for one in when.of if isinstance(one, Test))


def _turned(test: Test) -> Test:
    return msgspec.structs.replace(test, negate=not test.negate)


def _is_empty(test: Test) -> bool:
    return test.operator != "exists" and not test.values


def implies(a: Condition, b: Condition) -> bool:
    """Whether b holds wherever a does."""
    if a == b or always(b) or never(a):
        return True
    if isinstance(a, Test) and isinstance(b, Test):
        return _test_implies(a, b)
    return _implies_parts(a, b) or _parts_imply(a, b)


def _implies_parts(a: Condition, b: Condition) -> bool:
    """By what b is made of."""
    if isinstance(b, Test):
        return False
    if b.mode == "all":
        return all(implies(a, one) for one in b.of)
    if b.mode == "any":
        return any(implies(a, one) for one in b.of)
    return all(_rules_out(a, one) for one in b.of)


def _parts_imply(a: Condition, b: Condition) -> bool:
    """By what a is made of."""
    if isinstance(a, Test):
        return False
    if a.mode == "all":
        return any(implies(one, b) for one in a.of)
    if a.mode == "any":
        return all(implies(one, b) for one in a.of)
    return isinstance(b, Test) and any(implies(_turned(b), one) for one in a.of)


def _rules_out(a: Condition, b: Condition) -> bool:
    """Whether b cannot hold where a does."""
    if isinstance(a, Group) and a.mode == "none" and any(implies(b, one) for one in a.of):
        return True
    return isinstance(b, Test) and implies(a, _turned(b))


def _test_implies(a: Test, b: Test) -> bool:
    if a.negate and b.negate:
        return _positive_implies(_turned(b), _turned(a))
    if a.negate:
        return False
    return _positive_excludes(a, _turned(b)) if b.negate else _positive_implies(a, b)


def excludes(a: Test, b: Test) -> bool:
    """Whether no mail fits both."""
    if a.negate and b.negate:
        return False
    if a.negate or b.negate:
        positive, negative = (b, a) if a.negate else (a, b)
        return _positive_implies(positive, _turned(negative))
    return _positive_excludes(a, b)


def _positive_implies(a: Test, b: Test) -> bool:
    """Each value of a has to bring one of b's with it."""
    if key_of(a) != key_of(b) or _is_empty(a) or len(a.values) * len(b.values) > _MANY:
        return False
    if b.operator == "exists":
        filled = a.operator in _TEXTS and all(a.values)
        return a.operator == "exists" or filled
    return a.operator != "exists" and all(
        any(_value_implies(a, one, b, other) for other in b.values) for one in a.values
    )


def _value_implies(a: Test, one: str, b: Test, other: str) -> bool:
    if a.operator == b.operator and one == other:
        return True
    if a.operator in _TEXTS and b.operator in _TEXTS:
        return _text_implies(a.operator, one.casefold(), b.operator, other.casefold())
    if a.operator in _ORDERED and b.operator in _ORDERED:
        inner, outer = _interval(a, one), _interval(b, other)
        return inner is not None and outer is not None and inner.is_within(outer)
    return False


def _text_implies(operator: str, one: str, other_operator: str, other: str) -> bool:
    if other_operator == "contains":
        return other in one
    if operator not in {"equals", other_operator}:
        return False
    if other_operator == "equals":
        return one == other
    return one.startswith(other) if other_operator == "starts" else one.endswith(other)


def _positive_excludes(a: Test, b: Test) -> bool:
    """No value of a goes together with one of b's, where a mail has one value at most."""
    if key_of(a) != key_of(b) or a.field not in _SINGLE:
        return False
    if not (a.values and b.values) or len(a.values) * len(b.values) > _MANY:
        return False
    return all(_values_exclude(a, one, b, other) for one in a.values for other in b.values)


def _values_exclude(a: Test, one: str, b: Test, other: str) -> bool:
    if a.operator in _TEXTS and b.operator in _TEXTS:
        return _texts_exclude(a.operator, one.casefold(), b.operator, other.casefold())
    first, second = _interval(a, one), _interval(b, other)
    return first is not None and second is not None and first.is_apart(second)


def _texts_exclude(operator: str, one: str, other_operator: str, other: str) -> bool:
    if operator == "equals":
        return not _text_implies("equals", one, other_operator, other)
    if other_operator == "equals":
        return not _text_implies("equals", other, operator, one)
    if operator != other_operator or operator == "contains":
        return False
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    return not _text_implies(operator, longer, operator, shorter)


class _Interval(msgspec.Struct, frozen=True):
    """Values between two ends; `open`: the ends themselves are not among them."""

    low: float | str
    high: float | str
    open: bool

    def is_within(self, other: "_Interval") -> bool:
        """Whether all of it lies in another."""
        touching = self.open or not other.open
        low = self.low > other.low or (  # type: ignore[operator]  # of one kind
            self.low == other.low and (touching or self.low in _UNBOUNDED)
        )
        return low and (
            self.high < other.high  # type: ignore[operator]  # of one kind
            or (self.high == other.high and (touching or self.high in _UNBOUNDED))
        )

    def is_apart(self, other: "_Interval") -> bool:
        """Whether no value is in both."""
        if self.open or other.open:
            return self.high <= other.low or other.high <= self.low  # type: ignore[operator]  # of one kind
        return self.high < other.low or other.high < self.low  # type: ignore[operator]  # of one kind


def _interval(test: Test, value: str) -> _Interval | None:
    """Return what a value of an ordered comparison (or an equal number) spans; None: unknown."""
    if test.field in TIMES:
        return _interval_of_times(test.operator, value)
    if test.field not in NUMBERS:
        return None
    ends = span(test, value)
    if ends is None or test.operator not in _ORDERED | {"equals"}:
        return None
    if test.operator == "less":
        return _Interval(float("-inf"), ends[0], True)
    if test.operator == "greater":
        return _Interval(ends[0], float("inf"), True)
    return _Interval(*ends, False)


def _interval_of_times(operator: str, value: str) -> _Interval | None:
    if operator == "less":
        return _Interval("", value, True)
    if operator == "greater":
        return _Interval(value, _LAST, True)
    if operator == "equals":
        return _Interval(value, value, False)
    low, _, high = (part.strip() for part in value.partition(RANGE))
    if operator != "between" or low > high:  # over midnight: two spans
        return None
    return _Interval(low, high, False)
