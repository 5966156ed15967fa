"""Schedules are derived data: what is configured and has neither schedule nor job gets one."""

import asyncio
import random
from collections.abc import Callable

import structlog

from postroom_contract.documents import MailboxDocument
from postroom_fetcher.ports import Mailboxes, Work
from postroom_runtime.clock import Clock
from postroom_runtime.errors import UnavailableError

EVERY_SECONDS = 180.0
SPREAD_SECONDS = 60.0
SOON_SECONDS = 1.0


class Reconciling:
    """Runs at start, every few minutes, and for each changed mailbox."""

    def __init__(
        self,
        mailboxes: Mailboxes,
        work: Work,
        clock: Clock,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._mailboxes = mailboxes
        self._work = work
        self._clock = clock
        self._chance = chance
        self._changed: asyncio.Queue[str] = asyncio.Queue()
        self._log = structlog.get_logger()
        self.trouble: str | None = "schedules have not been compared with the mailboxes yet"

    def on_change(self, mailbox: str) -> None:
        """Check a mailbox soon, whatever its schedule said: its settings have changed."""
        if self._mailboxes.knows():
            self._changed.put_nowait(mailbox)

    async def run(self) -> None:
        """Do both for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow())
            group.create_task(self._compare())

    async def _follow(self) -> None:
        while True:
            id_ = await self._changed.get()
            while True:
                try:
                    await self._soon(id_)
                    break
                except UnavailableError:
                    await asyncio.sleep(1.0)

    async def _soon(self, id_: str) -> None:
        mailbox = self._mailboxes.mailbox(id_)
        if mailbox is not None and _polled(mailbox):
            when = self._clock.after(SOON_SECONDS * self._chance())
            await self._work.schedule(mailbox, when, failures=0, holding=False)

    async def _compare(self) -> None:
        while True:
            try:
                if self._mailboxes.knows():
                    await self.compare()
                    self.trouble = None
                    await self._clock.pause(EVERY_SECONDS)
                else:
                    await asyncio.sleep(0.1)
            except UnavailableError as error:
                self.trouble = str(error)
                await asyncio.sleep(1.0)

    async def compare(self) -> None:
        """Give every mailbox that has neither job nor schedule a schedule."""
        wanted = self._mailboxes.polled()
        existing = await self._work.existing() if wanted else set()
        missing = [one for one in wanted if one.id not in existing]
        for mailbox in missing:
            when = self._clock.after(SPREAD_SECONDS * self._chance())
            await self._work.schedule(mailbox, when, failures=0, holding=False)
        if missing:
            self._log.info("mailboxes had no schedule", count=len(missing))


def _polled(mailbox: MailboxDocument) -> bool:
    return (
        mailbox.active
        and mailbox.source != "smtp"
        and mailbox.fetch is not None
        and mailbox.fetch.interval_minutes > 0
    )
