"""A process that a test starts, and its handle: the only way to signal or end it."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from postroom.child import dies_with_us
from postroom.embedded.identity import Identity

ORDINARY = Identity()


class Process:
    """A running process with its log. Whoever starts it calls `kill9` or `terminate`."""

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        identity: Identity = ORDINARY,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.log_path = log
        self.argv = tuple(argv)
        self._stop_signal = stop_signal
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                list(argv),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=dies_with_us(signal.SIGKILL),  # noqa: PLW1509 - one prctl call, nothing that locks
                user=identity.uid,
                group=identity.gid,
                extra_groups=None if identity.uid is None else [],
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    @property
    def log(self) -> str:
        """All it has said so far."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def send(self, number: signal.Signals) -> None:
        """One signal to the process itself."""
        if self.running:
            self._popen.send_signal(number)

    def sigstop(self) -> None:
        """Freeze it and its children."""
        freeze(self.pid)

    def sigcont(self) -> None:
        thaw(self.pid)

    def kill9(self) -> None:
        """SIGKILL to it and to what it left in its session; waits for its end."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait(10)

    def terminate(self, deadline: float = 20.0) -> int:
        """Ask it to stop and wait; after `deadline` it is killed and the test fails."""
        if not self.running:
            return self._popen.returncode
        self.sigcont()
        self._popen.send_signal(self._stop_signal)
        return self.wait(deadline)

    def wait(self, deadline: float = 20.0) -> int:
        """Its exit code; killed, and an error, when it does not end in `deadline` seconds."""
        try:
            return self._popen.wait(deadline)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise AssertionError(f"{self.argv[:4]} did not end:\n{self.log[-3000:]}") from None


def freeze(pid: int) -> None:
    """SIGSTOP to a process and all its descendants."""
    for process in _family(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()


def thaw(pid: int) -> None:
    """SIGCONT to a process and all its descendants."""
    for process in _family(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
