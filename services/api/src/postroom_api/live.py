"""What is told while it happens, handed to those who look on (server-sent events)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from nats.aio.msg import Msg

from postroom_contract import subjects
from postroom_contract.codec import ContractError, decode
from postroom_contract.probing import CheckProgress, Live, ProbeProgress
from postroom_runtime.bus import Bus

WAITING: Final = 200
"""Messages kept for a slow reader; then the oldest go: all of them are only progress."""
WATCHERS: Final = 500


class TooManyWatchersError(Exception):
    """There is no room for one more who looks on."""


class LiveFeed:
    """Hears `live.*.*` once and passes it on by account and subject."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._watchers: dict[str, set[asyncio.Queue[Live]]] = {}

    async def start(self) -> None:
        """Listen, from now on and after each reconnect."""
        await self._bus.client.subscribe(f"{subjects.ROOT}.live.*.*", cb=self._hear)

    async def _hear(self, message: Msg) -> None:
        watchers = self._watchers.get(message.subject)
        if not watchers:
            return
        try:
            progress = decode(message.data, ProbeProgress | CheckProgress)  # type: ignore[arg-type]  # a union is a type to msgspec
        except ContractError:
            return  # of a newer version
        for queue in watchers:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(progress)

    @contextlib.asynccontextmanager
    async def watching(self, account: str, about: str) -> AsyncIterator[asyncio.Queue[Live]]:
        """Give a queue of what is told about something from now on."""
        if sum(map(len, self._watchers.values())) >= WATCHERS:
            raise TooManyWatchersError
        subject = subjects.live(account, about)
        queue: asyncio.Queue[Live] = asyncio.Queue(WAITING)
        self._watchers.setdefault(subject, set()).add(queue)
        try:
            yield queue
        finally:
            self._watchers[subject].discard(queue)
            if not self._watchers[subject]:
                del self._watchers[subject]
