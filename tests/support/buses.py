"""Buses under a service's real permissions, for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from postroom_runtime.bus import Bus
from postroom_runtime.settings import Settings
from support.servers import Nats


def fatal(error: BaseException) -> None:
    """A violation of permissions in a test is a failure of the test."""
    raise AssertionError(str(error))


@asynccontextmanager
async def connected(server: Nats, user: str) -> AsyncIterator[Bus]:
    """Give a bus connected as `user`."""
    bus = Bus.create(user)
    settings = {
        "POSTROOM_NATS_URL": server.url,
        "POSTROOM_NATS_USER": user,
        "POSTROOM_NATS_PASSWORD": server.passwords[user],
    }
    await bus.connect(Settings(settings), fatal)
    try:
        yield bus
    finally:
        await bus.close()
