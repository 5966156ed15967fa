"""Buses under a service's real permissions, for tests."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from postroom_contract.codec import encode
from postroom_contract.streams import SMTP_COMMANDS, ConsumerSpec
from postroom_runtime.bus import Bus
from postroom_runtime.messages import Found, found_in
from postroom_runtime.settings import Settings
from postroom_runtime.stream_config import consumer_config
from support.servers import Nats


def fatal(error: BaseException) -> None:
    """A violation of permissions in a test is a failure of the test."""
    raise AssertionError(str(error))


@asynccontextmanager
async def connected(server: Nats, user: str) -> AsyncIterator[Bus]:
    """Give a bus connected as `user`."""
    bus = Bus.create(user)
    settings = {
        "POSTROOM_NATS_URL": server.url,
        "POSTROOM_NATS_USER": user,
        "POSTROOM_NATS_PASSWORD": server.passwords[user],
    }
    await bus.connect(Settings(settings), fatal)
    try:
        yield bus
    finally:
        await bus.close()


async def quick_redelivery(server: Nats, seconds: int = 1) -> None:
    """Let the broker give a killed smtp's commands to the next after so many seconds.

    Under 5 s it also gives out again what is in hand for long, and smtp sets aside what it was
    given eleven times.
    """
    quick = msgspec.structs.replace(SMTP_COMMANDS, ack_wait=seconds)
    question = {"stream_name": "COMMANDS", "config": consumer_config(quick)}
    async with connected(server, "operator") as bus:
        await bus.ask(
            f"$JS.API.CONSUMER.DURABLE.CREATE.COMMANDS.{quick.name}", json.dumps(question).encode()
        )


async def worked_off(bus: Bus, spec: ConsumerSpec) -> bool:
    """Whether all that lies in the stream for this consumer now has been acknowledged.

    `num_pending` alone may say 0 for a moment behind a publish: the broker counts for the consumer
    after it has acked the publisher. The acknowledged sequence cannot be ahead of the truth.
    """
    last = [await _last(bus, spec.stream, subject) for subject in spec.filters]
    info = await bus.ask(f"$JS.API.CONSUMER.INFO.{spec.stream}.{spec.name}")
    done = int(info["ack_floor"]["stream_seq"])
    behind = [one for one in last if one is not None and one.sequence > done]
    return not behind and (info["num_pending"], info["num_ack_pending"]) == (0, 0)


async def _last(bus: Bus, stream: str, wildcard: str) -> Found | None:
    question = encode({"last_by_subj": wildcard})
    answer = await bus.client.request(f"$JS.API.DIRECT.GET.{stream}", question, timeout=5)
    return found_in(stream, answer)
