"""A process's sign of life for the System page; whoever misses one waits for the next."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from postroom_contract import subjects
from postroom_contract.beats import Beat, Peer
from postroom_contract.codec import encode
from postroom_runtime.bus import Bus
from postroom_runtime.process import Process

SECONDS: Final = 5.0


@dataclass(frozen=True)
class Said:
    """What a service says of its work."""

    numbers: dict[str, int]
    peers: tuple[Peer, ...] = ()


async def shine(
    process: Process,
    bus: Bus,
    asked: asyncio.Event | None = None,
    work: Callable[[], Said] | None = None,
) -> None:
    """Say every few seconds what this process is and how it is, and whenever `asked` is set."""
    started = process.clock.now()
    instance = f"{socket.gethostname()} {os.getpid()}"
    release = version(f"postroom-{process.name}")
    while True:
        said = work() if work else Said({})
        beat = Beat(
            service=process.name,
            instance=instance,
            version=release,
            started_at=started,
            reasons=process.health.reasons(),
            settings=process.settings.in_force(),
            numbers=said.numbers,
            peers=said.peers,
        )
        bus.mention(subjects.beat(process.name), encode(beat))
        if asked is None:
            await asyncio.sleep(SECONDS)
            continue
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                await asked.wait()
        asked.clear()
