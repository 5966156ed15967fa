"""A process that says that it is stuck is started anew when that makes sense, and once."""

import asyncio
import io
import os
from pathlib import Path

import pytest

from postroom.child import Command
from postroom.console import Console
from postroom.keeper import Keeper, Part
from support.waiting import eventually

SCRIPT = "n=$(cat lives 2>/dev/null || echo 0); echo $((n+1)) > lives; [ $n -gt 0 ] || { echo full; echo full; }; exec sleep 600"


@pytest.fixture
def console(tmp_path: Path):
    with Console(io.StringIO(), tmp_path, {}) as made:
        yield made


async def test_it_waits_for_its_time_and_ends_the_stuck_one(tmp_path: Path, console) -> None:
    room, asked = asyncio.Event(), asyncio.Event()

    async def until_room() -> None:
        asked.set()
        await room.wait()

    async def at_once() -> None:
        return

    command = Command(["sh", "-c", f"cd {tmp_path}; {SCRIPT}"], dict(os.environ))
    part = Part(
        name="broker", command=lambda: command, until_ready=at_once,
        is_stuck=lambda line: line == "full", until_worth_it=until_room,
    )  # fmt: skip
    keeper = Keeper(part, console, lambda: None)
    running = asyncio.create_task(keeper.run())
    try:
        async with asyncio.timeout(20):
            await asked.wait()
        first = keeper.pid
        assert first
        room.set()
        await eventually(lambda: keeper.pid not in {0, first}, what="another life")
        await eventually(lambda: (tmp_path / "lives").read_text().strip() == "2")
        assert keeper._renewing is None
    finally:
        await keeper.stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
