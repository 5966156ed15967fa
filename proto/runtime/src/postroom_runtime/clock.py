"""Time and chance, handed in as arguments; all delays are scaled here and nowhere else."""

import asyncio
import os
import time
from datetime import UTC, datetime, timedelta

from postroom_contract.ids import Prefix, fresh_id


class Clock:
    """The wall clock in UTC. `scale` < 1 shortens every pause and schedule (tests)."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return datetime.now(tz=UTC)

    def after(self, seconds: float) -> datetime:
        """Return the time that lies `seconds` ahead, scaled."""
        return self.now() + timedelta(seconds=seconds * self.scale)

    def before(self, seconds: float) -> datetime:
        """Return the time that lies `seconds` back, scaled."""
        return self.now() - timedelta(seconds=seconds * self.scale)

    async def pause(self, seconds: float) -> None:
        """Sleep for `seconds`, scaled."""
        await asyncio.sleep(seconds * self.scale)

    def new_id(self, prefix: Prefix) -> str:
        """Return a new id that sorts by time."""
        return fresh_id(prefix, time.time_ns() // 1_000_000, os.urandom(10))
