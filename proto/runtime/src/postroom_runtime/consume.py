"""Working off a durable consumer.

Laws: a message is acked after its handler returned; it is handled at least once, and the handler's
unique keys make that once. What no handler can take is set aside in DEAD (ack awaited) before the
broker would give it up, and the rest flows. While something of ours is down the message is held,
kept alive and tried again, so that an outage uses up no deliveries.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final

import msgspec
import nats.errors
import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from prometheus_client import Counter

from postroom_contract import subjects
from postroom_contract.codec import ContractError, decode, encode
from postroom_contract.commands import Redo, SetAside
from postroom_contract.ids import derived_id
from postroom_contract.mail import Pointer
from postroom_contract.streams import ConsumerSpec
from postroom_runtime.bus import Bus
from postroom_runtime.errors import DroppedError, NotYetError, RefusedError, UnavailableError
from postroom_runtime.messages import MESSAGE_ID, Publication

PULL_SECONDS: Final = 5
PULL_BYTES: Final = 48 * 1024 * 1024
"""Below the broker's output limit per client, above the largest message."""
LONGEST_PAUSE: Final = 5.0

_handled = Counter("postroom_handled_total", "Messages handled", ["consumer", "outcome"])


class Delivered(msgspec.Struct, frozen=True):
    """A message as a handler sees it."""

    subject: str
    data: bytes
    headers: Mapping[str, str]
    stream: str
    sequence: int
    deliveries: int
    stored_at: datetime

    @property
    def id(self) -> str:
        """The id it was published with; empty when it had none."""
        return self.headers.get(MESSAGE_ID, "")


Handler = Callable[[Delivered], Awaitable[None]]


def retry_pause(deliveries: int) -> float:
    """Return the seconds until an unknown error is tried again: 1, 2, 4 … 60."""
    return float(min(2 ** max(deliveries - 1, 0), 60))


def _delivered(message: Msg) -> Delivered:
    meta = message.metadata
    return Delivered(
        message.subject,
        message.data,
        dict(message.headers or {}),
        meta.stream,
        meta.sequence.stream,
        meta.num_delivered or 1,
        meta.timestamp,
    )


class Consumer:
    """Pulls from one durable and hands each message to `handler`, `concurrency` at a time."""

    def __init__(
        self, bus: Bus, spec: ConsumerSpec, handler: Handler, *, concurrency: int = 8
    ) -> None:
        self._bus = bus
        self._spec = spec
        self._handler = handler
        self._concurrency = concurrency
        self._log = structlog.get_logger().bind(consumer=spec.name)
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._outstanding = 0
        self._pulled_at = 0.0
        self._stopping = False
        self._trouble: str | None = "has not asked the broker for work yet"
        self._subscription: Subscription | None = None

    @property
    def trouble(self) -> str | None:
        """Return why no work comes in, or None."""
        return self._trouble

    async def run(self) -> None:
        """Work until `stop`."""
        inbox = self._bus.client.new_inbox()
        self._subscription = await self._bus.client.subscribe(inbox, cb=self._on_message)
        self._bus.on_reconnect(self._pull_anew)
        await self._find()
        while not self._stopping:
            await self._pull(inbox)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PULL_SECONDS / 2):
                    await self._wake.wait()
            self._wake.clear()

    async def _find(self) -> None:
        """Wait until the broker has this consumer: readiness means that work can come."""
        subject = f"$JS.API.CONSUMER.INFO.{self._spec.stream}.{self._spec.name}"
        while not self._stopping:
            try:
                await self._bus.ask(subject)
            except UnavailableError as error:
                self._trouble = str(error)
                await asyncio.sleep(0.3)
            else:
                self._trouble = None
                return

    async def stop(self) -> None:
        """Take no more; give back what is in hand (`nak`), so that another has it at once."""
        self._stopping = True
        self._wake.set()
        if self._subscription is not None and self._bus.client.is_connected:
            with contextlib.suppress(nats.errors.Error):
                await self._subscription.unsubscribe()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _pull_anew(self) -> None:
        self._outstanding = 0
        self._wake.set()

    async def _pull(self, inbox: str) -> None:
        free = self._concurrency - len(self._tasks)
        expired = time.monotonic() - self._pulled_at > PULL_SECONDS + 2
        if free <= 0 or (self._outstanding > 0 and not expired):
            return
        if not self._bus.client.is_connected:
            self._trouble = self._bus.trouble
            return
        question = {"batch": free, "expires": PULL_SECONDS * 1_000_000_000, "max_bytes": PULL_BYTES}
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._spec.stream}.{self._spec.name}"
        self._outstanding, self._pulled_at = free, time.monotonic()
        try:
            await self._bus.client.publish(subject, json.dumps(question).encode(), reply=inbox)
        except (nats.errors.Error, OSError) as error:
            self._outstanding, self._trouble = 0, f"cannot ask for work: {error!r}"

    async def _on_message(self, message: Msg) -> None:
        status = (message.headers or {}).get("Status")
        if status and not message.reply.startswith("$JS.ACK"):
            self._on_status(status, message)
            return
        self._trouble = None
        self._outstanding -= 1
        task = asyncio.create_task(self._work(message))
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_status(self, status: str, message: Msg) -> None:
        words = str(dict(message.headers or {}).get("Description", "")).lower()
        if status == "100" or "batch completed" in words:
            return  # a heartbeat, or the late end of a pull whose messages are all here
        self._outstanding = 0
        if status in {"404", "408"} or "maxbytes" in words:
            self._trouble = None
            self._wake.set()
        else:  # 503, 409: the consumer is missing, or the broker is starting; `run` asks again
            self._trouble = f"the broker gives no work: {status} {words}"

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._outstanding <= 0:
            self._wake.set()

    async def _work(self, message: Msg) -> None:
        delivered = _delivered(message)
        beat = asyncio.create_task(self._keep_alive(message))
        try:
            outcome = await self._attempt(message, delivered)
        except asyncio.CancelledError:
            await self._answer(message.nak)
            raise
        finally:
            beat.cancel()
        _handled.labels(self._spec.name, outcome).inc()

    async def _keep_alive(self, message: Msg) -> None:
        while True:
            await asyncio.sleep(self._spec.ack_wait / 3)
            await self._answer(message.in_progress)

    async def _answer(self, verb: Callable[[], Awaitable[None]]) -> None:
        # A lost answer means that the message comes again, which handlers must bear anyway.
        with contextlib.suppress(nats.errors.Error, OSError):
            await verb()

    async def _attempt(self, message: Msg, delivered: Delivered) -> str:  # noqa: PLR0911 - one return an outcome
        if 0 < self._spec.max_deliver <= delivered.deliveries + 1:
            reason = f"delivered {delivered.deliveries} times without an outcome"
            return await self._set_aside(message, delivered, reason)
        try:
            await self._insist(lambda: self._handler(delivered))
        except NotYetError as error:
            delay = error.delay
            await self._answer(lambda: message.nak(delay=delay))
            return "later"
        except (RefusedError, ContractError) as error:
            return await self._set_aside(message, delivered, str(error))
        except UnavailableError:
            await self._answer(message.nak)
            return "later"
        except DroppedError:
            return "dropped"
        except Exception as error:  # noqa: BLE001 - unknown errors are retried, then set aside
            self._log.exception("handler failed", subject=delivered.subject)
            if delivered.deliveries >= self._spec.tries:
                return await self._set_aside(message, delivered, repr(error))
            pause = retry_pause(delivered.deliveries)
            await self._answer(lambda: message.nak(delay=pause))
            return "retried"
        await self._answer(message.ack)
        return "done"

    async def _insist(self, step: Callable[[], Awaitable[object]]) -> None:
        """Repeat a step while something of ours is down; UnavailableError only when stopping."""
        pause = 0.2
        while True:
            try:
                await step()
            except UnavailableError as error:
                if self._stopping:
                    raise
                self._trouble = str(error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self._trouble = None
                return

    async def _set_aside(self, message: Msg, delivered: Delivered, reason: str) -> str:
        entry = set_aside_entry(self._spec, delivered, reason)
        where = subjects.dead(entry.account, entry.service)
        try:
            await self._insist(
                lambda: self._bus.publish(Publication(where, encode(entry), entry.id))
            )
        except UnavailableError:
            await self._answer(message.nak)
            return "later"
        await self._answer(message.term)
        self._log.warning("set aside", reason=reason, subject=delivered.subject, entry=entry.id)
        return "set aside"


def set_aside_entry(spec: ConsumerSpec, delivered: Delivered, reason: str) -> SetAside:
    """Return what goes to DEAD; the same message under the same consumer has the same id."""
    parts = delivered.subject.split(".")
    # postroom.v1.command.<account>… and …event.<account>…, but …intake.<shard>.<account>… and
    # …work.poll.<account>…
    account = parts[4] if parts[2] in {"intake", "work"} else parts[3]
    is_command = parts[2] == "command"
    return SetAside(
        id=derived_id("ded", spec.name, delivered.stream, str(delivered.sequence)),
        account=account,
        service=spec.service,
        consumer=spec.name,
        subject=delivered.subject,
        message_id=delivered.id,
        original=Pointer(delivered.stream, delivered.sequence),
        reason=reason[:2_000],
        deliveries=delivered.deliveries,
        payload=delivered.data if is_command else None,
    )


async def original_of(bus: Bus, redo: Redo) -> tuple[str, Delivered]:
    """Return (consumer, message) that a redo command speaks of; RefusedError when it is gone."""
    found = await bus.get(redo.original)
    if found is None:
        raise RefusedError(f"the set-aside entry {redo.dead} is no longer there")
    entry = decode(found.data, SetAside)
    if entry.id != redo.dead or entry.service != redo.service:
        raise RefusedError(f"{redo.original} holds another entry than {redo.dead}")
    where = entry.original
    if entry.payload is not None:
        headers = {MESSAGE_ID: entry.message_id}
        data = entry.payload
        return entry.consumer, Delivered(
            entry.subject, data, headers, where.stream, where.sequence, 1, found.stored_at
        )
    original = await bus.get(where)
    if original is None or original.headers.get(MESSAGE_ID, "") != entry.message_id:
        raise RefusedError(f"the original of {redo.dead} is no longer there")
    return entry.consumer, Delivered(
        original.subject,
        original.data,
        original.headers,
        where.stream,
        where.sequence,
        1,
        original.stored_at,
    )
