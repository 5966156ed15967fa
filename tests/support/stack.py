"""Services under test without `postroom up`: Postgres, NATS with streams, and chosen services."""

import itertools
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from postroom import services, tcp_ports
from postroom.config import Settings
from postroom.embedded import logins
from postroom.home import write_private
from postroom.probe import get
from postroom_runtime.sealing import public_key_of
from support.processes import Process
from support.servers import Database, Nats, Postgres
from support.waiting import eventually

READY_SECONDS = 30.0
MIGRATED = "migrated"


@dataclass
class ServiceHandle:
    """One started service."""

    name: str
    process: Process
    health_port: int
    environment: dict[str, str]

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return self.process.log

    def kill9(self) -> None:
        self.process.kill9()

    def sigstop(self) -> None:
        self.process.sigstop()

    def sigcont(self) -> None:
        self.process.sigcont()

    def terminate(self, deadline: float = 20.0) -> int:
        return self.process.terminate(deadline)

    async def wait_ready(self, deadline: float = READY_SECONDS) -> None:
        """Return when /healthz/ready answers 200; fail with its log when it ends before."""

        async def ready() -> bool:
            if not self.process.running:
                raise RuntimeError(f"{self.name} ended:\n{self.log[-4000:]}")
            answer = await get("127.0.0.1", self.health_port, "/healthz/ready")
            return answer is not None and answer.ok

        try:
            await eventually(ready, deadline, what=f"{self.name} is ready")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log[-4000:]}") from None


class Stack:
    """Postgres (a database of its own), NATS and the services that a test starts."""

    def __init__(self, directory: Path, postgres: Postgres, nats: Nats, database: Database) -> None:
        self.directory = directory
        self.postgres = postgres
        self.nats = nats
        self.database = database
        self.http_port = tcp_ports.choose()
        self.smtp_port = tcp_ports.choose(besides=(self.http_port,))
        self.handles: list[ServiceHandle] = []
        self._secrets = directory / "secrets"
        self._numbers = itertools.count(1)
        self._write_secrets()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def start_service(self, name: str, **env: str) -> ServiceHandle:
        """Start one (more) `name` in the surroundings that `up` would give it, plus `env`."""
        service = next(s for s in services.SERVICES if s.name == name)
        port = tcp_ports.choose()
        environment = services.environment(service, self._surroundings(env), port) | env
        log = self.directory / f"{name}-{next(self._numbers)}.log"
        process = Process([sys.executable, "-m", service.module], environment, log)
        handle = ServiceHandle(name, process, port, environment)
        self.handles.append(handle)
        return handle

    async def start(self, *names: str, **env: str) -> list[ServiceHandle]:
        """Start several and wait until all are ready."""
        handles = [self.start_service(name, **env) for name in names]
        for handle in handles:
            await handle.wait_ready()
        return handles

    def stop(self) -> None:
        """Stop what was started, newest first; a service that hangs is killed and reported."""
        hung = []
        for handle in reversed(self.handles):
            try:
                handle.terminate()
            except AssertionError as error:
                hung.append(str(error))
        assert not hung, "\n".join(hung)

    def _surroundings(self, env: dict[str, str]) -> services.Surroundings:
        caller = {n: v for n, v in os.environ.items() if not n.startswith("POSTROOM_")}
        caller |= {
            "POSTROOM_HOME": str(self.directory),
            "POSTROOM_HTTP_PORT": str(self.http_port),
            "POSTROOM_SMTP_PORT": str(self.smtp_port),
            "POSTROOM_ADMIN_EMAIL": "admin@example.org",
            "POSTROOM_ADMIN_PASSWORD": "correct horse",
            **env,
        }
        settings = Settings.from_environment(caller)
        return services.Surroundings(settings, self._secrets, self.nats.url)

    def _write_secrets(self) -> None:
        self._secrets.mkdir(parents=True, exist_ok=True)
        found = {services.nats_password(u): p for u, p in self.nats.passwords.items()}
        found |= database_secrets(self.database)
        found[services.TOKEN_KEYS] = "1:" + "5a" * 32
        found[services.COMMAND_TOKEN] = "prt_command"
        found[services.SESSION_KEY] = "a5" * 32
        found[services.SEALING_KEY] = "4d" * 32
        found[services.FETCHER_KEY] = "3c" * 32
        found[services.FETCHER_PUBLIC_KEY] = public_key_of("3c" * 32)
        for name, content in found.items():
            write_private(self._secrets / name, content + "\n")


def database_secrets(database: Database) -> dict[str, str]:
    """File name → database URL, as `up` writes them."""
    return {
        services.url_file(logins.OWNER): database.owner_url,
        services.url_file(logins.APP): database.app_url,
        services.url_file(logins.WORKER): database.worker_url,
        services.url_file(logins.FORUM): database.forum_url,
        services.url_file(logins.FETCH): database.fetch_url,
    }


def migrate(database: Database, directory: Path) -> None:
    """Run every migration as `up` does."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in database_secrets(database).items():
        write_private(directory / name, content + "\n")
    caller = {n: v for n, v in os.environ.items() if not n.startswith("POSTROOM_")}
    around = services.Surroundings(Settings.from_environment(caller), directory, "")
    for name in services.MIGRATIONS:
        module = "postroom_" + name.replace("-", "_")
        process = Process(
            [sys.executable, "-m", module, "migrate"],
            services.migration_environment(name, around),
            directory / f"migrate-{name}.log",
        )
        assert process.wait(60) == 0, process.log
