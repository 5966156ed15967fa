"""When a mailbox is checked again. Seconds."""

from typing import Final

from postroom_contract.events import FetchState

_PAUSES: Final[dict[FetchState, tuple[float, ...]]] = {
    # Each failed sign-in may bring the owner nearer to being locked out.
    "auth_failed": (300, 900, 3_600, 4 * 3_600, 12 * 3_600),
    "unreachable": (60, 120, 300, 900, 1_800),
    "trouble": (60, 120, 300, 900, 1_800),
    # Nothing changes until the settings do, and then the mailbox is checked at once.
    "refused": (12 * 3_600,),
}


def next_check(
    state: FetchState, failures: int, interval_minutes: int, chance: float
) -> float | None:
    """Return the pause until the next check, or None: by hand only.

    `failures` counts this one; `chance` from 0 to 1 spreads the mailboxes by ± 10 %.
    """
    if interval_minutes <= 0:
        return None
    pauses = _PAUSES.get(state)
    if pauses is None:
        pause = interval_minutes * 60.0
    else:
        pause = pauses[min(max(failures, 1), len(pauses)) - 1]
        if state == "auth_failed":
            pause = max(pause, interval_minutes * 60.0)
    return pause * (0.9 + 0.2 * chance)
