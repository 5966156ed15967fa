"""Erasing mails: one, or all of a person, with an honest account of what remains."""

import asyncio
import hashlib
from typing import Final, Protocol

from postroom_api.domain.erasing import Counted, Erasure, remaining
from postroom_api.domain.values import Principal
from postroom_api.http.entries import address_of, require_administrator
from postroom_api.http.problems import not_found
from postroom_api.postgres.erasing import Erasing
from postroom_runtime.clock import Clock

PATIENCE_SECONDS: Final = 2.0
REFUSALS_DAYS: Final = 30


class Wakes(Protocol):
    """What erases, in the background."""

    def wake(self) -> None:
        """Look now."""


class Erasures:
    """For those who manage the account alone."""

    def __init__(self, rows: Erasing, eraser: Wakes, clock: Clock) -> None:
        self._rows = rows
        self._eraser = eraser
        self._clock = clock

    async def mail(self, who: Principal, message: str) -> Erasure:
        """Erase one mail; 404 where there is none, or where it is erased already."""
        require_administrator(who)
        counted = await self._rows.ask(who, message, self._clock.now())
        if counted is None:
            raise not_found("message")
        return await self._answer(who, [message], counted)

    async def person(self, who: Principal, address: str) -> Erasure:
        """Erase all mails from or to an address, at most MOST; asking again erases the rest."""
        require_administrator(who)
        canonical = address_of("address", address)
        # The audit must not keep what is to be forgotten: it can be compared with, and not read.
        name = f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"
        mails, counted = await self._rows.ask_of_person(who, canonical, name, self._clock.now())
        return await self._answer(who, mails, counted)

    async def _answer(self, who: Principal, mails: list[str], counted: Counted) -> Erasure:
        self._eraser.wake()
        waiting = len(mails)
        for _ in range(20 if mails else 0):
            waiting = await self._rows.waiting(who, mails)
            if not waiting:
                break
            await asyncio.sleep(PATIENCE_SECONDS / 20)
        remains = remaining(counted, self._clock.now(), REFUSALS_DAYS)
        return Erasure(mails=len(mails), waiting=waiting, remains=remains)
