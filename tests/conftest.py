"""Fixtures for servers; each stops by its own handle what it started."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support import backends
from support.backends import Backend
from support.powercut import Disk, NoMountsError
from support.servers import Database, Nats, Postgres
from support.sink import Sink
from support.stack import MIGRATED, Stack, migrate
from support.system import System


def pytest_configure() -> None:
    """Give each of several test processes a range of ports of its own (see tcp_ports)."""
    backends.name()  # one that does not exist is said before anything runs
    # Each httpx client reads the authorities of the whole world, 30 ms: tests speak to nobody there.
    os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "support" / "no_authority.pem")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if worker:
        share = 10_000 // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        first = 20_000 + int(worker) * share
        os.environ["POSTROOM_PORTS"] = f"{first}-{first + share - 1}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what is about the other backend, and say so."""
    if reason := backends.left_out(item):
        pytest.skip(reason)


@pytest.fixture(scope="session")
def backend() -> Backend:
    """How Postgres and NATS are run: POSTROOM_TEST_BACKEND is `embedded` (default) or `containers`."""
    return backends.chosen()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory, backend: Backend) -> Iterator[Postgres]:
    """One Postgres for the session (fsync off); take a `database` from it, never stop it."""
    server = backend.postgres(tmp_path_factory.mktemp("postgres"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
async def empty_database(postgres: Postgres) -> AsyncIterator[Database]:
    """A database with the logins' rights and nothing in it."""
    database = await postgres.create_database()
    yield database
    await postgres.drop_database(database)


@pytest.fixture
async def database(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Database]:
    """A database with every migration, cloned from a template that is migrated once."""

    async def prepare(template: Database) -> None:
        await asyncio.to_thread(migrate, template, tmp_path_factory.mktemp("migrate"))

    made = await postgres.create_database(await postgres.template(MIGRATED, prepare))
    yield made
    await postgres.drop_database(made)


@pytest.fixture
def bare_nats(tmp_path: Path, backend: Backend) -> Iterator[Nats]:
    """A NATS server of this test alone, with the contract's users and no streams."""
    server = backend.nats(tmp_path)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
async def nats_server(bare_nats: Nats) -> Nats:
    """A NATS server of this test alone, with the contract's users, streams and consumers."""
    await bare_nats.provision()
    return bare_nats


@pytest.fixture
async def stack(
    tmp_path: Path, postgres: Postgres, nats_server: Nats, database: Database
) -> AsyncIterator[Stack]:
    """A migrated database, NATS with streams; the test starts the services it wants."""
    made = Stack(tmp_path, postgres, nats_server, database)
    try:
        yield made
    finally:
        await asyncio.to_thread(made.stop)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk of the test's own, mounted where `system` has its home; its power can fail."""
    made = Disk(tmp_path / "images", tmp_path / "home")
    try:
        made.make()
        yield made
    except NoMountsError as error:
        pytest.skip(str(error))
    finally:
        made.close()


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """`postroom up`, not started yet; stopped at the end."""
    made = System(tmp_path)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    """An SMTP server that takes every mail."""
    async with Sink() as server:
        yield server
