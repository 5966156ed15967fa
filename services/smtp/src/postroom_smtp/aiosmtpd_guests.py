"""Who is connected, and how many may be."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol

from postroom_contract.beats import Peer
from postroom_smtp.domain import replies
from postroom_smtp.domain.access import Access
from postroom_smtp.domain.limits import Limits
from postroom_smtp.domain.networks import lies_in
from postroom_smtp.domain.refusals import Refusal
from postroom_smtp.domain.replies import Reply
from postroom_smtp.handlers.receiving import Receiving
from postroom_smtp.ports import Counts

HANDSHAKE_SECONDS: Final = 15.0
MOST_SHOWN: Final = 50
Listed = Callable[[str], Awaitable[bool]]


class Guest(Protocol):
    """A session, as the house sees it."""

    address: str

    def seen(self) -> Peer:
        """Return the session as the panel shows it."""

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
        access: Access | None = None,
        listed: Listed | None = None,
        note: Callable[[Refusal], None] = lambda _refusal: None,
    ) -> None:
        self.note = note
        """Tells of refusals."""
        self.receiving = receiving
        self.counts = counts
        self.limits = limits
        self.hostname = hostname
        self.tls = tls
        """Our certificate; None = nothing is encrypted here, and nobody signs in."""
        self.access = access or Access()
        self.listed = listed
        """Asks the DNS whether an address is on one of the lists."""
        self.handshake_seconds = min(HANDSHAKE_SECONDS, limits.idle)
        self.draining = False
        self.open = True
        """Else new sessions are turned away; those that are here go on."""
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
        if not self.open:
            return replies.CLOSED
        if len(self.present) >= self.limits.connections:
            return replies.too_many("connections")
        refusal = self._refusal(guest.address)
        if refusal is not None:
            return refusal
        self.present.add(guest)
        self.empty.clear()
        self._by_address[guest.address] += 1
        self.counts.connections(len(self.present))
        return None

    def behind(self, guest: Guest, address: str) -> Reply | None:
        """Count a session for who is behind its load balancer; a Reply: they must go again."""
        refusal = self._refusal(address)
        if refusal is None:
            self._uncount(guest.address)
            guest.address = address
            self._by_address[address] += 1
        return refusal

    def _refusal(self, address: str) -> Reply | None:
        if lies_in(address, self.access.proxies):
            return None  # who is behind it counts
        verdict = self.access.verdict(address)
        if verdict == "denied":
            return replies.DENIED
        full = self._by_address[address] >= self.limits.connections_per_address
        return replies.too_many("connections") if full and verdict != "allowed" else None

    def _uncount(self, address: str) -> None:
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def peers(self) -> tuple[Peer, ...]:
        """Return who is here, the longest first, as many as a panel shows."""
        found = sorted((one.seen() for one in self.present), key=lambda one: one.since)
        return tuple(found[:MOST_SHOWN])

    def leave(self, guest: Guest) -> None:
        """Count a session out."""
        if guest not in self.present:
            return
        self.present.discard(guest)
        if not self.present:
            self.empty.set()
        self._uncount(guest.address)
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
