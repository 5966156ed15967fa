"""Who is connected, and how many may be."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Coroutine
from typing import Any, Final, Protocol

from postroom_smtp.domain import replies
from postroom_smtp.domain.limits import Limits
from postroom_smtp.domain.replies import Reply
from postroom_smtp.handlers.receiving import Receiving
from postroom_smtp.ports import Counts

HANDSHAKE_SECONDS: Final = 15.0


class Guest(Protocol):
    """A session, as the house sees it."""

    address: str

    def look(self, now: float) -> None:
        """End the session when the peer keeps us waiting; `now` is the loop's time."""

    def end(self, reply: Reply) -> None:
        """Say a last word."""


class Guests:
    """All sessions of one listener and what they share."""

    def __init__(
        self,
        receiving: Receiving,
        counts: Counts,
        limits: Limits,
        *,
        hostname: str,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.receiving = receiving
        self.counts = counts
        self.limits = limits
        self.hostname = hostname
        self.tls = tls
        """Our certificate; None = nothing is encrypted here, and nobody signs in."""
        self.handshake_seconds = min(HANDSHAKE_SECONDS, limits.idle)
        self.draining = False
        self.present: set[Guest] = set()
        self.empty = asyncio.Event()
        """Set while nobody is connected."""
        self.empty.set()
        self._by_address: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def enter(self, guest: Guest) -> Reply | None:
        """Count a new session in and return None, or return why it must go again."""
        if self.draining:
            return replies.draining()
        if len(self.present) >= self.limits.connections:
            return replies.too_many("connections")
        if self._by_address[guest.address] >= self.limits.connections_per_address:
            return replies.too_many("connections")
        self.present.add(guest)
        self.empty.clear()
        self._by_address[guest.address] += 1
        self.counts.connections(len(self.present))
        return None

    def leave(self, guest: Guest) -> None:
        """Count a session out."""
        if guest not in self.present:
            return
        self.present.discard(guest)
        if not self.present:
            self.empty.set()
        self._by_address[guest.address] -= 1
        if not self._by_address[guest.address]:
            del self._by_address[guest.address]
        self.counts.connections(len(self.present))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a store and the answer to it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Return when every store has its answer."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self.receiving.finish()
