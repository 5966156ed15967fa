"""Room for mail in hand: shared, given back, and no trap."""

import asyncio

from postroom_fetcher.handlers.room import Room


async def test_who_comes_late_waits_until_room_is_given_back() -> None:
    room = Room(100, patience=60)
    steps: list[str] = []

    async def one(name: str, size: int, go_on: asyncio.Event) -> None:
        async with room.taken(size):
            steps.append(name)
            await go_on.wait()

    first, second = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(one("a", 60, first))
        group.create_task(one("b", 60, second))
        group.create_task(one("c", 40, second))
        for _ in range(20):
            await asyncio.sleep(0)
        assert steps == ["a", "c"]
        first.set()
        for _ in range(20):
            await asyncio.sleep(0)
        assert steps == ["a", "c", "b"]
        second.set()


async def test_nobody_waits_for_ever() -> None:
    room = Room(100, patience=0.01)
    async with room.taken(100), asyncio.timeout(10), room.taken(1_000):
        pass
    async with asyncio.timeout(10), room.taken(100):
        pass
