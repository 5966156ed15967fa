"""So many deliveries at once for one destination; who finds no slot waits a moment, or comes again.

Laws:
1. A destination that hangs holds its own slots and nothing else: nobody waits for a slot where none
   has changed hands for `MOVING` seconds.
2. A destination that moves, however slowly, has so many that wait and no more.
3. A destination that asks for less has half as many, at least one, and one more with each round of
   them that goes well.
"""

from collections import Counter
from typing import Final

MOVING: Final = 1.0
PAUSE: Final = 0.5
"""Seconds, at least, until what found no slot comes again."""
LONGEST: Final = 600.0
_EACH: Final = 4.0
"""Commands a second and slot that come again, at least: what a quick destination takes."""
_WAITING: Final = 2
"""As many times the slots may wait."""
_AHEAD: Final = 0.7
"""Who is parked comes again a little sooner than the destination takes one."""
ROUND: Final = 5.0
"""Seconds in which a destination's wishes for less are one: those in hand all hear the same."""
FORGET: Final = 3_600.0
"""Seconds after which a destination that nothing was sent to has all its slots again."""


class _Slowed:
    """A destination that has fewer."""

    def __init__(self, slots: int, now: float) -> None:
        self.slots = slots
        self.since = now
        self.heard = now
        self.good = 0


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
        self._between: dict[str, float] = {}
        """Per destination with slots taken, the seconds from one that ends to the next."""
        self._slowed: dict[str, _Slowed] = {}

    @property
    def slowed(self) -> int:
        """Return how many destinations have fewer slots now."""
        return len(self._slowed)

    def of(self, destination: str) -> int:
        """Return how many slots it has."""
        found = self._slowed.get(destination)
        return found.slots if found else self._each

    def slow_down(self, destination: str, now: float) -> bool:
        """Take half its slots from a destination that asks for less; False: it was so just now."""
        for name in [n for n, one in self._slowed.items() if now - one.heard > FORGET]:
            del self._slowed[name]
        found = self._slowed.setdefault(destination, _Slowed(self._each, now - ROUND))
        found.heard, found.good = now, 0
        if now - found.since < ROUND:
            return False
        found.since, found.slots = now, max(found.slots // 2, 1)
        return True

    def went_well(self, destination: str, now: float) -> bool:
        """Count what was taken; True: the destination has one more slot for it."""
        found = self._slowed.get(destination)
        if found is None:
            return False
        found.heard = now
        found.good += 1
        if found.good < found.slots:
            return False
        found.slots, found.good = found.slots + 1, 0
        if found.slots >= self._each:
            del self._slowed[destination]
        return True

    def take(self, destination: str, now: float) -> bool:
        """Take a slot; False: all are taken."""
        if self._taken[destination] >= self.of(destination):
            return False
        self._taken[destination] += 1
        self._moved[destination] = now
        return True

    def free(self, destination: str, now: float) -> None:
        """Give a slot back."""
        self._taken[destination] -= 1
        took = now - self._moved[destination]
        self._between[destination] = 0.9 * self._between.get(destination, took) + 0.1 * took
        self._moved[destination] = now
        if not self._taken[destination]:
            del self._taken[destination], self._moved[destination], self._between[destination]

    def patience(self, destination: str, now: float) -> float:
        """Return how long it makes sense to wait for a slot; 0: not at all."""
        if self._waiting[destination] >= _WAITING * self.of(destination):
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
        apart = 1 / (_EACH * self.of(destination))
        if destination in self._between:
            apart = min(apart, _AHEAD * self._between[destination])
        when = max(self._next.get(destination, 0.0), now + PAUSE) + apart
        self._next[destination] = min(when, now + LONGEST)
        return self._next[destination] - now
