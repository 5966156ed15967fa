"""The life of a process: start, say what is wrong, drain on SIGTERM, end.

Law: a process ends by itself only for an operator's error, or when told to; anything else that
goes wrong is retried where it happens and shown by `/healthz/ready`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog
import uvloop

from postroom_runtime import logs
from postroom_runtime.clock import Clock
from postroom_runtime.errors import OperatorError
from postroom_runtime.health import Health, HealthServer
from postroom_runtime.settings import Settings

EXIT_OPERATOR_ERROR = 78
"""EX_CONFIG of sysexits.h."""
DRAIN_SECONDS = 12.0


@dataclass
class Process:
    """What a service is given to live with."""

    name: str
    settings: Settings
    clock: Clock
    health: Health
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _failure: BaseException | None = None
    _closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Run a long-lived task; if it fails, the process ends with that error."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def on_stop(self, closer: Callable[[], Awaitable[None]]) -> None:
        """Call `closer` when the process drains; the last added goes first."""
        self._closers.append(closer)

    def fail(self, error: BaseException) -> None:
        """End the process because of `error`."""
        if self._failure is None:
            self._failure = error
        self.stopping.set()

    def _on_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self.fail(error)

    async def _close(self) -> None:
        for closer in reversed(self._closers):
            await closer()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def live(self, start: Callable[["Process"], Awaitable[None]]) -> None:
        """Start, wait to be told to stop, drain; raises what made the process fail."""
        log = structlog.get_logger()
        # Before `start` has added its checks, an empty list of reasons would read as "ready".
        started = False
        self.health.add("start", lambda: None if started else "has not started yet")
        server = HealthServer(
            self.health,
            self.settings.text("HEALTH_HOST", "127.0.0.1"),
            self.settings.integer("HEALTH_PORT", 0, high=65_535),
        )
        await server.start()
        starting = asyncio.ensure_future(start(self))
        waiting = asyncio.ensure_future(self.stopping.wait())
        await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            if error := starting.exception():
                self.fail(error)
            started = True
            await waiting
        else:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        log.info("draining")
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._close()
        except TimeoutError:
            log.warning("drain took too long; what was in hand comes again after the restart")
        await server.stop()
        if self._failure is not None:
            raise self._failure
        log.info("stopped")


async def _live(name: str, settings: Settings, start: Callable[[Process], Awaitable[None]]) -> None:
    scale = settings.number("TIME_SCALE", 1.0, low=0.0001, high=1.0)
    process = Process(name, settings, Clock(scale), Health())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.stopping.set)
    await process.live(start)


def run(name: str, start: Callable[[Process], Awaitable[None]]) -> None:
    """Run a service to its end: exit 0 when told to stop, 78 for an operator's error, else 1."""
    settings = Settings(os.environ)
    logs.configure(os.environ.get("POSTROOM_LOG_FORMAT", "json"))
    try:
        uvloop.run(_live(name, settings, start))
    except OperatorError as error:
        structlog.get_logger().error(str(error))
        sys.exit(EXIT_OPERATOR_ERROR)
    except Exception:  # noqa: BLE001 - the last frame: logged whole, and the exit code says it
        structlog.get_logger().exception("ended by an error")
        sys.exit(1)
    sys.exit(0)
