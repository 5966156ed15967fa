from collections.abc import AsyncIterator, Iterator

import pytest

from support import dovecot as harness
from support.buses import connected
from support.dovecot import Dovecot
from support.fetching import Office
from support.stack import Stack


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    """A running Dovecot with an empty mailbox."""
    if needed := harness.missing():
        pytest.skip(f"needs {needed}")
    server = Dovecot()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
async def office(stack: Stack) -> AsyncIterator[Office]:
    """The operator's hands on the stack's broker."""
    async with connected(stack.nats, "operator") as bus:
        yield Office(bus)
