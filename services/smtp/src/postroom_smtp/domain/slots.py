"""So many deliveries at once for one destination; who finds no slot waits a moment, or comes again.

Laws:
1. A destination that hangs holds its own slots and nothing else: nobody waits for a slot where none
   has changed hands for `MOVING` seconds.
2. A destination that moves, however slowly, has so many that wait and no more.
"""

from collections import Counter
from typing import Final

MOVING: Final = 1.0
PAUSE: Final = 0.5
"""Seconds, at least, until what found no slot comes again."""
LONGEST: Final = 600.0
_EACH: Final = 4.0
"""Commands a second and slot that come again: what a quick destination takes."""
_WAITING: Final = 2
"""As many times the slots may wait."""


class Slots:
    """The slots of one process. Times are those of any clock that only goes on."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._taken: Counter[str] = Counter()
        self._moved: dict[str, float] = {}
        """Per destination with slots taken, when one changed hands last."""
        self._waiting: Counter[str] = Counter()
        self._next: dict[str, float] = {}
        """Per destination, when the last of those that wait with the broker comes again."""

    def take(self, destination: str, now: float) -> bool:
        """Take a slot; False: all are taken."""
        if self._taken[destination] >= self._each:
            return False
        self._taken[destination] += 1
        self._moved[destination] = now
        return True

    def free(self, destination: str, now: float) -> None:
        """Give a slot back."""
        self._taken[destination] -= 1
        self._moved[destination] = now
        if not self._taken[destination]:
            del self._taken[destination], self._moved[destination]

    def patience(self, destination: str, now: float) -> float:
        """Return how long it makes sense to wait for a slot; 0: not at all."""
        if self._waiting[destination] >= _WAITING * self._each:
            return 0.0
        return max(self._moved.get(destination, now) + MOVING - now, 0.0)

    def wait(self, destination: str, number: int) -> None:
        """Count one more (1) or one less (-1) who waits."""
        self._waiting[destination] += number
        if not self._waiting[destination]:
            del self._waiting[destination]

    def pause(self, destination: str, now: float) -> float:
        """Return in how many seconds a command comes again, one behind the other."""
        for name in [one for one, when in self._next.items() if when < now]:
            del self._next[name]
        when = max(self._next.get(destination, 0.0), now + PAUSE) + 1 / (_EACH * self._each)
        self._next[destination] = min(when, now + LONGEST)
        return self._next[destination] - now
