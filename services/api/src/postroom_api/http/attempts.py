"""How often somebody may try something: keyed on who and what, in memory."""

import time
from collections import OrderedDict
from typing import Final

BURST: Final = 8
SECONDS: Final = 60.0
KEYS: Final = 10_000


class Attempts:
    """Allows `burst` attempts a minute for each key; forgets the least recent keys beyond KEYS."""

    def __init__(self, burst: int = BURST) -> None:
        self._burst = burst
        self._times: OrderedDict[str, list[float]] = OrderedDict()

    def allowed(self, key: str) -> bool:
        """Count an attempt and return whether it may go on."""
        now = time.monotonic()
        recent = [moment for moment in self._times.pop(key, []) if now - moment < SECONDS]
        recent.append(now)
        self._times[key] = recent[-self._burst - 1 :]
        while len(self._times) > KEYS:
            self._times.popitem(last=False)
        return len(recent) <= self._burst
