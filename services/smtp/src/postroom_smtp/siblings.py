"""More processes of this service behind the same ports, for machines with several cores.

Laws:
1. All accept from the sockets of the first: what one has not accepted when it dies, another does.
2. They drain when the first does, and end when it is gone, however it went: their input is a pipe
   that it holds.
3. One that ends is replaced, after a pause that grows; none accepts before it knows who is known.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from socket import socket
from typing import Final

import structlog
from prometheus_client import multiprocess

BESIDE: Final = "beside"
"""The first argument of a process that is not the first."""
METRICS: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus_client adds up what several processes count."""
STOP_SECONDS: Final = 15.0
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_LASTING_SECONDS: Final = 60.0
"""Who lived so long begins with the first pause again."""
Sockets = Mapping[str, Sequence[socket]]
"""The sockets that are listened on, by the name of their door."""


def told(arguments: Sequence[str]) -> Sockets:
    """Return the sockets that the first process passes on: `name:descriptor[,descriptor]`."""
    found = {}
    for one in arguments:
        name, _, descriptors = one.partition(":")
        found[name] = [socket(fileno=int(number)) for number in descriptors.split(",")]
    return found


def _words(sockets: Sockets) -> list[str]:
    return [f"{n}:{','.join(str(one.fileno()) for one in all_)}" for n, all_ in sockets.items()]


async def until_alone() -> None:
    """Return when the first process is gone."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


class Siblings:
    """Run `keep` for each number from 2 on; `stop` ends all of them."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._wanted: set[int] = set()
        self._stopping = False
        self._log = structlog.get_logger()

    @property
    def trouble(self) -> str | None:
        """Who is missing, for the operator."""
        missing = sorted(self._wanted - self._processes.keys())
        return f"process {', '.join(map(str, missing))} is being started" if missing else None

    async def keep(self, number: int) -> None:
        """Start it, and again whenever it ends."""
        self._wanted.add(number)
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE
        while not self._stopping:
            began = loop.time()
            code = await self._run(number)
            if self._stopping:
                return
            pause = _FIRST_PAUSE if loop.time() - began > _LASTING_SECONDS else pause
            self._log.error("process ended", number=number, code=code, again_in=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def stop(self) -> None:
        """Let all drain, and wait for that."""
        self._stopping = True
        running = list(self._processes.values())
        for one in running:
            with contextlib.suppress(ProcessLookupError):
                one.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await asyncio.gather(*(one.wait() for one in running))

    async def _run(self, number: int) -> int | None:
        """Return its exit code; None: it could not be started."""
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", __package__, BESIDE, *_words(self._sockets)),
                stdin=asyncio.subprocess.PIPE,
                env={**os.environ, "POSTROOM_HEALTH_PORT": "0"},
                pass_fds=[one.fileno() for all_ in self._sockets.values() for one in all_],
            )
        except OSError as error:
            self._log.error("no further process", number=number, reason=str(error))
            return None
        self._processes[number] = process
        try:
            return await process.wait()
        finally:
            del self._processes[number]
            if METRICS in os.environ:
                multiprocess.mark_process_dead(process.pid)  # type: ignore[no-untyped-call]
