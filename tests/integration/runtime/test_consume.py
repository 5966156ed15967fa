"""Consumers: nothing is lost, nothing blocks, and what cannot be handled is set aside."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from postroom_contract import subjects
from postroom_contract.codec import decode, encode
from postroom_contract.commands import Redo, SetAside, subject_of
from postroom_contract.mail import Pointer
from postroom_contract.streams import RULES_COMMANDS, RULES_INTAKE
from postroom_runtime.bus import Bus
from postroom_runtime.consume import Consumer, Delivered, Handler, original_of, retry_pause
from postroom_runtime.errors import NotYetError, RefusedError, UnavailableError
from postroom_runtime.messages import Publication
from support.buses import connected, worked_off
from support.servers import Nats
from support.waiting import eventually

INTAKE = subjects.intake(0, "acc_a", "mbx_a")
QUICK = msgspec.structs.replace(RULES_INTAKE[0], tries=2)


@asynccontextmanager
async def consuming(bus: Bus, handler: Handler, spec=QUICK) -> AsyncIterator[Consumer]:
    consumer = Consumer(bus, spec, handler, concurrency=4)
    task = asyncio.create_task(consumer.run())
    try:
        yield consumer
    finally:
        await consumer.stop()
        await task


async def put(bus: Bus, *names: str) -> None:
    for name in names:
        await bus.publish(Publication(INTAKE, name.encode(), name))


async def pending(bus: Bus, spec=QUICK) -> tuple[int, int]:
    info = await bus.ask(f"$JS.API.CONSUMER.INFO.{spec.stream}.{spec.name}")
    return int(info["num_pending"]), int(info["num_ack_pending"])


async def dead(bus: Bus) -> list[SetAside]:
    count = int((await bus.stream_info("DEAD"))["state"]["last_seq"])
    found = [await bus.get(Pointer("DEAD", number)) for number in range(1, count + 1)]
    return [decode(one.data, SetAside) for one in found if one]


def all_acked(bus: Bus) -> Callable[[], object]:
    return lambda: worked_off(bus, QUICK)


async def test_everything_is_handled_and_acked(nats_server: Nats) -> None:
    seen: list[str] = []

    async def handler(delivered: Delivered) -> None:
        seen.append(delivered.id)

    async with connected(nats_server, "smtp") as smtp, connected(nats_server, "rules") as rules:
        names = [f"m{number}" for number in range(60)]
        await put(smtp, *names)
        async with consuming(rules, handler):
            await eventually(all_acked(rules))
        assert sorted(seen) == sorted(names)


async def test_a_handler_that_always_raises_leaves_one_entry_and_the_rest_flows(
    nats_server: Nats,
) -> None:
    """Set aside before max-deliveries; redo after the fix delivers once, again does nothing."""
    done: set[str] = set()
    broken = True

    async def handler(delivered: Delivered) -> None:
        if broken and delivered.id == "poison":
            raise ZeroDivisionError("a bug of ours")
        done.add(delivered.id)  # a unique key, as every real handler has one

    async def on_command(delivered: Delivered) -> None:
        consumer, original = await original_of(rules, decode(delivered.data, Redo))
        assert consumer == QUICK.name
        redone.append(original.id)
        await handler(original)

    redone: list[str] = []
    async with (
        connected(nats_server, "smtp") as smtp,
        connected(nats_server, "api") as api,
        connected(nats_server, "rules") as rules,
    ):
        await put(smtp, "before", "poison", "after")
        async with consuming(rules, handler), consuming(rules, on_command, RULES_COMMANDS):
            await eventually(all_acked(rules))
            assert done == {"before", "after"}
            entries = await dead(rules)
            assert [(e.message_id, e.service, e.deliveries) for e in entries] == [
                ("poison", "rules", 2)
            ]
            assert "ZeroDivisionError('a bug of ours')" in entries[0].reason

            broken = False
            for number in (1, 2):
                redo = Redo(
                    id=f"cmd_{number}",
                    account="acc_a",
                    correlation="x",
                    causation="x",
                    service="rules",
                    dead=entries[0].id,
                    original=Pointer("DEAD", 1),
                )
                await api.publish(Publication(subject_of(redo), encode(redo), redo.id))
            await eventually(lambda: redone == ["poison", "poison"])
            assert done == {"before", "poison", "after"}
            assert len(await dead(rules)) == 1


async def test_what_can_never_be_handled_is_set_aside_at_once(nats_server: Nats) -> None:
    async def handler(delivered: Delivered) -> None:
        raise RefusedError("no envelope")

    async with connected(nats_server, "smtp") as smtp, connected(nats_server, "rules") as rules:
        await put(smtp, "m1")
        async with consuming(rules, handler):
            await eventually(all_acked(rules))
        (entry,) = await dead(rules)
        assert (entry.reason, entry.deliveries) == ("no envelope", 1)


async def test_an_outage_of_ours_uses_up_no_deliveries(nats_server: Nats) -> None:
    attempts: list[int] = []

    async def handler(delivered: Delivered) -> None:
        attempts.append(delivered.deliveries)
        if len(attempts) < 4:
            raise UnavailableError("the database does not answer")

    async with connected(nats_server, "smtp") as smtp, connected(nats_server, "rules") as rules:
        await put(smtp, "m1")
        async with consuming(rules, handler) as consumer:
            await eventually(lambda: len(attempts) == 2)
            assert consumer.trouble == "the database does not answer"
            await eventually(all_acked(rules))
            assert consumer.trouble is None
        assert attempts == [1, 1, 1, 1]
        assert await dead(rules) == []


async def test_not_yet_comes_again_after_its_delay(nats_server: Nats) -> None:
    seen: list[int] = []

    async def handler(delivered: Delivered) -> None:
        seen.append(delivered.deliveries)
        if delivered.deliveries == 1:
            raise NotYetError("locked", 0.1)

    async with connected(nats_server, "smtp") as smtp, connected(nats_server, "rules") as rules:
        await put(smtp, "m1")
        async with consuming(rules, handler):
            await eventually(all_acked(rules))
    assert seen == [1, 2]


async def test_a_long_handler_keeps_its_message(nats_server: Nats) -> None:
    """The heartbeat reports progress; without it the message would come a second time."""
    release = asyncio.Event()
    seen: list[int] = []

    async def handler(delivered: Delivered) -> None:
        seen.append(delivered.deliveries)
        await release.wait()

    async with connected(nats_server, "operator") as operator:
        spec = msgspec.structs.replace(QUICK, ack_wait=1)
        await operator.ask(
            f"$JS.API.CONSUMER.DURABLE.CREATE.{spec.stream}.{spec.name}",
            encode({"stream_name": spec.stream, "config": _config(spec)}),
        )
        await put(operator, "m1")
        async with consuming(operator, handler, spec):
            await eventually(lambda: seen == [1])
            info = await operator.ask(f"$JS.API.CONSUMER.INFO.{spec.stream}.{spec.name}")
            started = info["ts"]

            async def three_seconds_later() -> bool:
                info = await operator.ask(f"$JS.API.CONSUMER.INFO.{spec.stream}.{spec.name}")
                return _seconds(started, info["ts"]) > 3

            await eventually(three_seconds_later)
            assert seen == [1]
            release.set()
            await eventually(all_acked(operator))


def _config(spec):
    from postroom_runtime.stream_config import consumer_config

    return consumer_config(spec)


def _seconds(first: str, second: str) -> float:
    from datetime import datetime

    return (datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds()


async def test_stopping_gives_back_what_is_in_hand(nats_server: Nats) -> None:
    seen: list[str] = []
    hold = asyncio.Event()

    async def stuck(_delivered: Delivered) -> None:
        await hold.wait()

    async def handler(delivered: Delivered) -> None:
        seen.append(delivered.id)

    async with connected(nats_server, "smtp") as smtp, connected(nats_server, "rules") as rules:
        await put(smtp, "m1")
        first = Consumer(rules, QUICK, stuck)
        task = asyncio.create_task(first.run())

        async def taken() -> bool:
            return (await pending(rules))[1] == 1

        await eventually(taken)
        async with asyncio.timeout(30):
            await first.stop()
            await task
        async with consuming(rules, handler):
            await eventually(lambda: seen == ["m1"], 10)


async def test_work_goes_on_after_the_broker_was_restarted(nats_server: Nats) -> None:
    seen: set[str] = set()

    async def handler(delivered: Delivered) -> None:
        seen.add(delivered.id)

    async with connected(nats_server, "smtp") as smtp, connected(nats_server, "rules") as rules:
        async with consuming(rules, handler):
            await put(smtp, "m1")
            await eventually(lambda: seen == {"m1"})
            nats_server.stop()
            await nats_server.start_again()
            await smtp.publish(Publication(INTAKE, b"m2", "m2"), seconds=20)
            await eventually(lambda: seen == {"m1", "m2"})


def test_pauses_grow_to_a_minute() -> None:
    assert [retry_pause(n) for n in (1, 2, 3, 7, 50)] == [1, 2, 4, 60, 60]
