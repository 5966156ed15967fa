"""What waits to go out, for both faces."""

import asyncio
from collections.abc import Sequence
from typing import Final

from postroom_api.domain.queue import (
    Asked,
    Destination,
    Waiting,
)
from postroom_api.domain.values import Delivery, PageOf, Principal
from postroom_api.http.entries import require_administrator
from postroom_api.http.problems import invalid, not_found
from postroom_api.ports import Publisher
from postroom_api.postgres.queue import Queue
from postroom_contract.codec import encode
from postroom_contract.commands import DropChunk, RetryChunk, subject_of
from postroom_mail.address import AddressError, parse_address
from postroom_runtime.bus import Bus
from postroom_runtime.clock import Clock
from postroom_runtime.messages import Publication

LIVE_SECONDS: Final = 3.0
_AT_ONCE: Final = 40


class QueueDesk:
    """What administrators ask about the way out."""

    def __init__(self, rows: Queue, bus: Bus, clock: Clock, publisher: Publisher) -> None:
        self._rows = rows
        self._bus = bus
        self._clock = clock
        self._publisher = publisher

    async def destinations(self, who: Principal) -> list[Destination]:
        """Return where mail waits for, most first, and what is held back."""
        require_administrator(who)
        return await self._rows.destinations(who)

    async def destination(self, who: Principal, domain: str) -> Destination | None:
        """Return one; None: nothing waits for it, and it is not held back."""
        require_administrator(who)
        found = await self._rows.destinations(who, domain.lower())
        return found[0] if found else None

    async def deliveries(
        self, who: Principal, domain: str, cursor: str | None, limit: int
    ) -> PageOf[Delivery]:
        """Return a page of what waits for a domain."""
        require_administrator(who)
        return await self._rows.deliveries(who, domain.lower(), cursor, limit)

    async def retry(self, who: Principal, domain: str) -> Asked:
        """Let all that waits for a domain be tried now; 404 when nothing does."""
        require_administrator(who)
        return _some(await self._tell(who, domain.lower(), "retried", None))

    async def drop(self, who: Principal, domain: str) -> Asked:
        """Give all up that waits for a domain; 404 when nothing does."""
        require_administrator(who)
        words = f"dropped by {who.name}"
        return _some(await self._tell(who, domain.lower(), "dropped", words))

    async def hold(self, who: Principal, domain: str) -> Destination:
        """Send nothing to a domain until it is released; what comes for it waits."""
        require_administrator(who)
        try:
            wanted = parse_address(f"postmaster@{domain.strip()}").canonical.partition("@")[2]
        except AddressError as error:
            raise invalid("domain", "bad_domain", f"{domain!r} is no domain: {error}") from error
        await self._rows.hold(who, wanted)
        await self._publisher.settled(LIVE_SECONDS)
        found = await self._rows.destinations(who, wanted)
        if not found:  # somebody was quick to release it
            raise not_found("destination")
        return found[0]

    async def release(self, who: Principal, domain: str) -> Asked:
        """Hold a domain back no more, and try what waits for it; 404 when it was not held."""
        require_administrator(who)
        if not await self._rows.release(who, domain.lower()):
            raise not_found("hold")
        await self._publisher.settled(LIVE_SECONDS)
        return await self._tell(who, domain.lower(), "retried", None)

    async def _tell(self, who: Principal, domain: str, what: str, words: str | None) -> Asked:
        found = await self._rows.waiting(who, domain)
        commands = [self._command(who, one, words) for one in found]
        for first in range(0, len(commands), _AT_ONCE):
            await self._publish(commands[first : first + _AT_ONCE])
        if commands:
            await self._rows.noted(who, what, domain, len(commands))
        return Asked(asked=len(commands))

    def _command(self, who: Principal, one: Waiting, words: str | None) -> RetryChunk | DropChunk:
        id_ = self._clock.new_id("cmd")
        if words is None:
            return RetryChunk(
                id=id_, account=who.account, correlation=one.chunk, causation=one.chunk,
                chunk=one.chunk, part=one.part, attempt=one.attempt,
            )  # fmt: skip
        return DropChunk(
            id=id_, account=who.account, correlation=one.chunk, causation=one.chunk,
            chunk=one.chunk, part=one.part, attempt=one.attempt, words=words,
        )  # fmt: skip

    async def _publish(self, commands: Sequence[RetryChunk | DropChunk]) -> None:
        await asyncio.gather(
            *(
                self._bus.publish(Publication(subject_of(one), encode(one), one.id))
                for one in commands
            )
        )


def _some(told: Asked) -> Asked:
    if not told.asked:
        raise not_found("destination")
    return told
