"""Patterns that people write: linear time only (RE2), compiled once.

Law: no pattern of a user ever reaches a backtracking engine.
"""

import functools
import re
from typing import Any

import re2

PATTERN_LENGTH = 500
MEMORY_BYTES = 8 << 20
KEPT = 10_000


class PatternError(ValueError):
    """The pattern is refused; the text says why."""


def _options() -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = MEMORY_BYTES
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


@functools.lru_cache(maxsize=KEPT)
def wildcard(pattern: str) -> Any:
    """Return the compiled form of a pattern with `*` and `?` that covers the whole value."""
    if len(pattern) > PATTERN_LENGTH:
        raise PatternError(f"a pattern has at most {PATTERN_LENGTH} characters")
    parts = (
        {"*": ".*", "?": "."}.get(piece) or re.escape(piece)
        for piece in re.split(r"([*?])", pattern)
    )
    return regex_of_whole("".join(parts))


@functools.lru_cache(maxsize=KEPT)
def regex_of_whole(pattern: str) -> Any:
    """Return a pattern of ours that must match all of a value, newlines included."""
    return re2.compile(f"(?s)^(?:{pattern})$", _options())
