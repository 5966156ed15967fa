"""Reading a stream in its order from a position of one's own, without a consumer on the broker.

Law: what a follower has handed on is a prefix of the stream's matching messages; the position moves
only after the batch was taken. Reads are stateless batch gets, so that nothing can stall after a
reconnect; a hint from the publisher wakes it, a look every few seconds is the safety net.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import nats.errors
import structlog
from nats.aio.msg import Msg

from postroom_contract import subjects
from postroom_runtime.bus import ANSWER_SECONDS, Bus
from postroom_runtime.errors import UnavailableError
from postroom_runtime.messages import Found, found_in

BATCH: Final = 500
BATCH_BYTES: Final = 8 * 1024 * 1024
LOOK_SECONDS: Final = 3.0
MISS_PAUSE: Final = 0.5

Take = Callable[[Sequence[Found]], Awaitable[None]]


class Follower:
    """Follows the messages of `stream` whose subject matches `subject`.

    A stream that ends before our position was made anew: with `made_anew` we forget and begin
    again, without it we say so and wait for the operator.
    """

    def __init__(
        self,
        bus: Bus,
        stream: str,
        subject: str,
        take: Take,
        made_anew: Callable[[], None] | None = None,
    ) -> None:
        self._bus = bus
        self._stream = stream
        self._subject = subject
        self._take = take
        self._wake = asyncio.Event()
        self._log = structlog.get_logger().bind(follows=stream)
        self._made_anew = made_anew
        self.position = 0
        """Everything up to here has been taken."""
        self.in_step_at: float | None = None
        """Monotonic time of the last look at which nothing was missing."""
        self.trouble: str | None = f"has not read {stream} yet"

    async def run(self, position: int = 0) -> None:
        """Follow for ever, beginning after `position`."""
        self.position = position
        self._bus.on_reconnect(self._wake.set)
        await self._bus.client.subscribe(subjects.hint(self._stream), cb=self._on_hint)
        while True:
            try:
                await self.catch_up()
                self.trouble = None
                pause = LOOK_SECONDS
            except UnavailableError as error:
                self.trouble = str(error)
                pause = MISS_PAUSE
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _on_hint(self, _message: Msg) -> None:
        self._wake.set()

    async def catch_up(self) -> None:
        """Take everything that is in the stream now; UnavailableError when it cannot be read."""
        self._wake.clear()
        looked_at = time.monotonic()
        end = int((await self._bus.stream_info(self._stream))["state"]["last_seq"])
        if end < self.position:
            await self._on_made_anew(end)
        while self.position < end:
            found, more = await self._batch()
            if found:
                await self._take(found)
                self.position = max(self.position, found[-1].sequence)
            if not more:
                self.position = max(self.position, end)
        self.in_step_at = looked_at

    async def _on_made_anew(self, end: int) -> None:
        if self._made_anew is None:
            raise UnavailableError(
                f"{self._stream} ends at {end}, before our position {self.position}:"
                " was it deleted and made anew?"
            )
        self._log.warning("the stream was made anew; reading from its beginning", ends=end)
        self._made_anew()
        self.position = 0

    async def _batch(self) -> tuple[list[Found], bool]:
        """Return the next messages, and whether there may be more."""
        client = self._bus.client
        if not client.is_connected:
            raise UnavailableError("the broker (NATS) cannot be reached")
        question = {
            "seq": self.position + 1,
            "batch": BATCH,
            "max_bytes": BATCH_BYTES,
            "next_by_subj": self._subject,
        }
        inbox = client.new_inbox()
        subscription = await client.subscribe(inbox)
        try:
            payload = json.dumps(question).encode()
            await client.publish(f"$JS.API.DIRECT.GET.{self._stream}", payload, reply=inbox)
            found: list[Found] = []
            while True:
                message = await subscription.next_msg(timeout=ANSWER_SECONDS)
                status = (message.headers or {}).get("Status")
                if status is None:
                    one = found_in(self._stream, message)
                    assert one is not None
                    found.append(one)
                elif status == "404":
                    return found, False
                elif status == "204":
                    return found, int((message.headers or {}).get("Nats-Num-Pending", 0)) > 0
                else:
                    raise UnavailableError(f"{self._stream} answered {dict(message.headers or {})}")
        except (nats.errors.Error, OSError) as error:
            raise UnavailableError(f"reading {self._stream}: {error!r}") from error
        finally:
            if client.is_connected:
                await subscription.unsubscribe()
