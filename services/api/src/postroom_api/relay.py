"""Configuration on its one way: Postgres → outbox → bucket.

Who was deactivated or came back is no document: the forums are told by a command; so are rules of
mails that were taught, or released.

Law: the epoch key is written after all configuration has been published once, so that a reader
which has it has everything (smtp answers 550 only then).
"""

import asyncio
from collections.abc import Sequence

import structlog

from postroom_api.postgres.worker import Worker
from postroom_contract import commands, subjects
from postroom_contract.codec import encode
from postroom_contract.commands import Command
from postroom_runtime.bus import Bus
from postroom_runtime.clock import Clock
from postroom_runtime.errors import UnavailableError
from postroom_runtime.messages import Publication
from postroom_runtime.outbox import Relay

EPOCH_LOOK_SECONDS = 5.0
AT_ONCE = 250
"""Changes of one transaction: a push to thousands of mailboxes must not hold others up."""


class ConfigurationRelay:
    """Publishes what changed, and everything when the bucket is empty."""

    def __init__(self, worker: Worker, bus: Bus, clock: Clock) -> None:
        self._worker = worker
        self._bus = bus
        self._clock = clock
        self._relay = Relay(worker.database, bus, "config.outbox", self._read, batch=AT_ONCE)
        self.settled = self._relay.settled

    @property
    def trouble(self) -> str | None:
        """Return why configuration does not flow, or None."""
        return self._relay.trouble

    async def run(self) -> None:
        """Relay for ever, and watch over the epoch key."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._relay.run())
            group.create_task(self._keep_epoch())

    async def _read(self, keys: Sequence[str]) -> list[list[Publication]]:
        silences = await self._worker.silences(keys)
        mails = await self._worker.mail_commands(keys)
        documents = await self._worker.documents(keys)
        return [
            [
                *(Publication(subjects.config(at), encode(one), None) for at, one in found),
                *([_told(silences[key])] if key in silences else []),
                *([_told(mails[key])] if key in mails else []),
            ]
            for key, found in zip(keys, documents, strict=True)
        ]

    async def _keep_epoch(self) -> None:
        while True:
            try:
                await self._ensure_epoch()
            except UnavailableError as error:
                structlog.get_logger().debug("epoch", reason=str(error))
            await asyncio.sleep(EPOCH_LOOK_SECONDS)

    async def _ensure_epoch(self) -> None:
        subject = subjects.config(subjects.EPOCH_KEY)
        stream = f"KV_{subjects.CONFIG_BUCKET}"
        if await self._bus.last(stream, subject) is not None:
            return
        await self._worker.note_everything()
        self._relay.wake()
        while await self._worker.noted():  # noqa: ASYNC110 - the rows are another transaction's
            await asyncio.sleep(0.05)
        epoch = encode({"epoch": self._clock.new_id("evt")})
        await self._bus.publish(Publication(subject, epoch, None))


def _told(command: Command) -> Publication:
    return Publication(commands.subject_of(command), encode(command), command.id)
