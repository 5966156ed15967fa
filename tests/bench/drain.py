"""A consumer that only drains: what Postfix's discard is to Postfix. Run as `python -m bench.drain`."""

import asyncio
import os
import signal

from postroom_contract.streams import RULES_INTAKE
from postroom_runtime.bus import Bus
from postroom_runtime.consume import Consumer, Delivered
from postroom_runtime.settings import Settings


async def _take(_: Delivered) -> None:
    """Nothing is done; the ack follows."""


async def main() -> None:
    """Drain until told to stop."""
    bus = Bus.create("rules")
    await bus.connect(Settings(os.environ), lambda error: None)
    consumers = [Consumer(bus, spec, _take, concurrency=50) for spec in RULES_INTAKE]
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    running = [asyncio.create_task(one.run()) for one in consumers]
    await ended.wait()
    for one in running:
        one.cancel()
    await bus.close()


if __name__ == "__main__":
    asyncio.run(main())
