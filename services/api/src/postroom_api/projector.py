"""The message log as a fold over EVENTS, and the set-aside list as one over DEAD.

Laws: rows and position are one transaction, and the position moves only from where we read it:
each event is written exactly once, in order, by however many projectors. An event that cannot be
written is passed over, loudly: it blocks neither the log nor the pages.
"""

import asyncio
from collections.abc import Sequence

import structlog

from postroom_api.postgres.worker import UnwritableError, Worker
from postroom_contract import events, subjects
from postroom_contract.codec import ContractError, decode
from postroom_contract.commands import SetAside
from postroom_runtime.bus import Bus
from postroom_runtime.errors import UnavailableError
from postroom_runtime.follow import Follower
from postroom_runtime.messages import Found

Known = Sequence[tuple[Found, events.Event]]

EVENTS = "events"
DEAD = "dead"


class Projector:
    """Follows both streams."""

    def __init__(self, worker: Worker, bus: Bus) -> None:
        self._worker = worker
        self._log = structlog.get_logger()
        self._events = Follower(bus, "EVENTS", f"{subjects.ROOT}.event.>", self._take_events)
        self._dead = Follower(bus, "DEAD", f"{subjects.ROOT}.dead.>", self._take_dead)

    @property
    def trouble(self) -> str | None:
        """Return why the log does not grow, or None."""
        return self._events.trouble or self._dead.trouble

    async def run(self) -> None:
        """Project for ever."""
        async with asyncio.TaskGroup() as group:
            for follower, name in ((self._events, EVENTS), (self._dead, DEAD)):
                group.create_task(follower.run(await self._position(name)))

    async def _position(self, name: str) -> int:
        while True:
            try:
                return await self._worker.position(name)
            except UnavailableError:
                await asyncio.sleep(0.5)

    async def _take_events(self, batch: Sequence[Found]) -> None:
        known: list[tuple[Found, events.Event]] = []
        for found in batch:
            try:
                known.append((found, decode(found.data, events.Event)))  # type: ignore[arg-type]  # a union is a type to msgspec
            except ContractError:
                # An event of a newer version: subscribers ignore what they do not know.
                self._log.warning("event not understood", subject=found.subject)
        after = self._events.position
        done = await self._project(after, batch[-1].sequence, known)
        if not done:
            self._events.position = await self._worker.position(EVENTS)
            raise UnavailableError("another projector is at work")

    async def _project(self, after: int, until: int, known: Known) -> bool:
        """Write a batch; where an event of it cannot be written, all but that one."""
        try:
            return await self._worker.project(EVENTS, after, until, known)
        except UnwritableError:
            done, refused = await self._worker.project_one_by_one(EVENTS, after, until, known)
        for subject, reason in refused:
            self._log.error("event cannot be shown in the log", subject=subject, reason=reason)
        return done

    async def _take_dead(self, batch: Sequence[Found]) -> None:
        entries = []
        for found in batch:
            try:
                entries.append((found, decode(found.data, SetAside)))
            except ContractError:
                self._log.warning("set-aside entry not understood", subject=found.subject)
        after = self._dead.position
        done = await self._worker.project_set_aside(DEAD, after, batch[-1].sequence, entries)
        if not done:
            self._dead.position = await self._worker.position(DEAD)
            raise UnavailableError("another projector is at work")
