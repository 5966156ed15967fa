"""Running systems whose outgoing mail goes to a sink: one for many tests, or one for each."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support.client import Api
from support.dovecot import Dovecot
from support.sharing import Account, Shared, StandingSink
from support.sink import Sink
from support.system import System


@pytest.fixture(scope="session")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> System:
    """One that was started once and stopped: its home is what the others begin with."""
    made = System(tmp_path_factory.mktemp("untouched"))
    made.start()
    try:
        asyncio.run(made.wait_ready())
    finally:
        made.stop()
    return made


@pytest.fixture
async def running(tmp_path: Path, sink: Sink, untouched: System) -> AsyncIterator[System]:
    """`postroom up` with a relay, ready."""
    made = System(tmp_path, {"POSTROOM_RELAY": sink.relay})
    made.begin_as(untouched)
    made.start()
    try:
        await made.wait_ready()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, untouched: System) -> Iterator[Shared]:
    """One `postroom up` for all tests that keep to an account, or to names, of their own."""
    with StandingSink() as standing:
        made = System(tmp_path_factory.mktemp("shared"), {"POSTROOM_RELAY": standing.sink.relay})
        made.begin_as(untouched)
        made.start()
        try:
            asyncio.run(made.wait_ready())
            yield Shared(made, standing.sink)
        finally:
            made.stop()


@pytest.fixture
async def account(shared: Shared) -> AsyncIterator[Account]:
    """An account of the test's own in the shared system."""
    made = await shared.account()
    yield made
    await made.api.client.aclose()


@pytest.fixture
def server() -> Iterator[Dovecot]:
    """A Dovecot that serves IMAP and POP3."""
    made = Dovecot()
    made.start()
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture
async def api(running: System) -> AsyncIterator[Api]:
    async with Api(running) as client:
        yield client
