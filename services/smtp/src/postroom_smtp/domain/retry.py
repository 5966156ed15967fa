"""When an undelivered copy is tried again: soon at first, then ever more rarely, for five days."""

from typing import Final

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
GIVE_UP: Final = 5 * 24 * HOUR
"""RFC 5321 §4.5.4.1: at least four to five days."""
_FIRST_PAUSES: Final = (
    MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR,
)  # fmt: skip
_THEN: Final = 8 * HOUR


def pause_after(attempt: int) -> float | None:
    """Return the seconds between attempt `attempt` (from 1) and the next; None = give up."""
    pauses = [*_FIRST_PAUSES, *([_THEN] * max(0, attempt - len(_FIRST_PAUSES)))]
    if sum(pauses[:attempt]) > GIVE_UP:
        return None
    return float(pauses[attempt - 1])
