"""Refusals as events, in the background: no session waits for the broker to say no.

Law: what cannot be told is counted and logged; the peer has had its answer long before.
"""

import asyncio
from collections import deque
from typing import Final

import structlog

from postroom_contract.codec import encode
from postroom_contract.events import MailRefused, subject_of
from postroom_runtime.clock import Clock
from postroom_runtime.errors import UnavailableError
from postroom_runtime.messages import BrokerError, KnownError, Publication
from postroom_smtp.domain.refusals import Refusal, Refusals
from postroom_smtp.ports import Broker, Counts

LOOK_SECONDS: Final = 1.0
_MOST: Final = 1_000
"""That wait while the broker does not answer."""


class Telling:
    """`note` what was refused; `run` beside it, and `finish` at the end."""

    def __init__(self, broker: Broker, clock: Clock, counts: Counts) -> None:
        self._broker = broker
        self._clock = clock
        self._counts = counts
        self._refusals = Refusals()
        self._waiting: deque[Refusal] = deque()

    def note(self, one: Refusal) -> None:
        """Tell of a refusal soon, by itself or in a sum."""
        told = self._refusals.note(one, asyncio.get_running_loop().time())
        if told is not None:
            self._push(told)

    async def run(self) -> None:
        """Publish for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for one in self._refusals.sums(asyncio.get_running_loop().time()):
                self._push(one)
            await self._publish()

    async def finish(self) -> None:
        """Publish what is there, once."""
        for one in self._refusals.sums(asyncio.get_running_loop().time(), all_=True):
            self._push(one)
        await self._publish()

    def _push(self, one: Refusal) -> None:
        if len(self._waiting) >= _MOST:
            self._counts.untold(self._waiting.popleft().count)
        self._waiting.append(one)

    async def _publish(self) -> None:
        while self._waiting:
            one = self._waiting[0]
            event = self._event(one)
            try:
                await self._broker.publish(Publication(subject_of(event), encode(event), event.id))
            except UnavailableError as error:
                structlog.get_logger().debug("refusals wait", reason=str(error))
                return
            except (KnownError, BrokerError) as error:
                structlog.get_logger().warning("a refusal is not told of", reason=str(error))
                self._counts.untold(one.count)
            if self._waiting and self._waiting[0] is one:
                self._waiting.popleft()

    def _event(self, one: Refusal) -> MailRefused:
        id_ = self._clock.new_id("evt")
        return MailRefused(
            id=id_, time=self._clock.now(), account=one.account, scope="-", about=id_,
            source="smtp", correlation=id_, causation=id_,
            network=one.client, reason=one.reason, reply=one.reply, count=one.count,
            helo=one.helo, sender=one.sender, recipient=one.recipient,
        )  # fmt: skip
