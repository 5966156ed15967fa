"""The operator's hands on a running system: its broker and its database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from postroom import services
from postroom.embedded import logins
from postroom_runtime.bus import Bus
from postroom_runtime.provision import provision
from postroom_runtime.settings import Settings
from support.buses import fatal
from support.system import System


def _secret(system: System, name: str) -> str:
    return (system.home.path / "secrets" / name).read_text(encoding="utf-8").strip()


def nats_url(system: System) -> str:
    """Where the system's broker listens now."""
    return f"nats://127.0.0.1:{system.state.nats_port}"


@asynccontextmanager
async def broker(system: System) -> AsyncIterator[Bus]:
    """Give a bus that may everything."""
    password = _secret(system, services.nats_password("operator"))
    async with broker_at(nats_url(system), password) as bus:
        yield bus


@asynccontextmanager
async def broker_at(url: str, password: str) -> AsyncIterator[Bus]:
    """Give a bus to any broker that may everything, with the operator's password."""
    bus = Bus.create("operator")
    settings = {"POSTROOM_NATS_URL": url, "POSTROOM_NATS_PASSWORD": password}
    await bus.connect(Settings(settings), fatal)
    try:
        yield bus
    finally:
        await bus.close()


async def provision_again(system: System) -> None:
    """Make the streams and consumers that are missing."""
    password = _secret(system, services.nats_password("operator"))
    await provision(nats_url(system), "operator", password)


@asynccontextmanager
async def forum_database(system: System) -> AsyncIterator[asyncpg.Connection]:
    """Give a connection as the forum-bridge's login."""
    connection = await asyncpg.connect(_secret(system, services.url_file(logins.FORUM)))
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def database(system: System) -> AsyncIterator[asyncpg.Connection]:
    """Give a connection that row level security does not bind."""
    connection = await asyncpg.connect(_secret(system, services.url_file(logins.WORKER)))
    try:
        yield connection
    finally:
        await connection.close()
