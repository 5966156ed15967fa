"""Raw mail goes when its mailbox's keep days are over.

Law: mail is never deleted undecided, and never while something set aside points at it: the purge
stops below rules' ack floor and below the oldest such mail of the stream.
"""

import json

import structlog

from postroom_api.postgres.deleted_mailboxes import KEPT
from postroom_api.postgres.worker import KeptMailbox, Worker
from postroom_contract import subjects
from postroom_contract.streams import RULES_INTAKE
from postroom_runtime.bus import Bus
from postroom_runtime.clock import Clock
from postroom_runtime.errors import UnavailableError

LOOK_SECONDS = 3_600.0
DAY_SECONDS = 86_400.0
REFUSALS_DAYS = 30
HITS_DAYS = 40


class Retention:
    """Looks every hour at every mailbox that has keep days."""

    def __init__(self, worker: Worker, bus: Bus, clock: Clock) -> None:
        self._worker = worker
        self._bus = bus
        self._clock = clock
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Purge for ever."""
        while True:
            await self._clock.pause(LOOK_SECONDS)
            try:
                await self.purge()
            except UnavailableError as error:
                self._log.warning("retention waits", reason=str(error))

    async def purge(self) -> None:
        """Do one round."""
        await self._worker.forget_deleted(self._clock.now() - KEPT)
        await self._worker.forget_refusals(self._clock.before(REFUSALS_DAYS * DAY_SECONDS))
        await self._worker.forget_hits(self._clock.before(HITS_DAYS * DAY_SECONDS))
        await self._worker.end_quarantine(self._clock.now())
        kept = await self._worker.kept_mailboxes()
        if not kept:
            return
        for shard, spec in enumerate(RULES_INTAKE):
            subject = f"$JS.API.CONSUMER.INFO.{spec.stream}.{spec.name}"
            floor = int((await self._bus.ask(subject))["ack_floor"]["stream_seq"])
            for mailbox in kept:
                await self._purge(mailbox, spec.stream, shard, floor)

    async def _purge(self, mailbox: KeptMailbox, stream: str, shard: int, floor: int) -> None:
        """Purge the mailbox's mail below the first that is young, undecided or pointed at."""
        where = subjects.intake(shard, mailbox.account, mailbox.id)
        since = self._clock.before(mailbox.keep_days * DAY_SECONDS)
        young = await self._bus.first_since(stream, where, since)
        below = floor + 1 if young is None else min(young.sequence, floor + 1)
        held = [sequence for name, sequence in mailbox.held if name == stream]
        below = min([below, *held])
        question = json.dumps({"filter": where, "seq": below}).encode()
        answer = await self._bus.ask(f"$JS.API.STREAM.PURGE.{stream}", question)
        if answer.get("purged"):
            self._log.info("raw mail is past its days", mailbox=mailbox.id, mails=answer["purged"])
