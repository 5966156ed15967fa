"""Deleted mail goes for good after some days, and erased mail at once.

Laws: only mail goes whose decision is recorded (there is a row of it, written from the event). The
order is: the filter is told to forget, the bytes go, the row becomes a tombstone; who is killed
between begins again.
"""

import asyncio
import json
from datetime import timedelta
from typing import Final

import structlog

from postroom_api.domain.erasing import DELETED_DAYS
from postroom_api.postgres.worker_erasing import AT_ONCE, Doomed, ErasingRows
from postroom_api.raw_mail import delete_raw
from postroom_contract import subjects
from postroom_contract.codec import encode
from postroom_contract.commands import TrainMail, subject_of
from postroom_contract.ids import derived_id
from postroom_runtime.bus import Bus
from postroom_runtime.clock import Clock
from postroom_runtime.errors import UnavailableError
from postroom_runtime.messages import Publication

LOOK_SECONDS: Final = 60.0
DAY_SECONDS: Final = 86_400.0
UNLEARN_SECONDS: Final = DAY_SECONDS
"""So long a training that was taken back stays in its stream: all that fold it have seen it."""


class Eraser:
    """Looks every minute, and when it is woken."""

    def __init__(self, rows: ErasingRows, bus: Bus, clock: Clock) -> None:
        self._rows = rows
        self._bus = bus
        self._clock = clock
        self._woken = asyncio.Event()
        self._log = structlog.get_logger()

    def wake(self) -> None:
        """Look now: somebody asked that a mail be erased."""
        self._woken.set()

    async def run(self) -> None:
        """Erase for ever."""
        while True:
            try:
                while await self.erase() == AT_ONCE:
                    pass
                await self._unlearn()
            except UnavailableError as error:
                self._log.warning("erasing waits", reason=str(error))
            pause = asyncio.ensure_future(self._clock.pause(LOOK_SECONDS))
            woken = asyncio.ensure_future(self._woken.wait())
            try:
                await asyncio.wait({pause, woken}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                pause.cancel()
                woken.cancel()
            self._woken.clear()

    async def erase(self) -> int:
        """Do one round; return how many mails it was about."""
        undo = timedelta(seconds=DELETED_DAYS * DAY_SECONDS * self._clock.scale)
        due = await self._rows.due(self._clock.now(), undo)
        for one in due:
            if one.taught:
                await self._forget(one)
            await delete_raw(self._bus, one.account, one.mail)
            await self._rows.bury(one, self._clock.now())
            self._log.info("mail erased", mail=one.mail.id)
        return len(due)

    async def _forget(self, one: Doomed) -> None:
        """Let rules take back what the filter learnt of it."""
        command = TrainMail(
            id=derived_id("cmd", "train", one.mail.id, "erased"),
            account=one.account,
            correlation=one.mail.id,
            causation=one.mail.id,
            mail=one.mail,
            spam=None,
            by="",
            at=self._clock.now(),
        )
        await self._bus.publish(Publication(subject_of(command), encode(command), command.id))

    async def _unlearn(self) -> None:
        """Take away what is left in TRAIN of mails that the filter has forgotten."""
        before = self._clock.before(UNLEARN_SECONDS)
        for account, mail in await self._rows.unlearnt(before):
            question = json.dumps({"filter": subjects.train(account, mail)}).encode()
            await self._bus.ask("$JS.API.STREAM.PURGE.TRAIN", question)
            await self._rows.forgotten(mail)
