"""One child process: started so that it cannot outlive us, its output taken line by line."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from postroom.embedded.identity import Identity

PR_SET_PDEATHSIG = 1
LONGEST_LINE_BYTES = 65_536
KEPT_LINES = 40
LAST_WORDS_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Command:
    """What to start, with its whole environment."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    identity: Identity = Identity()  # noqa: RUF009 - a frozen value without state
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends it when this process dies without stopping it."""


class Child:
    """A process that was started; `wait` and `stop` end it, nothing else does."""

    def __init__(
        self, process: asyncio.subprocess.Process, command: Command, on_line: Callable[[str], None]
    ) -> None:
        self._process = process
        self._command = command
        self._on_line = on_line
        self.last_lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._output = asyncio.create_task(self._read_lines())

    @classmethod
    async def start(cls, command: Command, on_line: Callable[[str], None]) -> Self:
        """Start `command` in a session of its own: Ctrl-C in the terminal reaches only us."""
        process = await asyncio.create_subprocess_exec(
            *command.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(command.environment),
            start_new_session=True,
            preexec_fn=dies_with_us(command.death_signal),
            user=command.identity.uid,
            group=command.identity.gid,
            extra_groups=None if command.identity.uid is None else [],
        )
        return cls(process, command, on_line)

    @property
    def pid(self) -> int:
        """The process id; stays the same after its end."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; minus the signal's number when a signal ended it."""
        return self._process.returncode

    async def wait(self) -> int:
        """Wait for its end, take its last words, end what it left behind in its session."""
        code = await self._process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        await asyncio.wait({self._output}, timeout=LAST_WORDS_SECONDS)
        self._output.cancel()
        return code

    async def stop(self, grace: float, hurry: asyncio.Event) -> int:
        """Ask it to stop; after `grace` seconds, or when `hurry` is set, kill it."""
        self._signal(self._command.stop_signal)
        ended = asyncio.create_task(self.wait())
        pressed = asyncio.create_task(hurry.wait())
        await asyncio.wait({ended, pressed}, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        pressed.cancel()
        if not ended.done():
            self._signal(signal.SIGKILL)
        return await ended

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def _read_lines(self) -> None:
        stream = self._process.stdout
        assert stream is not None, "stdout is a pipe"
        pending = b""
        while block := await stream.read(LONGEST_LINE_BYTES):
            *lines, pending = (pending + block).split(b"\n")
            if len(pending) >= LONGEST_LINE_BYTES:
                lines, pending = [*lines, pending], b""
            for line in lines:
                self._emit(line)
        if pending:
            self._emit(pending)

    def _emit(self, line: bytes) -> None:
        text = line.decode("utf-8", "backslashreplace").rstrip("\r")
        self.last_lines.append(text)
        self._on_line(text)


def dies_with_us(number: signal.Signals) -> Callable[[], None] | None:
    """What a child does before exec so that the kernel ends it with us; only Linux can."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # loaded here: not after the fork
    parent = os.getpid()

    def before_exec() -> None:
        prctl(PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:  # died between fork and prctl
            os._exit(1)

    return before_exec


def describe(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
