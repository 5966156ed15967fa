"""A process is not ready before `start` has said what makes it so."""

import asyncio

from postroom_runtime.clock import Clock
from postroom_runtime.health import Health
from postroom_runtime.process import Process
from postroom_runtime.settings import Settings


async def test_not_ready_until_start_has_returned():
    process = Process("test", Settings({}), Clock(), Health())
    entered, release = asyncio.Event(), asyncio.Event()

    async def start(mine):
        entered.set()
        await release.wait()
        mine.health.add("part", lambda: "still opening")

    living = asyncio.create_task(process.live(start))
    async with asyncio.timeout(5):
        await entered.wait()
        assert list(process.health.reasons()) == ["start"]
        release.set()
        while "start" in process.health.reasons():
            await asyncio.sleep(0)
        assert process.health.reasons() == {"part": "still opening"}
        process.stopping.set()
        await living
