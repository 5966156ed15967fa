"""How much mail this process has in hand, of all mailboxes together.

Law: nobody is held up for long by servers that do not hand out what they have promised.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

HELD_BYTES = 128_000_000
PATIENCE = 2.0
"""Seconds that one waits for room; then memory is the lesser evil."""


class Room:
    """Room for so many bytes."""

    def __init__(self, total: int = HELD_BYTES, patience: float = PATIENCE) -> None:
        self._total = total
        self._patience = patience
        self._held = 0
        self._freed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def taken(self, size: int) -> AsyncIterator[None]:
        """Hold so many bytes, as soon as there is room or patience has ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience), self._freed:
                await self._freed.wait_for(lambda: self._held + size <= self._total)
        self._held += size
        try:
            yield
        finally:
            self._held -= size
            async with self._freed:
                self._freed.notify_all()
