"""What is told while it happens: handed to those who look on, and of checks the last of it kept.

Law: it may be lost, and is only ever an addition to what is written down.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

from nats.aio.msg import Msg

from postroom_api.domain.mailbox_settings import UnderWay
from postroom_contract import subjects
from postroom_contract.codec import ContractError, decode
from postroom_contract.probing import CheckProgress, Live, ProbeProgress
from postroom_runtime.bus import Bus
from postroom_runtime.clock import Clock

WAITING: Final = 200
"""Messages kept for a slow reader; then the oldest go: all of them are only progress."""
WATCHERS: Final = 500
CHECK_LASTS: Final = timedelta(seconds=30)
"""How long a check that tells nothing more is believed to go on."""
_ACCOUNT: Final = 3
"""Where it stands in `postroom.v1.live.<account>.<about>`."""


class TooManyWatchersError(Exception):
    """There is no room for one more who looks on."""


class LiveFeed:
    """Hears `live.*.*` once and passes it on by account and subject."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._watchers: dict[str, set[asyncio.Queue[Live]]] = {}
        self._checks: OrderedDict[tuple[str, str], UnderWay] = OrderedDict()

    async def start(self) -> None:
        """Listen, from now on and after each reconnect."""
        await self._bus.client.subscribe(f"{subjects.ROOT}.live.*.*", cb=self._hear)

    async def _hear(self, message: Msg) -> None:
        try:
            progress = decode(message.data, ProbeProgress | CheckProgress)  # type: ignore[arg-type]  # a union is a type to msgspec
        except ContractError:
            return  # of a newer version
        if isinstance(progress, CheckProgress):
            self._note(message.subject.split(".")[_ACCOUNT], progress)
        for queue in self._watchers.get(message.subject, ()):
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(progress)

    def _note(self, account: str, progress: CheckProgress) -> None:
        now, key = self._clock.now(), (account, progress.mailbox)
        self._checks[key] = UnderWay(now, progress.at or now, progress.found)
        self._checks.move_to_end(key)
        while now - next(iter(self._checks.values())).heard_at > CHECK_LASTS:
            self._checks.popitem(last=False)

    def under_way(self, account: str, mailbox: str) -> UnderWay | None:
        """Return what was last told of a mailbox's check, if that was a moment ago."""
        found = self._checks.get((account, mailbox))
        if found is None or self._clock.now() - found.heard_at > CHECK_LASTS:
            return None
        return found

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
