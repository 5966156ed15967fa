"""What is put right in the background: stopped sagas, passed grace dates, commands done with."""

import asyncio
import json

import structlog

from postroom_api.handlers import ForumSaga, unfinished_before
from postroom_api.ports import ServiceProblemError
from postroom_api.postgres.worker import Worker
from postroom_contract.streams import CONSUMERS
from postroom_runtime.bus import Bus
from postroom_runtime.clock import Clock
from postroom_runtime.errors import UnavailableError

LOOK_SECONDS = 20.0
PURGE_SECONDS = 3_600.0


class Reconciler:
    """Looks every 20 s at sagas and grace dates; hourly purges commands below the ack floors."""

    def __init__(self, worker: Worker, saga: ForumSaga, bus: Bus, clock: Clock) -> None:
        self._worker = worker
        self._saga = saga
        self._bus = bus
        self._clock = clock
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Reconcile for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sagas())
            group.create_task(self._purges())
            group.create_task(self._grace())

    async def _sagas(self) -> None:
        while True:
            await self._clock.pause(LOOK_SECONDS)
            try:
                before = unfinished_before(self._clock.now())
                for one in await self._worker.opening_forums(before):
                    await self._saga.repair(one.account, one.id, one.name, one.address)
            except (UnavailableError, ServiceProblemError) as error:
                self._log.warning("sagas wait", reason=str(error))

    async def _grace(self) -> None:
        while True:
            await self._clock.pause(LOOK_SECONDS)
            try:
                if paused := await self._worker.pause_restricted(self._clock.now()):
                    self._log.info("a restriction paused mailboxes", mailboxes=paused)
            except UnavailableError as error:
                self._log.warning("grace dates wait", reason=str(error))

    async def _purges(self) -> None:
        while True:
            await self._clock.pause(PURGE_SECONDS)
            try:
                for spec in CONSUMERS:
                    if spec.stream == "COMMANDS":
                        await self._purge(spec.name, spec.filters[0])
            except UnavailableError as error:
                self._log.warning("purge waits", reason=str(error))

    async def _purge(self, consumer: str, subject: str) -> None:
        """Purge what this consumer has acked without gaps; schedules have subjects of their own."""
        info = await self._bus.ask(f"$JS.API.CONSUMER.INFO.COMMANDS.{consumer}")
        floor = int(info["ack_floor"]["stream_seq"])
        if floor > 0:
            question = {"filter": subject, "seq": floor + 1}
            await self._bus.ask("$JS.API.STREAM.PURGE.COMMANDS", json.dumps(question).encode())
