"""The whole of it as users start it: `postroom up` with a home of its own on free ports."""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from postroom import tcp_ports
from postroom.home import Home, State
from postroom.status import Status, look
from support.names import LocalNames
from support.processes import Process, freeze, thaw
from support.waiting import eventually

START_SECONDS = 60.0
BANNER = "Ctrl-C"
DROPPED = ("POSTROOM_", "NO_COLOR", "PYTEST_", "SSL_CERT_FILE")


class System:
    """One `postroom up`. Use `start` and `stop`; between them `home` keeps everything."""

    def __init__(self, directory: Path, environment: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self.home = Home(directory / "home")
        self.http_port = tcp_ports.choose()
        self.smtp_port = tcp_ports.choose(besides=(self.http_port,))
        self.admin_email = "admin@example.org"
        self.admin_password = "correct horse " + secrets.token_hex(4)
        self.admin_token = "test_" + secrets.token_hex(24)
        self._extra = dict(environment or {})
        self.process: Process | None = None
        self.names: LocalNames | None = None
        """Its DNS, while it runs: nobody else is asked."""
        self._starts = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What `postroom` is started with; a value None in `environment` leaves a name out."""
        kept = {n: v for n, v in os.environ.items() if not n.startswith(DROPPED)}
        own = {
            "POSTROOM_HOME": str(self.home.path),
            "POSTROOM_HTTP_PORT": str(self.http_port),
            "POSTROOM_SMTP_PORT": str(self.smtp_port),
            "POSTROOM_ADMIN_EMAIL": self.admin_email,
            "POSTROOM_ADMIN_PASSWORD": self.admin_password,
            "POSTROOM_ADMIN_TOKEN": self.admin_token,
        }
        own |= {n: v for n, v in os.environ.items() if n == "POSTROOM_PORTS"}
        if self.names is not None:
            own["POSTROOM_SMTP_NAMESERVERS"] = self.names.where
        return {**kept, **own, **self._extra}

    def begin_as(self, other: "System") -> None:
        """Take over the home of one that was started once and stopped: saves making it anew."""
        subprocess.run(["cp", "-a", other.home.path, self.home.path], check=True)
        (self.home.path / "state.json").unlink(missing_ok=True)  # its ports were another's
        self.admin_email, self.admin_password = other.admin_email, other.admin_password

    def start(self) -> None:
        """Start it and return at once; see `wait_ready`."""
        self._starts += 1
        self.names = self.names or LocalNames()
        self.process = self.command("up", log=f"up-{self._starts}.log")

    def command(self, *arguments: str, log: str = "command.log") -> Process:
        """Run `postroom <arguments>` in this system's environment."""
        argv = [sys.executable, "-m", "postroom", *arguments]
        return Process(argv, self.environment, self.directory / log)

    async def wait_ready(self, deadline: float = START_SECONDS) -> None:
        """Return when the banner is shown; fail with the log when `up` ends before."""

        def shown() -> bool:
            assert self.process is not None
            if BANNER in self.process.log:
                return True
            if not self.process.running:
                raise RuntimeError(f"`up` ended:\n{self.process.log[-4000:]}")
            return False

        try:
            await eventually(shown, deadline, what="`up` is ready")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log[-4000:]}") from None

    @property
    def log(self) -> str:
        """What the last `up` has said."""
        return self.process.log if self.process else ""

    @property
    def state(self) -> State:
        return self.home.read_state()

    def pid(self, name: str) -> int:
        """The pid of a child at this moment: postgres, nats, or a service; 0 when it is down."""
        return next((child.pid for child in self.state.children if child.name == name), 0)

    def kill9(self, name: str) -> int:
        """Kill a child; return the pid it had."""
        pid = self.pid(name)
        assert pid, f"{name} does not run"
        os.kill(pid, signal.SIGKILL)
        return pid

    def sigstop(self, name: str) -> None:
        """Freeze a child and its descendants (Postgres: every backend)."""
        freeze(self.pid(name))

    def sigcont(self, name: str) -> None:
        thaw(self.pid(name))

    async def back(self, name: str, killed: int, deadline: float = 20.0) -> int:
        """Wait until a killed child runs again and is ready; return its new pid."""

        async def ready() -> bool:
            parts = {part.name: part for part in (await self.look()).parts}
            return parts[name].ready and parts[name].pid not in {0, killed}

        await eventually(ready, deadline, what=f"{name} is back")
        return self.pid(name)

    async def look(self) -> Status:
        """What `postroom status` would say, without a process for each time of asking."""
        return await look(self.home)

    def status(self) -> dict[str, Any]:
        """What `postroom status --json` says."""
        log = self.directory / "status.log"
        log.unlink(missing_ok=True)
        self.command("status", "--json", log=log.name).wait()
        found: dict[str, Any] = json.loads(log.read_text())
        return found

    def interrupt(self, deadline: float = 30.0) -> int:
        """Ctrl-C; the exit code."""
        assert self.process is not None
        self.process.send(signal.SIGINT)
        return self.process.wait(deadline)

    def stop(self) -> None:
        """Stop it if it runs, thawing what a test froze."""
        if self.names is not None:
            self.names.stop()
            self.names = None
        if self.process is None or not self.process.running:
            return
        for child in self.state.children:
            if child.pid:
                thaw(child.pid)
        self.process.terminate(40.0)
