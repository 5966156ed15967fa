"""The outbox by key on a real database and broker."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from postroom_contract import subjects
from postroom_contract.mail import Pointer
from postroom_runtime.bus import Bus
from postroom_runtime.messages import Publication
from postroom_runtime.outbox import Relay
from postroom_runtime.postgres import Database
from support.buses import connected

TABLE = "config.outbox"
STREAM = f"KV_{subjects.CONFIG_BUCKET}"


class Outbox:
    """Keys are noted; each leads to `<key>.0` and `<key>.1`, the latter once its gate is open."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self.database, self.bus = database, bus
        self.gates: dict[str, asyncio.Event] = {}

    def relay(self, batch: int = 50) -> Relay:
        return Relay(self.database, self.bus, TABLE, self._read, batch=batch)

    async def _read(self, keys: Sequence[str]) -> list[list[Publication]]:
        for key in keys:
            if key in self.gates:
                await self.gates[key].wait()
        return [
            [Publication(subjects.config(f"{key}.{n}"), b"x", None) for n in (0, 1)] for key in keys
        ]

    async def note(self, *keys: str) -> None:
        async with self.database.transaction() as connection:
            for key in keys:
                await connection.execute(f"INSERT INTO {TABLE} (key) VALUES ($1)", key)

    async def published(self) -> list[str]:
        last = (await self.bus.stream_info(STREAM))["state"]["last_seq"]
        found = [await self.bus.get(Pointer(STREAM, n)) for n in range(1, last + 1)]
        return [one.subject.rpartition("config.")[2] for one in found if one is not None]


@pytest.fixture
async def outbox(database: Any, nats_server: Any) -> AsyncIterator[Outbox]:
    worker = Database(database.worker_url, "worker")
    async with connected(nats_server, "api") as bus:
        yield Outbox(worker, bus)
    await worker.close()


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[Callable[[float], Any]]:
    task = asyncio.create_task(relay.run())
    try:
        yield relay.settled
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_was_noted_is_published_in_the_order_of_each_key(outbox: Outbox) -> None:
    await outbox.note(*(f"k{n}" for n in range(120)))
    async with running(outbox.relay()) as settled:
        assert await settled(10)
        found = await outbox.published()
    assert sorted(found) == sorted(f"k{n}.{m}" for n in range(120) for m in (0, 1))
    assert all(found.index(f"k{n}.0") < found.index(f"k{n}.1") for n in range(120))


async def test_settled_waits_for_what_was_noted_before_and_for_nothing_else(
    outbox: Outbox,
) -> None:
    outbox.gates["later"] = asyncio.Event()
    async with running(outbox.relay(batch=1)) as settled:
        await outbox.note("first")
        assert await settled(10)
        await outbox.note("mine", "later")
        begun = asyncio.create_task(settled(0.5))
        assert await begun is False, "what was noted before is not published yet"
        outbox.gates["later"].set()
        assert await settled(10)
    assert await outbox.published() == [
        f"{k}.{n}" for k in ("first", "mine", "later") for n in (0, 1)
    ]


async def test_settled_does_not_wait_for_what_comes_after(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.gates["mine"], outbox.gates["later"] = asyncio.Event(), asyncio.Event()
    relay = outbox.relay(batch=1)
    looked = asyncio.Event()
    ask = relay._ask

    async def asked(*question: Any) -> Any:
        answer = await ask(*question)
        looked.set()
        return answer

    monkeypatch.setattr(relay, "_ask", asked)
    async with running(relay) as settled:
        await outbox.note("mine")
        waiting = asyncio.create_task(settled(10))
        await looked.wait()
        await outbox.note("later")
        outbox.gates["mine"].set()
        assert await waiting
        assert "later.0" not in await outbox.published()
        outbox.gates["later"].set()


async def test_a_relay_that_is_not_alone_waits_for_the_other(outbox: Outbox) -> None:
    await outbox.note("a", "b")
    async with running(outbox.relay()):
        assert await outbox.relay().settled(10)
    assert len(await outbox.published()) == 4
