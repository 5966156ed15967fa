"""The daily cap of an account, counted by all replicas together.

Laws:
1. A copy is counted before it leaves, and given back if it does not: a crash in between counts too
   many, never too few.
2. What is over the cap waits with the broker for the next day, as a part of its chunk that goes
   its own way from then on, and is reported as deferred; it counts as no attempt.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog

from postroom_contract import subjects
from postroom_contract.codec import decode, encode
from postroom_contract.commands import DeliverChunk, OutboxMail, Recipient, Sent, subject_of
from postroom_contract.events import subject_of as subject_of_event
from postroom_contract.ids import derived_id, short_hash
from postroom_runtime import schedules
from postroom_runtime.clock import Clock
from postroom_runtime.errors import UnavailableError
from postroom_runtime.messages import EXPECT_SUBJECT_SEQUENCE, ConflictError, Publication
from postroom_smtp.domain import caps, delivery
from postroom_smtp.domain.delivery import Outcome
from postroom_smtp.handlers.queueing import waits_at
from postroom_smtp.ports import Broker

_STREAM: Final = "PROGRESS"


class Grant(msgspec.Struct, frozen=True):
    """Whose copies may leave, and on which day's account."""

    recipients: tuple[Recipient, ...]
    day: str


class Capping:
    """Counts in the broker, by compare and set."""

    def __init__(self, broker: Broker, clock: Clock, cap: int) -> None:
        self._broker = broker
        self._clock = clock
        self._cap = cap
        self._turn = asyncio.Lock()
        """Of this process; replicas meet at the broker."""
        self._log = structlog.get_logger()

    async def admit(
        self, command: DeliverChunk, mail: OutboxMail, asked: Sequence[Recipient]
    ) -> Grant:
        """Return who may be sent to now; the others wait for the next day.

        UnavailableError when the broker does not answer.
        """
        day = caps.day_of(self._clock.now())
        number = await self._change(
            command.account, day, lambda sent: caps.granted(len(asked), sent, self._cap)
        )
        if number < len(asked):
            await self._put_off(command, mail, asked[number:], day)
        return Grant(tuple(asked[:number]), day)

    async def give_back(self, account: str, grant: Grant, left: int) -> None:
        """Say how many of a grant really left. Without the broker it counts too many."""
        unused = len(grant.recipients) - left
        try:
            await self._change(account, grant.day, lambda sent: -min(unused, sent))
        except UnavailableError as error:
            self._log.warning("copies are counted that did not leave", reason=str(error))

    async def _change(self, account: str, day: str, by: Callable[[int], int]) -> int:
        where = subjects.sent(account, day)
        async with self._turn:
            while True:
                found = await self._broker.last(_STREAM, where)
                sent = decode(found.data, Sent).copies if found is not None else 0
                number = by(sent)
                if not number:
                    return 0
                expected = {EXPECT_SUBJECT_SEQUENCE: str(found.sequence if found else 0)}
                new = encode(Sent(copies=sent + number))
                try:
                    await self._broker.publish(Publication(where, new, None, expected))
                except ConflictError:
                    continue  # another replica was faster: count on from there
                return number

    async def _put_off(
        self, command: DeliverChunk, mail: OutboxMail, over: Sequence[Recipient], day: str
    ) -> None:
        when = caps.next_day(self._clock.now())
        part = short_hash(command.part, str(command.attempt), day)
        later = msgspec.structs.replace(
            command,
            id=derived_id("cmd", command.chunk, str(command.attempt), part),
            causation=command.id,
            part=part,
            recipients=tuple(over),
        )
        where = waits_at(later.account, later.chunk, later.attempt, later.part)
        target = Publication(subject_of(later), encode(later), None)
        event = delivery.report(
            delivery.untried(later),
            mail,
            [Outcome(one, "deferred", caps.words(self._cap)) for one in over],
            time=self._clock.now(),
            next_attempt_at=when,
        )
        await self._broker.publish(Publication(subject_of_event(event), encode(event), event.id))
        await self._broker.publish(schedules.at(when, where, target))
        self._log.info(
            "the daily cap is reached", account=command.account, cap=self._cap, copies=len(over)
        )
