"""From a chunk to the next hop.

Laws:
1. Order: progress, report, schedule of the next attempt; the ack comes after all of them.
2. One chunk is in hand once in this process, so that a redelivery reads what the first run wrote.
3. A command whose destination has no free slot, and frees none, is parked at once with the broker.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from weakref import WeakValueDictionary

import structlog

from postroom_contract import subjects
from postroom_contract.codec import decode, encode
from postroom_contract.commands import DeliverChunk, OutboxMail, Recipient, subject_of
from postroom_contract.events import DeliveryReported
from postroom_contract.events import subject_of as subject_of_event
from postroom_runtime import schedules
from postroom_runtime.clock import Clock
from postroom_runtime.errors import NotYetError, RefusedError
from postroom_runtime.messages import Publication
from postroom_smtp.domain import delivery
from postroom_smtp.domain.delivery import HopReply, Outcome, UnsendableError
from postroom_smtp.domain.retry import pause_after
from postroom_smtp.domain.slots import Slots
from postroom_smtp.handlers.capping import Capping, Grant
from postroom_smtp.handlers.progress import ProgressKeeper
from postroom_smtp.handlers.queueing import waits_at
from postroom_smtp.ports import Broker, Counts, Hop, Relay, Ways

SLOTS: Final = 10
HELD_SECONDS: Final = 1_800.0
"""Between two looks whether a destination is still held back."""
Holds = Callable[[str, str], bool]
"""Whether an account sends nothing to a domain for now."""
Sign = Callable[[bytes, str], bytes]
"""Returns a mail with its signatures, given its envelope sender."""
_LOSSES: Final = 2
"""Connections that may break within one chunk before the rest is put off."""


class Delivering:
    """Handles `smtp.deliver`.

    A copy for an address of ours goes in by our own door, with all that this means; the others go
    to the relay. Without one nothing leaves: every such copy is "captured".
    """

    def __init__(
        self,
        broker: Broker,
        ways: Ways,
        relay: Relay | None,
        clock: Clock,
        counts: Counts,
        slots: Slots | None = None,
        sign: Sign | None = None,
        capping: Capping | None = None,
        holds: Holds = lambda _account, _domain: False,
    ) -> None:
        self._capping = capping
        self._holds = holds
        self._sign = sign or _as_it_is
        self._slots = slots or Slots(SLOTS)
        self._freed = asyncio.Event()
        """Set when a slot is given back, and replaced."""
        self._broker = broker
        self._ways = ways
        self._relay = relay
        self._clock = clock
        self._counts = counts
        self._log = structlog.get_logger()
        # A lock lives as long as somebody holds it or waits for it.
        self._in_hand: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._stopping = False

    def stop(self) -> None:
        """Begin no further copy; chunks in hand are given back after their progress is stored."""
        self._stopping = True

    async def deliver(self, command: DeliverChunk) -> None:
        """Try every recipient that is still open, and say what became of each.

        RefusedError when the rendered mail is gone; UnavailableError when the broker does not
        answer; NotYetError when the process is about to end.
        """
        alone = self._in_hand.setdefault(command.chunk, asyncio.Lock())
        destination = self._destination(command)
        if destination and not command.give_up and self._is_held(command):
            await self._hold(command, alone)
        elif destination is None or command.give_up:
            await self._deliver(command, alone)
        elif await self._slot(destination):
            try:
                await self._deliver(command, alone)
            finally:
                self._slots.free(destination, time.monotonic())
                self._freed.set()
                self._freed = asyncio.Event()
        else:
            await self._park(command, destination)

    def _destination(self, command: DeliverChunk) -> str | None:
        """Return what is connected to: this system (empty), a relay, or a domain; None: nothing."""
        if all(self._ways.inward(one.address) for one in command.recipients):
            return ""
        return self._relay.destination(command.domain) if self._relay else None

    async def _slot(self, destination: str) -> bool:
        """Take a slot, waiting as long as they change hands; False: there is none to be had."""
        while not self._slots.take(destination, time.monotonic()):
            patience = self._slots.patience(destination, time.monotonic())
            if not patience or self._stopping:
                return False
            self._slots.wait(destination, 1)
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience):
                        await self._freed.wait()
            finally:
                self._slots.wait(destination, -1)
        return True

    async def _park(self, command: DeliverChunk, destination: str) -> None:
        """Let the broker bring the command again; parking twice is parking once."""
        pause = self._slots.pause(destination, time.monotonic())
        target = Publication(subject_of(command), encode(command), None)
        where = waits_at(command.account, command.chunk, command.attempt, command.part, "parked")
        await self._broker.publish(schedules.at(self._clock.after(pause), where, target))
        self._counts.sent("parked")

    def _is_held(self, command: DeliverChunk) -> bool:
        return self._holds(command.account, delivery.domain_of(command))

    async def _hold(self, command: DeliverChunk, alone: asyncio.Lock) -> None:
        """Report it as not tried, and look again later; `smtp.retry` makes it sooner.

        What an interrupted attempt has settled already is reported as what it is.
        """
        async with alone:
            done = (await ProgressKeeper.load(self._broker, command.chunk)).done
            mail = await self._mail(command)
            outcomes = delivery.settled_before(command.recipients, done) + [
                Outcome(one, "deferred", delivery.HELD)
                for one in command.recipients
                if one.serial not in done
            ]
            event = delivery.report(
                delivery.untried(command), mail, outcomes, time=self._clock.now(),
                next_attempt_at=None,
            )  # fmt: skip
            await self._publish_event(event)
            if any(one.state == "deferred" for one in outcomes):
                await self._schedule(command, self._clock.after(HELD_SECONDS))
            self._counts.sent("held")

    async def _deliver(self, command: DeliverChunk, alone: asyncio.Lock) -> None:
        async with alone:
            keeper = await ProgressKeeper.load(self._broker, command.chunk)
            mail = await self._mail(command)
            outcomes = delivery.settled_before(command.recipients, keeper.done)
            waiting = [one for one in command.recipients if one.serial not in keeper.done]
            grant = None if command.give_up else await self._grant(command, mail, waiting)
            if grant is not None:
                waiting = [one for one in waiting if self._is_ours(one) or one in grant.recipients]
            try:
                fresh = await self._try(waiting, mail, keeper, command.attempt, command.give_up)
                await keeper.settle()
            finally:
                await keeper.abandon()
                await self._give_back(command, grant, keeper)
            if outcomes or fresh:
                await self._conclude(command, mail, [*outcomes, *fresh])

    def _is_ours(self, recipient: Recipient) -> bool:
        return self._ways.inward(recipient.address) is not None

    async def _grant(
        self, command: DeliverChunk, mail: OutboxMail, waiting: Sequence[Recipient]
    ) -> Grant | None:
        """Ask for what leaves; None: nobody counts."""
        if self._capping is None or self._relay is None:
            return None
        outside = [one for one in waiting if not self._is_ours(one)]
        return await self._capping.admit(command, mail, outside) if outside else None

    async def _give_back(
        self, command: DeliverChunk, grant: Grant | None, keeper: ProgressKeeper
    ) -> None:
        if self._capping is not None and grant is not None:
            states = [keeper.done.get(one.serial) for one in grant.recipients]
            await self._capping.give_back(command.account, grant, states.count("delivered"))

    async def _mail(self, command: DeliverChunk) -> OutboxMail:
        subject = subjects.outbox(command.account, command.outbox)
        found = await self._broker.last("OUTBOX", subject)
        if found is None:
            raise RefusedError(f"the rendered mail {command.outbox} is gone")
        return decode(found.data, OutboxMail)

    async def _try(
        self,
        waiting: Sequence[Recipient],
        mail: OutboxMail,
        keeper: ProgressKeeper,
        attempt: int,
        give_up: str,
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        sender = _Sender(self._ways, self._relay, self._sign)
        try:
            for recipient in waiting:
                await keeper.may_go_on()
                if self._stopping:
                    await keeper.settle()
                    raise NotYetError("the process ends; the rest of the chunk waits", 0)
                if give_up:
                    outcome = Outcome(recipient, "failed", give_up)
                else:
                    raw = await sender.send(recipient, mail)
                    (outcome,) = delivery.given_up([raw], attempt)
                self._counts.sent(outcome.state)
                outcomes.append(outcome)
                if outcome.state != "deferred":
                    await keeper.note(recipient.serial, outcome.state)
        finally:
            await sender.close()
            self._learn(sender)
        return outcomes

    def _learn(self, sender: "_Sender") -> None:
        """Send less to who asks for less, and more again when that goes well."""
        now = time.monotonic()
        for destination, replies in sender.replies.items():
            less = delivery.asks_for_less(replies)
            if less is not None:
                if self._slots.slow_down(destination, now):
                    words = f"{less.code} {less.text}"[:200]
                    self._tell(destination, "a destination asks for less", reply=words)
            elif any(map(delivery.is_taken, replies)) and self._slots.went_well(destination, now):
                self._tell(destination, "a destination has one more slot")

    def _tell(self, destination: str, what: str, **more: str) -> None:
        self._counts.slowed(self._slots.slowed)
        slots = self._slots.of(destination)
        self._log.info(what, destination=destination, slots=slots, **more)

    async def _conclude(
        self, command: DeliverChunk, mail: OutboxMail, outcomes: Sequence[Outcome]
    ) -> None:
        again = delivery.next_attempt(command, outcomes)
        pause = pause_after(command.attempt)
        when = self._clock.after(pause) if again is not None and pause is not None else None
        event = delivery.report(
            command, mail, outcomes, time=self._clock.now(), next_attempt_at=when
        )
        await self._publish_event(event)
        if again is not None and when is not None:
            await self._schedule(again, when)
        self._log.info(
            "chunk tried",
            chunk=command.chunk,
            attempt=command.attempt,
            states=sorted({one.state for one in outcomes}),
            again_at=when and when.isoformat(),
        )

    async def _publish_event(self, event: DeliveryReported) -> None:
        await self._broker.publish(Publication(subject_of_event(event), encode(event), event.id))

    async def _schedule(self, command: DeliverChunk, when: datetime) -> None:
        target = Publication(subject_of(command), encode(command), None)
        where = waits_at(command.account, command.chunk, command.attempt, command.part)
        await self._broker.publish(schedules.at(when, where, target))


class _Sender:
    """Sends the copies of one chunk, by one kept conversation a way."""

    def __init__(self, ways: Ways, relay: Relay | None, sign: Sign) -> None:
        self._sign = sign
        self._ways = ways
        self._relay = relay
        self._talks: dict[tuple[Relay, str], _Talk] = {}
        self.replies: dict[str, list[HopReply]] = {}
        """By destination, of the world outside."""

    async def send(self, recipient: Recipient, mail: OutboxMail) -> Outcome:
        try:
            raw = delivery.copy_for(recipient, mail)
        except UnsendableError as error:
            return Outcome(recipient, "failed", str(error))
        inward = self._ways.inward(recipient.address)
        if inward is None and self._ways.is_suppressed(mail.account, recipient.address):
            return Outcome(recipient, "suppressed", delivery.SUPPRESSED)
        way = inward or self._relay
        if way is None:
            return Outcome(recipient, "captured", delivery.CAPTURED)
        if inward is None:
            raw = self._sign(raw, recipient.sender)
        domain = recipient.address.rpartition("@")[2].lower()
        if (way, domain) not in self._talks:
            self._talks[way, domain] = _Talk(way.hop(domain))
        reply = await self._talks[way, domain].send(recipient, raw)
        if inward is None:
            self.replies.setdefault(way.destination(domain), []).append(reply)
        return delivery.outcome_of(recipient, reply)

    async def close(self) -> None:
        for talk in self._talks.values():
            await talk.close()


def _as_it_is(raw: bytes, _sender: str) -> bytes:
    return raw


class _Talk:
    """With one next hop; after two broken connections, or none, it stops trying."""

    def __init__(self, hop: Hop) -> None:
        self._hop = hop
        self._losses = 0
        self._given_up: HopReply | None = None

    async def send(self, recipient: Recipient, raw: bytes) -> HopReply:
        if self._given_up is not None:
            return self._given_up
        reply = await self._hop.send(recipient.sender, recipient.address, raw)
        if reply.trouble:
            self._losses += 1
            if reply.trouble == "unreachable" or self._losses >= _LOSSES:
                self._given_up = reply
        return reply

    async def close(self) -> None:
        await self._hop.close()
