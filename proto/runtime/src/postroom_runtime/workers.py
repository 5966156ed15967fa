"""Worker processes for work that hostile input can make endless, or fatal.

Laws:
1. A task that takes more than its limits costs its worker, which is replaced, and nothing else:
   the event loop, the service and the other tasks go on.
2. A task is refused only for what it did itself. When its worker was killed from outside, or got
   no CPU (a frozen or crowded machine), it is done once more in another worker before that.

A worker is a process of its own and not a fork: a fork of a process with threads and connections
can deadlock, and would carry the service's secrets.

Frames: a task is its length (4 octets) and its octets; an answer is `worker.REPLY` and a payload.
"""

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec
import structlog
from prometheus_client import Counter

from postroom_runtime import worker
from postroom_runtime.errors import RefusedError, UnavailableError

T = TypeVar("T")

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 2.0
MAX_ANSWER: Final = 64 * 1024 * 1024
_KEPT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ")
"""Of the environment: a worker that is taken over finds no secret in its own."""
_TICKS = os.sysconf("SC_CLK_TCK")

_ended = Counter("postroom_workers_ended_total", "Workers that were replaced", ["target", "reason"])


@dataclass(frozen=True, slots=True)
class Limits:
    """What one task may take."""

    wall_seconds: float = 5.0
    cpu_seconds: float = 5.0
    memory: int = 512 * 1024 * 1024
    """Octets of address space above what the worker needs without a task."""


class _TaskError(Exception):
    """The worker has to be replaced. `blameless`: it was not (for sure) the task's doing."""

    def __init__(self, reason: str, *, blameless: bool = False) -> None:
        super().__init__(reason)
        self.blameless = blameless


class _Worker:
    """One process; `exchange` is for one task at a time."""

    def __init__(self, process: asyncio.subprocess.Process, limits: Limits) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._limits = process, limits
        self._in, self._out = process.stdin, process.stdout
        self._cpu = 0.0

    @classmethod
    async def start(cls, target: str, limits: Limits) -> "_Worker":
        """Return a worker that has imported its function; UnavailableError when there is none."""
        arguments = (target, str(limits.cpu_seconds), str(limits.memory))
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", worker.__name__, *arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={name: os.environ[name] for name in _KEPT if name in os.environ},
                # Ctrl-C in a terminal goes to the service, which drains before its workers end.
                start_new_session=True,
            )
        except OSError as error:
            raise UnavailableError(f"a worker for {target} cannot be started: {error}") from error
        made = cls(process, limits)
        try:
            async with asyncio.timeout(START_SECONDS):
                await made._answer()
        except BaseException as error:
            made.kill()
            await made.ended()
            if isinstance(error, (TimeoutError, OSError, asyncio.IncompleteReadError)):
                reason = f"a worker for {target} did not start ({error!r})"
                raise UnavailableError(reason) from error
            raise
        return made

    async def exchange(self, data: bytes) -> tuple[int, bytes]:
        """Return kind and payload of the answer; _TaskError when the worker is of no more use."""
        try:
            async with asyncio.timeout(self._limits.wall_seconds):
                self._in.write(worker.LENGTH.pack(len(data)) + data)
                await self._in.drain()
                return await self._answer()
        except TimeoutError:
            starved = self._cpu_used() < self._limits.wall_seconds / 2
            reason = f"took more than {self._limits.wall_seconds:g} s"
            raise _TaskError(reason, blameless=starved) from None
        except (OSError, asyncio.IncompleteReadError):
            raise await self._death() from None

    async def _answer(self) -> tuple[int, bytes]:
        head = await self._out.readexactly(worker.REPLY.size)
        kind, self._cpu, length = worker.REPLY.unpack(head)
        if length > MAX_ANSWER:
            raise _TaskError(f"gave more than {MAX_ANSWER >> 20} MB")
        return kind, await self._out.readexactly(length)

    async def _death(self) -> _TaskError:
        code = await self.ended()
        if code == -signal.SIGXCPU:
            return _TaskError(f"took more than {self._limits.cpu_seconds:g} s of CPU time")
        return _TaskError(f"ended its worker (exit code {code})", blameless=True)

    def _cpu_used(self) -> float:
        """Return the seconds of CPU since the last answer."""
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii")
            times = stat.rpartition(")")[2].split()[11:13]  # utime and stime, proc(5)
            return sum(map(int, times)) / _TICKS - self._cpu
        return 0.0

    def kill(self) -> None:
        """End it now; `ended` waits for that."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def ended(self) -> int:
        """Close its input, wait, kill it if need be; its exit code."""
        self._in.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                return await self._process.wait()
        except TimeoutError:
            self.kill()
            return await self._process.wait()


class WorkerPool(Generic[T]):
    """Runs `target` ("module:function", from bytes to a msgspec value) in `size` processes.

    `what` says what a task is in the words of its errors, e.g. "reading the mail".
    """

    def __init__(
        self,
        target: str,
        result: type[T],
        *,
        what: str,
        size: int = 2,
        limits: Limits | None = None,
    ) -> None:
        self._target, self._what, self._size = target, what, size
        self._limits = limits or Limits()
        self._decoder = msgspec.msgpack.Decoder(result)
        # The worker used last comes first: it is warm, and the others may stay swapped out.
        self._idle: asyncio.LifoQueue[_Worker | None] = asyncio.LifoQueue()
        self._all: set[_Worker] = set()
        self._renewals: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._log = structlog.get_logger().bind(target=target)

    def defer(self) -> None:
        """Let all workers be started when they are first needed."""
        for _ in range(self._size):
            self._idle.put_nowait(None)

    async def start(self) -> None:
        """Start one, the others when they are first needed; UnavailableError when it cannot be."""
        first = await self._start()
        for one in (*[None] * (self._size - 1), first):
            self._idle.put_nowait(one)

    async def stop(self) -> None:
        """End all workers. Who still waits for an answer gets UnavailableError."""
        self._stopping = True
        for task in self._renewals:
            task.cancel()
        await asyncio.gather(*self._renewals, return_exceptions=True)
        await asyncio.gather(*(one.ended() for one in self._all))
        self._all.clear()

    async def call(self, data: bytes) -> T:
        """Return what the function makes of `data`.

        RefusedError: it went beyond a limit, raised, or ended its worker twice; the same input
        will do so again. UnavailableError: there is no worker now; later helps.
        """
        try:
            return await self._attempt(data)
        except _TaskError as error:
            if not error.blameless:
                raise RefusedError(f"{self._what} {error}") from None
        try:
            return await self._attempt(data)
        except _TaskError as error:
            raise RefusedError(f"{self._what} {error}, twice") from None

    async def _attempt(self, data: bytes) -> T:
        mine = await self._idle.get()
        good = False
        try:
            if self._stopping:
                raise UnavailableError("the workers are being stopped")
            mine = mine or await self._start()
            kind, payload = await mine.exchange(data)
            if kind == worker.MEMORY:
                raise _TaskError(f"took more than {self._limits.memory >> 20} MB of memory")  # noqa: TRY301 - one way out for all ends of a worker
            good = True
        except _TaskError as error:
            if self._stopping:
                raise UnavailableError("the workers are being stopped") from error
            self._log.warning("worker replaced", reason=str(error), octets=len(data))
            _ended.labels(self._target, "starved or killed" if error.blameless else "limit").inc()
            raise
        finally:
            self._give_back(mine, good=good)
        # Whoever waits hands the worker its next task before this answer is made use of.
        await asyncio.sleep(0)
        if kind == worker.FAILED:
            raise RefusedError(f"{self._what} failed: {payload.decode('utf-8', 'replace')}")
        return self._decoder.decode(payload)

    def _give_back(self, used: _Worker | None, *, good: bool) -> None:
        if good:
            self._idle.put_nowait(used)
            return
        if used is not None:
            used.kill()
        task = asyncio.create_task(self._renew(used))
        self._renewals.add(task)
        task.add_done_callback(self._renewals.discard)

    async def _renew(self, old: _Worker | None) -> None:
        new: _Worker | None = None
        try:
            if old is not None:
                await old.ended()
                self._all.discard(old)
            if not self._stopping:
                new = await self._start()
        except UnavailableError as error:
            self._log.error("no new worker", reason=str(error))  # the next call tries again
        finally:
            self._idle.put_nowait(new)

    async def _start(self) -> _Worker:
        made = await _Worker.start(self._target, self._limits)
        self._all.add(made)
        return made
