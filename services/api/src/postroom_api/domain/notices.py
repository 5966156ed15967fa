"""When somebody is told of a mailbox's trouble, and what to do about it.

Law: of one trouble people are told once, and once that it is over; never of a single hiccup.
"""

from typing import Final, Literal

import msgspec

Kind = Literal["trouble", "recovered"]

PATIENCE: Final = {"auth_failed": 1, "refused": 1, "unreachable": 3, "trouble": 3}
"""State → failed checks in a row before anybody is told: servers have bad minutes."""

ADVICE: Final = {
    "auth_failed": "Enter the password again, or an app password where the provider asks for one.",
    "refused": "Open the form: a setting forbids connecting, as the message says.",
    "unreachable": "Check server, port and TLS; if they are right, the server is down.",
    "trouble": "It is tried again by itself; if it stays, the server's words say what it dislikes.",
}
"""State → what to do."""


class Step(msgspec.Struct, frozen=True):
    """What a check's outcome means: the failures in a row now, and the notice to be sent."""

    failures: int
    notice: Kind | None


def after_check(state: str, failures_before: int, *, told: bool) -> Step:
    """Return the step after a check that ended in `state`; `told`: of trouble that is not over."""
    if state == "idle":
        return Step(0, "recovered" if told else None)
    failures = failures_before + 1
    due = not told and failures >= PATIENCE.get(state, 3)
    return Step(failures, "trouble" if due else None)
