"""Long work as its asker sees it."""

from datetime import datetime, timedelta
from typing import Any, Final, Literal

import msgspec

ABANDONED_AFTER: Final = timedelta(minutes=3)
"""Longer than any operation is silent: who was at it has gone."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of long work. `result` depends on `kind`; on failure it has `error`."""

    id: str
    kind: str
    """`mailbox.test`: the result is a Probe. `mailbox.test_mail`: a Way, also while it runs.
    `rule.backtest`: a Backtest, also while it runs."""
    about: str
    state: Literal["running", "done", "failed"]
    result: dict[str, Any]
    created_at: datetime
    ended_at: datetime | None


def as_of(operation: Operation, now: datetime) -> Operation:
    """Return it as it must be seen now: work whose worker has gone has failed."""
    if operation.state == "running" and now - _heard_of(operation) > ABANDONED_AFTER:
        result = {"error": "The server was restarted meanwhile: begin again."}
        return msgspec.structs.replace(operation, state="failed", result=result)
    return operation


def _heard_of(operation: Operation) -> datetime:
    """Return when it last told how far it is; one that tells nothing, when it began."""
    beat = operation.result.get("beat")
    return datetime.fromisoformat(beat) if isinstance(beat, str) else operation.created_at
