"""Postgres and NATS in containers, with the promises of `support.servers`.

Laws:
- A container's ports are published on 127.0.0.1 only.
- Its data lies in the test's directory, which it sees under the same path: a server that is
  started again finds it, and its command line is the embedded one.
- A container that has ended is removed; its log stays in the test's directory.
"""

import asyncio
import json
import os
import signal
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

import asyncpg
import requests
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from postroom import tcp_ports
from postroom.embedded.postgres import INITDB_SECONDS, POLL_SECONDS, STOP_SIGNAL, PostgresServer
from postroom.embedded.postgres import binary as postgres_binary
from postroom.home import write_private
from support import images
from support.servers import SUPER_PASSWORD, Nats, Postgres

LOOPBACK = "127.0.0.1"
EVERYWHERE = "0.0.0.0"  # in the container's own network: what is published is the engine's choice
RUN = "postroom.test-run"
RUN_VARIABLE = "POSTROOM_TEST_RUN"


class ContainerProcess:
    """The one process of a container: what `processes.Process` is to a program, but for its pid."""

    def __init__(
        self,
        image: str,
        argv: Sequence[str],
        log: Path,
        *,
        user: str,
        ports: Sequence[int] = (),
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.log_path = log
        self.argv = tuple(argv)
        self._code: int | None = None
        # Its reaper would have to be pulled; handles remove, and `container_run` sweeps.
        testcontainers_config.ryuk_disabled = True
        self._container = (
            DockerContainer(image)
            .with_command(list(argv))
            .with_volume_mapping(log.parent, str(log.parent), "rw")
            .with_kwargs(user=user, stop_signal=stop_signal.name, labels=labels())
        )
        # `with_bind_ports` knows ports only, and would publish them on every address.
        self._container.ports |= {f"{port}/tcp": (LOOPBACK, port) for port in ports}
        try:
            self._container.start()
        except BaseException:
            self._container.stop()
            raise

    @property
    def container_id(self) -> str:
        return self._container.get_container_id()

    @property
    def running(self) -> bool:
        return self._code is None and self._status() not in {"exited", "dead"}

    @property
    def log(self) -> str:
        """All it has said so far."""
        before = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return before if self._code is not None else before + self._said().decode(errors="replace")

    def sigstop(self) -> None:
        """Freeze it and its children."""
        self._container.get_wrapped_container().pause()

    def sigcont(self) -> None:
        if self._code is None and self._status() == "paused":
            self._container.get_wrapped_container().unpause()

    def kill9(self) -> None:
        """SIGKILL to all of it; waits for its end."""
        if self.running:
            self.sigcont()  # an engine kills nobody who is frozen
            self._container.get_wrapped_container().kill(signal.SIGKILL)
        self.wait()

    def terminate(self, deadline: float = 20.0) -> int:
        """Ask it to stop and wait; after `deadline` it is killed and the test fails."""
        asked = self.running
        if asked:
            self.sigcont()
            self._container.get_wrapped_container().stop(timeout=int(deadline))
        code = self.wait()
        killed = asked and code == 128 + signal.SIGKILL
        assert not killed, f"{self.argv[:4]} did not end:\n{self.log[-3000:]}"
        return code

    def wait(self, deadline: float = 20.0) -> int:
        """Its exit code; then it is removed. Killed, and an error, after `deadline` seconds."""
        if self._code is not None:
            return self._code
        container = self._container.get_wrapped_container()
        try:
            self._code = int(container.wait(timeout=deadline)["StatusCode"])
        except requests.exceptions.RequestException:
            self._code = 128 + signal.SIGKILL
            raise AssertionError(f"{self.argv[:4]} did not end:\n{self._said()[-3000:]}") from None
        finally:
            with self.log_path.open("ab") as log:
                log.write(self._said())
            self._container.stop()  # testcontainers' word for "remove", killed if need be
        return self._code

    def _status(self) -> str:
        self._container.reload()
        return self._container.status

    def _said(self) -> bytes:
        return self._container.get_wrapped_container().logs()


def labels(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """By what `container_run` knows the containers of its run."""
    return {RUN: environ.get(RUN_VARIABLE, "by hand")}


class ContainedPostgresServer(PostgresServer):
    """The embedded one's command lines, for the image."""

    def initdb_command(self, making: Path, password_file: Path) -> list[str]:
        return _in_image(super().initdb_command(making, password_file))

    def command(self) -> list[str]:
        return [*_in_image(super().command()), "-c", f"listen_addresses={EVERYWHERE}"]

    async def wait_until_ready(self) -> None:
        while True:
            try:
                await super().wait_until_ready()
            except asyncpg.ConnectionDoesNotExistError:
                # The engine listens first, and hangs up while there is nobody behind it.
                await asyncio.sleep(POLL_SECONDS)
            else:
                return

    def start(self, log: Path, argv: list[str], *, ports: Sequence[int] = ()) -> ContainerProcess:
        """Run one of the command lines above in a container."""
        return ContainerProcess(
            images.postgres_image(),
            argv,
            log,
            user=f"{self.identity.uid}:{self.identity.gid}",
            ports=ports,
            stop_signal=STOP_SIGNAL,
        )

    def _initdb(self, making: Path, password_file: Path) -> None:
        log = self.data.with_name("initdb.log")
        made = self.start(log, self.initdb_command(making, password_file))
        assert made.wait(INITDB_SECONDS) == 0, made.log
        with (making / "pg_hba.conf").open("a") as file:
            # To the container we are not on its loopback.
            file.write("host all all all scram-sha-256\n")


class ContainedPostgres(Postgres):
    """One Postgres server in a container; many databases, made from templates."""

    def _make_server(self, *, durable: bool) -> ContainedPostgresServer:
        # Only passing through, when it runs as `nobody`: the data directory stays 0700.
        self.directory.chmod(self.directory.stat().st_mode | stat.S_IXOTH)
        return ContainedPostgresServer(
            data=self.directory / "postgres",
            port=tcp_ports.choose(),
            password=SUPER_PASSWORD,
            identity=images.owner(),
            durable=durable,
        )

    def _spawn(self) -> ContainerProcess:
        log = self.directory / "postgres.log"
        self.process = self.server.start(log, self.server.command(), ports=[self.server.port])
        return self.process


class ContainedNats(Nats):
    """One NATS server in a container, with the contract's users and an empty store of its own."""

    def _spawn(self) -> ContainerProcess:
        server = self.server
        path = server.write_configuration()
        configuration = json.loads(path.read_text())
        configuration["listen"] = f"{EVERYWHERE}:{server.port}"
        configuration["http"] = f"{EVERYWHERE}:{server.monitor_port}"
        write_private(path, json.dumps(configuration))
        self.process = ContainerProcess(
            images.nats_image(),
            [images.NATS_PROGRAM, *server.command()[1:]],
            self.directory / "nats.log",
            user=f"{os.geteuid()}:{os.getegid()}",
            ports=[server.port, server.monitor_port],
        )
        return self.process


def _in_image(argv: list[str]) -> list[str]:
    """The same command line with the image's program; `start` says as whom it runs."""
    program = Path(argv[0])
    assert program.parent == postgres_binary("postgres").parent, argv
    return [f"{images.POSTGRES_PROGRAMS}/{program.name}", *argv[1:]]
