"""How far a chunk is, kept in the broker while it goes on.

Law: at the latest 200 ms or 25 recipients after a reply of the next hop it is stored in PROGRESS;
until it is, no further copy leaves.
"""

import asyncio
import contextlib
from typing import Final

import structlog

from postroom_contract import subjects
from postroom_contract.codec import decode, encode
from postroom_contract.commands import Progress
from postroom_runtime.errors import UnavailableError
from postroom_runtime.messages import Publication
from postroom_smtp.domain.delivery import FinalState
from postroom_smtp.ports import Broker

SAVE_SECONDS: Final = 0.2
SAVE_RECIPIENTS: Final = 25
_LAST_SAVE_SECONDS: Final = 3.0
_RETRY_SECONDS: Final = 0.2


class ProgressKeeper:
    """The progress of one chunk. Make it with `load`; `settle` or `abandon` ends it."""

    def __init__(self, broker: Broker, chunk: str, done: dict[int, FinalState]) -> None:
        self._broker = broker
        self._chunk = chunk
        self._unsaved = 0
        self._lock = asyncio.Lock()
        self._timer: asyncio.Task[None] | None = None
        self.done = done

    @classmethod
    async def load(cls, broker: Broker, chunk: str) -> "ProgressKeeper":
        """Read what is known of the chunk; UnavailableError when the broker does not answer."""
        found = await broker.last("PROGRESS", subjects.progress(chunk))
        done = dict(decode(found.data, Progress).done) if found is not None else {}
        return cls(broker, chunk, done)

    async def note(self, serial: int, state: FinalState) -> None:
        """Remember an outcome; it is stored soon, or at once when many wait."""
        self.done[serial] = state
        self._unsaved += 1
        if self._unsaved >= SAVE_RECIPIENTS:
            await self._save()
        elif self._timer is None or self._timer.done():
            self._timer = asyncio.create_task(self._save_soon())

    async def may_go_on(self) -> None:
        """Return when another copy may leave: not while a save is overdue."""
        async with self._lock:
            return

    async def settle(self) -> None:
        """Store everything, however long the broker takes."""
        await self._save()
        await self._stop_timer()

    async def abandon(self) -> None:
        """Store what can be stored shortly: the process ends or the handler failed."""
        await self._stop_timer()
        if self._unsaved:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_SAVE_SECONDS):
                    await self._save()

    async def _save_soon(self) -> None:
        await asyncio.sleep(SAVE_SECONDS)
        await self._save()

    async def _save(self) -> None:
        async with self._lock:
            while self._unsaved:
                saving, progress = self._unsaved, Progress(chunk=self._chunk, done=dict(self.done))
                what = Publication(subjects.progress(self._chunk), encode(progress), None)
                try:
                    await self._broker.publish(what)
                except UnavailableError as error:
                    structlog.get_logger().warning("progress waits", reason=str(error))
                    await asyncio.sleep(_RETRY_SECONDS)
                else:
                    self._unsaved -= saving

    async def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            await asyncio.gather(self._timer, return_exceptions=True)
