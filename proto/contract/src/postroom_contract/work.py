"""Jobs in WORK: derived data, made again by the fetcher when they are lost."""

from datetime import date
from typing import Literal

import msgspec


class PollJob(msgspec.Struct, frozen=True, kw_only=True):
    """Fetch from the mailbox that the subject names."""

    reason: Literal["interval", "asked"]
    """`interval`: forget it if the mailbox is fetched from by hand only by now."""
    since: date | None = None
    """Fetch again what came from this day on and is not here: passed over, skipped or lost."""
    failures: int = 0
    """Checks in a row that failed, which decides about the pause before the next."""
