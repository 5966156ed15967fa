"""Mailboxes that keep no text, or no raw mail: what was there goes, and raw mail once it is done.

Laws:
1. Raw mail goes when its decision is recorded and rules are done with it (the ack floor of their
   consumer), when every command that was there then is handled by all that read raw mail, and when
   nothing set aside points at it. What waits in quarantine stays.
2. In that order: the mails are chosen, then it is seen that all is done, then they are chosen
   again; what began meanwhile keeps its mail.
3. A mailbox is walked through until a walk began MARGIN_SECONDS after it was told to keep less:
   what was under way to the log by then is there, and what comes later is written without.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import structlog

from postroom_api.postgres.worker import Worker
from postroom_api.postgres.worker_privacy import AT_ONCE, PrivacyRows
from postroom_api.projector import DEAD
from postroom_api.raw_mail import delete_raw
from postroom_contract import subjects
from postroom_contract.streams import (
    FORUM_COMMANDS,
    RULES_COMMANDS,
    RULES_INTAKE,
    SMTP_COMMANDS,
    ConsumerSpec,
)
from postroom_runtime.bus import Bus
from postroom_runtime.clock import Clock
from postroom_runtime.errors import UnavailableError

LOOK_SECONDS: Final = 10.0
MARGIN_SECONDS: Final = 60.0
REDO_SECONDS: Final = 600.0
"""So long what is tried again may take until its command is there."""
PATIENCE: Final = 20
"""Looks whether commands are done, half a second apart, until the next round."""
_READERS: Final[tuple[tuple[ConsumerSpec, ...], ...]] = (
    (RULES_COMMANDS,),
    (FORUM_COMMANDS, SMTP_COMMANDS),
)
"""Who reads raw mail for a command; the first give commands to those behind them."""


class Privacy:
    """Looks every ten seconds."""

    def __init__(self, rows: PrivacyRows, worker: Worker, bus: Bus, clock: Clock) -> None:
        self._rows = rows
        self._worker = worker
        self._bus = bus
        self._clock = clock
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Empty and remove for ever."""
        while True:
            await self._clock.pause(LOOK_SECONDS)
            try:
                await self.empty()
                while await self.remove() == AT_ONCE:
                    pass
            except UnavailableError as error:
                self._log.warning("emptying of mailboxes waits", reason=str(error))

    async def empty(self) -> None:
        """Walk once through every mailbox that keeps less than it did."""
        for box in await self._rows.emptying():
            last = box.since < self._clock.before(MARGIN_SECONDS)
            place = await self._rows.empty(box, None)
            while place is not None:
                place = await self._rows.empty(box, place)
            if last:
                await self._rows.emptied(box)
                self._log.info("mailbox emptied", mailbox=box.id)

    async def remove(self) -> int:
        """Remove raw mail that is not kept; return of how many it is gone."""
        chosen = await self._rows.unkept(self._clock.before(REDO_SECONDS))
        if not chosen:
            return 0
        floors = {spec.stream: await self._floor(spec) for spec in RULES_INTAKE}
        decided = [
            one.mail.id
            for one in chosen
            if one.mail.raw.sequence <= floors.get(one.mail.raw.stream, 0)
        ]
        if not decided or not await self._all_done():
            return 0
        free = await self._rows.unkept(self._clock.before(REDO_SECONDS), decided)
        for one in free:
            if await delete_raw(self._bus, one.account, one.mail):
                self._log.info("raw mail is not kept", mail=one.mail.id)
        await self._rows.gone([one.mail.id for one in free])
        return len(free)

    async def _floor(self, spec: ConsumerSpec) -> int:
        return int((await self._consumer(spec))["ack_floor"]["stream_seq"])

    async def _consumer(self, spec: ConsumerSpec) -> dict[str, Any]:
        return await self._bus.ask(f"$JS.API.CONSUMER.INFO.{spec.stream}.{spec.name}")

    async def _all_done(self) -> bool:
        """Whether the commands there are now are handled, and what was set aside is known here."""
        for readers in _READERS:
            end = int((await self._bus.stream_info("COMMANDS"))["state"]["last_seq"])
            if not await self._are_past(readers, end):
                return False
        told = await self._worker.position(DEAD)
        return await self._bus.first_behind("DEAD", f"{subjects.ROOT}.dead.>", told) is None

    async def _are_past(self, readers: Sequence[ConsumerSpec], end: int) -> bool:
        for _ in range(PATIENCE):
            if all([await self._is_past(spec, end) for spec in readers]):
                return True
            await asyncio.sleep(0.5)
        return False

    async def _is_past(self, spec: ConsumerSpec, end: int) -> bool:
        """Whether a consumer has handled all up to a sequence, or all that there is."""
        info = await self._consumer(spec)
        idle = info["num_pending"] == 0 and info["num_ack_pending"] == 0
        return idle or int(info["ack_floor"]["stream_seq"]) >= end
