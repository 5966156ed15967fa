"""Postgres and NATS for tests: the embedded ones, in a temporary directory, on free ports.

`support.containers` has the same two, run in containers.
"""

import asyncio
import itertools
import os
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from postroom import tcp_ports
from postroom.embedded import logins
from postroom.embedded.identity import unprivileged
from postroom.embedded.nats import OPERATOR, NatsServer
from postroom.embedded.postgres import STOP_SIGNAL, PostgresServer
from postroom_contract.permissions import users
from postroom_runtime.provision import provision
from support.processes import Process
from support.waiting import eventually

READY_SECONDS = 30.0
SUPER_PASSWORD = "super-password"


async def ready(process: Process, waiting: Awaitable[None]) -> None:
    """Await `waiting`; fail with the log when the process ends first or the deadline passes."""
    task = asyncio.ensure_future(waiting)
    try:
        await eventually(lambda: task.done() or not process.running, READY_SECONDS)
        assert task.done(), "it ended"
        task.result()
    except AssertionError as error:
        raise RuntimeError(f"{error}\n{process.log[-3000:]}") from None
    finally:
        task.cancel()


@dataclass(frozen=True, slots=True)
class Database:
    """One database and the URL of each login."""

    name: str
    owner_url: str
    app_url: str
    worker_url: str
    forum_url: str
    fetch_url: str
    super_url: str


class Postgres:
    """One embedded Postgres server; many databases, made from templates."""

    def __init__(self, directory: Path, *, durable: bool = False) -> None:
        self.directory = directory
        self.server = self._make_server(durable=durable)
        self.passwords = {login: secrets.token_urlsafe(12) for login in logins.LOGINS}
        self.process: Process | None = None
        self._numbers = itertools.count(1)
        self._templates: dict[str, str] = {}

    def start(self) -> None:
        """Start it (again); logins are made on the way."""
        self.server.initialise()
        asyncio.run(ready(self._spawn(), self._prepare()))

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()

    async def create_database(self, template: str = "template1") -> Database:
        """A new database for one test, a copy of `template` (see `template`)."""
        name = f"test_{next(self._numbers)}"
        connection = await self.server.connect()
        try:
            await connection.execute(
                f'CREATE DATABASE "{name}" OWNER {logins.OWNER} TEMPLATE "{template}"'
            )
        finally:
            await connection.close()
        await self._grants(name)
        return self.database(name)

    async def drop_database(self, database: Database) -> None:
        connection = await self.server.connect()
        try:
            await connection.execute(f'DROP DATABASE "{database.name}" WITH (FORCE)')
        finally:
            await connection.close()

    async def template(self, key: str, prepare: Callable[[Database], Awaitable[None]]) -> str:
        """The name of a database that `prepare` has filled once; made the first time it is asked."""
        if key not in self._templates:
            database = await self.create_database()
            await prepare(database)
            self._templates[key] = database.name
        return self._templates[key]

    def database(self, name: str) -> Database:
        def url(login: str) -> str:
            return self.server.url(login, self.passwords[login], name)

        return Database(
            name,
            url(logins.OWNER),
            url(logins.APP),
            url(logins.WORKER),
            url(logins.FORUM),
            url(logins.FETCH),
            self.server.url("postroom_super", SUPER_PASSWORD, name),
        )

    def _make_server(self, *, durable: bool) -> PostgresServer:
        return PostgresServer(
            data=self.directory / "postgres",
            port=tcp_ports.choose(),
            password=SUPER_PASSWORD,
            identity=unprivileged(self.directory),
            durable=durable,
        )

    def _spawn(self) -> Process:
        self.process = Process(
            self.server.command(),
            os.environ,
            self.directory / "postgres.log",
            identity=self.server.identity,
            stop_signal=STOP_SIGNAL,
        )
        return self.process

    async def _prepare(self) -> None:
        await self.server.wait_until_ready()
        connection = await self.server.connect()
        try:
            await logins.ensure_logins(connection, self.passwords)
        finally:
            await connection.close()

    async def _grants(self, name: str) -> None:
        inside = await self.server.connect(name)
        try:
            await logins.ensure_grants(inside)
        finally:
            await inside.close()


@dataclass
class Nats:
    """One embedded NATS server with the contract's users and an empty store of its own."""

    directory: Path
    passwords: dict[str, str] = field(default_factory=dict)
    process: Process | None = None

    def __post_init__(self) -> None:
        allowed = users()
        self.passwords = {user: secrets.token_urlsafe(12) for user in allowed}
        port = tcp_ports.choose()
        self.server = NatsServer(
            directory=self.directory / "nats",
            port=port,
            monitor_port=tcp_ports.choose(besides=(port,)),
            users=allowed,
            passwords=self.passwords,
        )

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def operator(self) -> tuple[str, str]:
        """User and password of who may everything."""
        return OPERATOR, self.passwords[OPERATOR]

    def start(self) -> None:
        """Start it (again) on the same port and store."""
        asyncio.run(ready(self._spawn(), self.server.wait_until_ready()))

    async def start_again(self) -> None:
        """`start`, inside a running loop."""
        await ready(self._spawn(), self.server.wait_until_ready())

    def _spawn(self) -> Process:
        self.server.write_configuration()
        self.process = Process(self.server.command(), os.environ, self.directory / "nats.log")
        return self.process

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()

    async def provision(self) -> None:
        """Make the contract's streams and consumers."""
        await provision(self.url, *self.operator, intake_bytes=self.server.intake_bytes)
