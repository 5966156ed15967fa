"""Patterns that people write: linear time only (RE2), compiled once, and asked together.

Laws:
1. No pattern of a user ever reaches a backtracking engine.
2. What a `Together` does not name does not match; what it names may.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import re2

PATTERN_LENGTH = 500
MEMORY_BYTES = 8 << 20
KEPT = 10_000
STEPS: Final = 1_500
"""Steps of the program that a pattern becomes; more is refused when it is saved: RE2 takes up to
that many of them for each octet of a text."""
SET_STEPS: Final = 8_000
"""Steps of the patterns that are asked in one pass; one with an eighth of that is asked alone."""
_SET_BASE: Final = 512 << 10
_STEP_BYTES: Final = 1_536
"""What a step's states take, with room to spare: too little is only slower."""


class PatternError(ValueError):
    """The pattern is refused; the text says why."""


def _options(memory: int = MEMORY_BYTES, *, fold: bool = True) -> Any:
    options = re2.Options()
    options.case_sensitive = not fold
    options.log_errors = False
    options.max_mem = memory
    return options


@functools.lru_cache(maxsize=KEPT)
def regex(pattern: str) -> Any:
    """Return the compiled pattern; PatternError when it is too long or RE2 does not know it."""
    if len(pattern) > PATTERN_LENGTH:
        raise PatternError(f"a pattern has at most {PATTERN_LENGTH} characters")
    try:
        return re2.compile(pattern, _options())
    except re2.error as error:
        said = error.args[0]
        words = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise PatternError(f"this pattern is not understood: {words}") from error


def check_regex(pattern: str) -> None:
    """Raise PatternError for what may not be saved: what `regex` refuses, and what grows huge."""
    steps = regex(pattern).programsize
    if steps > STEPS:
        raise PatternError(
            f"this pattern becomes {steps} steps, at most {STEPS} are allowed:"
            " repeat less, or smaller classes of characters"
        )


@functools.lru_cache(maxsize=KEPT)
def wildcard(pattern: str) -> Any:
    """Return the compiled form of a pattern with `*` and `?` that covers the whole value."""
    return regex_of_whole(wildcard_shape(pattern))


def wildcard_shape(pattern: str) -> str:
    """Return the regex of a pattern with `*` and `?`."""
    if len(pattern) > PATTERN_LENGTH:
        raise PatternError(f"a pattern has at most {PATTERN_LENGTH} characters")
    parts = (
        {"*": ".*", "?": "."}.get(piece) or re.escape(piece)
        for piece in re.split(r"([*?])", pattern)
    )
    return whole("".join(parts))


def whole(pattern: str) -> str:
    """Return a pattern of ours that must match all of a value, newlines included."""
    return f"(?s)^(?:{pattern})$"


@functools.lru_cache(maxsize=KEPT)
def regex_of_whole(pattern: str) -> Any:
    """Return the compiled form of `whole`."""
    return re2.compile(pattern, _options())


class _Set:
    """Patterns of one pass, by their numbers in the whole."""

    __slots__ = ("compiled", "memory", "numbers")

    def __init__(self, patterns: Sequence[tuple[int, str, int]], *, fold: bool) -> None:
        """Raise re2.error where they do not fit into the memory; each is number, text, steps."""
        steps = sum(one for _, _, one in patterns)
        self.memory = min(_SET_BASE + _STEP_BYTES * steps, MEMORY_BYTES)
        self.numbers = [number for number, _, _ in patterns]
        self.compiled = re2.Set.SearchSet(_options(self.memory, fold=fold))
        for _, pattern, _ in patterns:
            self.compiled.Add(pattern)
        self.compiled.Compile()


class Together:
    """Many patterns, asked of a text in one pass or a few.

    Patterns are sorted into sets of at most SET_STEPS. One set that RE2 does not take into its
    memory is cut in two, and again; a pattern that remains alone, or is large, is `loose`.
    """

    def __init__(self, patterns: Sequence[str], *, fold: bool) -> None:
        self._fold = fold
        self._sets: list[_Set] = []
        self.loose: list[int] = []
        """Numbers of the patterns that nothing is known of: they may match at any time."""
        sized = [(number, one, self._steps(one)) for number, one in enumerate(patterns)]
        for batch in _batches([one for one in sized if one[2] <= SET_STEPS // 8]):
            self._add(batch)
        self.loose += [number for number, _, steps in sized if steps > SET_STEPS // 8]

    @property
    def memory(self) -> int:
        """Octets that it may come to take."""
        return sum(one.memory for one in self._sets)

    def sets(self) -> tuple[_Set, ...]:
        """Return the passes there are, for `matches`."""
        return tuple(self._sets)

    @staticmethod
    def matches(of: _Set, octets: bytes) -> Iterator[int]:
        """Return the numbers of those that match."""
        numbers = of.numbers
        return (numbers[one] for one in of.compiled.Match(octets) or ())

    def give_up(self, of: _Set) -> None:
        """Ask the patterns of one set alone from now on."""
        if of in self._sets:
            self._sets.remove(of)
            self.loose += of.numbers

    def _steps(self, pattern: str) -> int:
        """Return what a pattern weighs; literals have a step an octet."""
        if not self._fold:
            return len(pattern.encode("utf-8", "replace"))
        try:
            return int(re2.compile(pattern, _options()).programsize)
        except re2.error:
            return SET_STEPS

    def _add(self, batch: list[tuple[int, str, int]]) -> None:
        try:
            self._sets.append(_Set(batch, fold=self._fold))
        except (re2.error, ValueError):
            if len(batch) == 1:
                self.loose.append(batch[0][0])
                return
            middle = len(batch) // 2
            self._add(batch[:middle])
            self._add(batch[middle:])


def literal(text: str) -> str:
    """Return the pattern of a text itself."""
    return str(re2.escape(text))


def _batches(patterns: list[tuple[int, str, int]]) -> Iterator[list[tuple[int, str, int]]]:
    batch: list[tuple[int, str, int]] = []
    steps = 0
    for one in patterns:
        if batch and steps + one[2] > SET_STEPS:
            yield batch
            batch, steps = [], 0
        batch.append(one)
        steps += one[2]
    if batch:
        yield batch
