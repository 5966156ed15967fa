"""A running system whose outgoing mail goes to a sink."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support.client import Api
from support.dovecot import Dovecot
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
