"""So many deliveries at once for one destination, and when those beyond come again.

Law: a destination that hangs holds its own slots and nothing else.
"""

from collections import Counter
from typing import Final

PAUSE: Final = 2.0
"""Seconds, at least, until what found no slot comes again."""
LONGEST: Final = 600.0
_EACH: Final = 4.0
"""Commands a second and slot that come again: what a quick destination takes."""


class Slots:
    """The slots of one process. Times are those of any clock that only goes on."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._taken: Counter[str] = Counter()
        self._next: dict[str, float] = {}
        """Per destination, when the last of those that wait comes again."""

    def take(self, destination: str) -> bool:
        """Take a slot; False: all are taken."""
        if self._taken[destination] >= self._each:
            return False
        self._taken[destination] += 1
        return True

    def free(self, destination: str) -> None:
        """Give a slot back."""
        self._taken[destination] -= 1
        if not self._taken[destination]:
            del self._taken[destination]

    def pause(self, destination: str, now: float) -> float:
        """Return in how many seconds a command comes again, one behind the other."""
        for name in [one for one, when in self._next.items() if when < now]:
            del self._next[name]
        when = max(self._next.get(destination, 0.0), now + PAUSE) + 1 / (_EACH * self._each)
        self._next[destination] = min(when, now + LONGEST)
        return self._next[destination] - now
