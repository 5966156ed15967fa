"""The way to the broker.

Laws: a publish is done when the broker's ack has come; no answer means "unknown", so it is
published again with the same id; a service that lacks a permission ends and says so.
"""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import nats
import nats.aio.client
import nats.errors
import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from prometheus_client import Counter

from postroom_contract import permissions, streams, subjects
from postroom_contract.codec import decode, encode
from postroom_contract.mail import Pointer
from postroom_runtime.batches import Batch
from postroom_runtime.errors import OperatorError, UnavailableError
from postroom_runtime.messages import (
    EXPECT_SUBJECT_SEQUENCE,
    MESSAGE_ID,
    AnsweredError,
    BrokerError,
    Found,
    FullError,
    KnownError,
    Publication,
    Stored,
    found_in,
    stored_in,
)
from postroom_runtime.settings import Settings
from postroom_runtime.stream_config import differences

T = TypeVar("T")

ANSWER_SECONDS: Final = 3.0
PUBLISH_SECONDS: Final = 8.0
WATCHDOG_SECONDS: Final = 60.0
OPEN_BATCHES: Final = 8
"""The broker allows 50 a stream, and those of a killed process block for 10 s."""

OPEN_AHEAD: Final = 4
"""Besides those: batches whose mails are sent while the batch before them is being stored."""

_published = Counter("postroom_published_total", "Messages stored by the broker", ["stream"])
_retried = Counter("postroom_publish_retries_total", "Publishes whose outcome was unknown")


class Bus:
    """One connection to the broker, kept up for ever."""

    def __init__(self, client: nats.aio.client.Client, user: str) -> None:
        self.client = client
        self.user = user
        self._log = structlog.get_logger()
        self._last_answer = time.monotonic()
        self._on_reconnect: list[Callable[[], None]] = []
        self._served: list[Subscription] = []
        self._answering: set[asyncio.Task[None]] = set()
        self._mentions: set[asyncio.Task[None]] = set()
        self.violation: str | None = None
        self._closing = False
        self._batches = asyncio.Semaphore(OPEN_BATCHES)
        self._ahead = asyncio.Semaphore(OPEN_AHEAD)

    @classmethod
    def create(cls, user: str) -> "Bus":
        """Return a bus that is not connected yet."""
        # fast-mail-parser, where installed, makes nats-py return lists for headers (trap 1).
        nats.aio.client.parse_email = None  # type: ignore[attr-defined,assignment]  # not public
        return cls(nats.aio.client.Client(), user)

    async def connect(self, settings: Settings, on_fatal: Callable[[BaseException], None]) -> None:
        """Connect, however long it takes; afterwards reconnect for ever."""

        async def on_error(error: Exception) -> None:
            text = str(error)
            if "permissions violation" in text.lower():
                self.violation = text
                on_fatal(OperatorError(f"the broker refused user {self.user}: {text}"))
            elif "authorization violation" in text.lower():
                on_fatal(OperatorError(f"the broker does not know user {self.user}: {text}"))

        async def on_reconnect() -> None:
            self._log.info("broker is back")
            for callback in self._on_reconnect:
                callback()

        async def on_disconnect() -> None:
            if not self._closing:
                self._log.warning("broker is gone; reconnecting")

        await self.client.connect(
            settings.text("NATS_URL", "nats://127.0.0.1:4222"),
            user=settings.text("NATS_USER", self.user),
            password=settings.optional("NATS_PASSWORD"),
            inbox_prefix=permissions.inbox_prefix(self.user).encode(),
            name=f"postroom-{self.user}-{os.getpid()}",
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.25,  # type: ignore[arg-type]  # seconds; fractions work
            connect_timeout=3,
            ping_interval=5,
            max_outstanding_pings=3,
            error_cb=on_error,
            reconnected_cb=on_reconnect,
            disconnected_cb=on_disconnect,
        )
        self._last_answer = time.monotonic()

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        """Call back whenever the connection was made anew."""
        self._on_reconnect.append(callback)

    @property
    def server_version(self) -> str | None:
        """Return the broker's version, or None while it cannot be reached."""
        if not self.client.is_connected:
            return None
        found = self.client.connected_server_version
        return f"{found.major}.{found.minor}.{found.patch}"

    @property
    def trouble(self) -> str | None:
        """Return why the broker cannot be used now, or None."""
        if not self.client.is_connected:
            return "the broker (NATS) cannot be reached"
        return None

    async def watch(self) -> None:
        """Raise UnavailableError when the broker's API has not answered for a minute (watchdog)."""
        while True:
            await asyncio.sleep(5)
            if not self.client.is_connected:
                self._last_answer = time.monotonic()  # nats-py is busy reconnecting
                continue
            with contextlib.suppress(UnavailableError):
                await self.stream_info("EVENTS")
            if time.monotonic() - self._last_answer > WATCHDOG_SECONDS:
                raise UnavailableError("the broker is connected but has not answered for a minute")

    async def _ask(
        self, subject: str, payload: bytes, headers: dict[str, str] | None, seconds: float
    ) -> Msg:
        if not self.client.is_connected:
            raise UnavailableError("the broker (NATS) cannot be reached")
        try:
            answer = await self.client.request(subject, payload, timeout=seconds, headers=headers)
        except (nats.errors.Error, TimeoutError, OSError, AssertionError) as error:
            raise UnavailableError(f"no answer on {subject}: {error!r}") from error
        self._last_answer = time.monotonic()
        return answer

    async def publish(
        self, what: Publication, *, first: bool = False, seconds: float = PUBLISH_SECONDS
    ) -> Stored:
        """Store one message and return where.

        `first`: ConflictError if its subject already holds a message. FullError when the broker
        has no room. UnavailableError when within `seconds` nobody said that it is stored.
        """
        headers = dict(what.headers)
        if what.id is not None:
            headers[MESSAGE_ID] = what.id
        if first:
            headers[EXPECT_SUBJECT_SEQUENCE] = "0"
        deadline = time.monotonic() + seconds
        pause = 0.05
        while True:
            try:
                patience = min(ANSWER_SECONDS, max(deadline - time.monotonic(), 0.1))
                stored = stored_in(
                    (await self._ask(what.subject, what.payload, headers, patience)).data
                )
                break
            except FullError:
                raise
            except BrokerError as error:
                raise UnavailableError(str(error)) from error
            except UnavailableError:
                if time.monotonic() + pause > deadline:
                    raise
                _retried.inc()
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1.0)
        await self._tell(stored)
        return stored

    async def publish_all(self, batch: Sequence[Publication]) -> list[Stored]:
        """Store all at once or, where the outcome is unknown, each by its id.

        All must belong to one stream with atomic batches. A batch that the broker refuses because
        it knows one of the ids (10201), or whose fate is unknown, is published one by one.
        """
        if len(batch) == 1:
            return [await self.publish(batch[0])]
        try:
            async with self._turn():
                return await self._atomic(batch)
        except (UnavailableError, KnownError, BrokerError) as error:
            if isinstance(error, FullError):
                raise
            return [await self.publish(one) for one in batch]

    @contextlib.asynccontextmanager
    async def ahead(self, mails: Sequence[Publication]) -> AsyncIterator[Batch | None]:
        """Send mails that `publish_with_cursor` will commit, as soon as what is under way is done.

        None: the broker is busy or in trouble; they go with the cursor then. Nothing is stored.
        """
        if not mails or self._ahead.locked():
            yield None
            return
        async with self._ahead:
            batch = self._batch()
            try:
                for one in mails:
                    await batch.add(one)
            except (UnavailableError, KnownError, BrokerError, nats.errors.Error, OSError):
                yield None
            else:
                yield batch

    async def publish_with_cursor(
        self,
        mails: Sequence[Publication],
        cursor: Publication,
        expected: int,
        begun: Batch | None = None,
    ) -> int:
        """Store the mails and, as their last, the cursor: all or nothing; return its sequence.

        The cursor replaces what its subject holds, if that is the message of sequence `expected`
        (0: nothing); else ConflictError, somebody else was faster. KnownError: see there.
        UnavailableError: not known, so read the cursor again. Nothing is tried twice here.
        `begun`: the mails are in this batch already.
        """
        headers = {
            **cursor.headers,
            "Nats-Rollup": "sub",
            EXPECT_SUBJECT_SEQUENCE: str(expected),
        }
        last = Publication(cursor.subject, cursor.payload, cursor.id, headers)
        try:
            if not mails:
                answer = await self._ask(last.subject, last.payload, headers, ANSWER_SECONDS)
                stored = stored_in(answer.data)
                await self._tell(stored)
                return stored.sequence
            if begun is not None:
                stored = (await begun.commit(last))[-1]
                await self._tell(stored)
                return stored.sequence
            async with self._turn():
                return (await self._atomic([*mails, last]))[-1].sequence
        except BrokerError as error:
            raise UnavailableError(str(error)) from error

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait for one of the few places for batches; UnavailableError when none gets free."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._batches.acquire()
        except TimeoutError as error:
            raise UnavailableError("too many batches wait for the broker") from error
        try:
            yield
        finally:
            self._batches.release()

    def _batch(self) -> Batch:
        async def ask(subject: str, payload: bytes, headers: Mapping[str, str]) -> Msg:
            return await self._ask(subject, payload, dict(headers), ANSWER_SECONDS)

        async def send(subject: str, payload: bytes, headers: dict[str, str]) -> None:
            await self.client.publish(subject, payload, headers=headers)

        return Batch(ask, send)

    async def _atomic(self, batch: Sequence[Publication]) -> list[Stored]:
        one = self._batch()
        for publication in batch[:-1]:
            await one.add(publication)
        stored = await one.commit(batch[-1])
        await self._tell(stored[-1])
        return stored

    async def _tell(self, stored: Stored) -> None:
        _published.labels(stored.stream).inc()
        if streams.stream(stored.stream).followed and self.client.is_connected:
            await self.client.publish(subjects.hint(stored.stream), str(stored.sequence).encode())

    async def ask(self, subject: str, payload: bytes = b"") -> dict[str, Any]:
        """Ask the broker's own API; UnavailableError also when it answers with an error."""
        answer = json.loads((await self._ask(subject, payload, None, ANSWER_SECONDS)).data)
        if error := answer.get("error"):
            raise UnavailableError(f"{subject}: {error.get('description')}")
        return dict(answer)

    async def stream_info(self, name: str) -> dict[str, Any]:
        """Return the broker's description of a stream; OperatorError when it is missing."""
        answer = json.loads(
            (await self._ask(f"$JS.API.STREAM.INFO.{name}", b"", None, ANSWER_SECONDS)).data
        )
        if error := answer.get("error"):
            if error.get("err_code") == 10059:  # noqa: PLR2004 - "stream not found"
                raise OperatorError(f"stream {name} is missing: run provisioning (postroom up)")
            raise UnavailableError(f"stream {name}: {error.get('description')}")
        return dict(answer)

    async def get(self, where: Pointer) -> Found | None:
        """Return the message at a sequence, or None when it is gone."""
        return await self._direct(where.stream, f"$JS.API.DIRECT.GET.{where.stream}", where)

    async def last(self, stream: str, subject: str) -> Found | None:
        """Return the newest message of one subject, or None."""
        return await self._direct(stream, f"$JS.API.DIRECT.GET.{stream}.{subject}", None)

    async def first_since(self, stream: str, subject: str, when: datetime) -> Found | None:
        """Return the first message of a subject stored at or after a time, or None."""
        question = {"start_time": when.isoformat(), "next_by_subj": subject}
        payload = json.dumps(question).encode()
        answer = await self._ask(f"$JS.API.DIRECT.GET.{stream}", payload, None, ANSWER_SECONDS)
        return found_in(stream, answer)

    async def first_behind(self, stream: str, subject: str, sequence: int) -> Found | None:
        """Return the first message of a subject behind a sequence, or None."""
        payload = json.dumps({"seq": sequence + 1, "next_by_subj": subject}).encode()
        answer = await self._ask(f"$JS.API.DIRECT.GET.{stream}", payload, None, ANSWER_SECONDS)
        return found_in(stream, answer)

    async def _direct(self, stream: str, subject: str, where: Pointer | None) -> Found | None:
        payload = json.dumps({"seq": where.sequence}).encode() if where else b""
        answer = await self._ask(subject, payload, None, ANSWER_SECONDS)
        return found_in(stream, answer)

    async def request(self, subject: str, question: object, kind: type[T], seconds: float) -> T:
        """Ask another service; RefusedError carries its words, UnavailableError = no answer."""
        answer = await self._ask(subject, encode(question), None, seconds)
        problem = (answer.headers or {}).get("Postroom-Problem")
        if problem:
            raise AnsweredError(answer.data)
        return decode(answer.data, kind)

    async def serve(
        self, subject: str, handler: Callable[[bytes], Awaitable[tuple[bytes, bool]]]
    ) -> None:
        """Answer requests, each by one replica; `handler` returns (payload, is it a problem)."""

        async def answer(message: Msg) -> None:
            payload, problem = await handler(message.data)
            headers = {"Postroom-Problem": "1"} if problem else None
            with contextlib.suppress(nats.errors.Error):  # the asker will ask again
                await self.client.publish(message.reply, payload, headers=headers)

        async def on_message(message: Msg) -> None:
            task = asyncio.create_task(answer(message))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

        self._served.append(await self.client.subscribe(subject, queue=self.user, cb=on_message))
        await self.client.flush()

    def mention(self, subject: str, payload: bytes) -> None:
        """Say something soon to whoever listens now; it may be lost, and nobody is told."""

        async def say() -> None:
            with contextlib.suppress(nats.errors.Error, OSError):
                await self.client.publish(subject, payload)

        if self.client.is_connected:
            task = asyncio.create_task(say())
            self._mentions.add(task)
            task.add_done_callback(self._mentions.discard)

    async def stop_serving(self) -> None:
        """Take no more requests (a replica gets them), and answer those in hand within 4 s."""
        for served in self._served:
            with contextlib.suppress(nats.errors.Error, OSError):
                await served.unsubscribe()
        if self._answering:
            await asyncio.wait(set(self._answering), timeout=4)

    async def assert_streams(self, names: Sequence[str]) -> None:
        """OperatorError where a stream differs from the contract."""
        for name in names:
            info = await self.stream_info(name)
            wrong = differences(streams.stream(name), info["config"])
            if wrong:
                raise OperatorError(
                    f"stream {name} is not as the contract says: {'; '.join(wrong)}"
                )

    async def assert_streams_patiently(self, names: Sequence[str]) -> None:
        """The same, waiting for a broker that does not answer yet."""
        while True:
            try:
                return await self.assert_streams(names)
            except UnavailableError as error:
                self._log.warning("waiting for the broker", reason=str(error))
                await asyncio.sleep(0.3)

    async def close(self) -> None:
        """Close within 3 s, whatever state the connection is in."""
        self._closing = True
        # close() on a dead connection may end with CancelledError: give it a task of its own.
        task = asyncio.ensure_future(self.client.close())
        await asyncio.wait({task}, timeout=3)
        if not task.done():
            task.cancel()
