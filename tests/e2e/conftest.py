"""A running system whose outgoing mail goes to a sink."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.client import Api
from support.sink import Sink
from support.system import System


@pytest.fixture
async def running(tmp_path: Path, sink: Sink) -> AsyncIterator[System]:
    """`postroom up` with a relay, ready."""
    made = System(tmp_path, {"POSTROOM_RELAY": sink.relay})
    made.start()
    try:
        await made.wait_ready()
        yield made
    finally:
        made.stop()


@pytest.fixture
async def api(running: System) -> AsyncIterator[Api]:
    async with Api(running) as client:
        yield client
