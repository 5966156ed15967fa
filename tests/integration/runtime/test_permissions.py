"""Each service's user of the broker: what it must not say or hear is refused."""

import asyncio

import nats
import nats.errors
import pytest

from postroom_contract import permissions, subjects
from postroom_contract.streams import CONSUMERS, STREAMS
from support.servers import Nats

FORBIDDEN_TO_ALL = [
    "$JS.API.STREAM.DELETE.INTAKE_0",
    "$JS.API.STREAM.UPDATE.INTAKE_0",
    "$JS.API.STREAM.MSG.DELETE.EVENTS",
    "$JS.API.STREAM.CREATE.EVIL",
    "$JS.API.STREAM.DELETE.EVENTS",
    "$JS.API.STREAM.PURGE.KV_config",
    "$JS.API.STREAM.PURGE.PROGRESS",
    "$JS.API.CONSUMER.DURABLE.CREATE.INTAKE_0.evil",
    "$JS.API.CONSUMER.CREATE.INTAKE_0.evil.postroom.v1.intake.>",
    "$JS.API.CONSUMER.DELETE.INTAKE_0.rules-intake-0",
    "$JS.API.STREAM.NAMES",
    "$SYS.REQ.SERVER.PING",
    "_INBOX_operator.x",
    "postroom.v1.nonsense",
]
FORBIDDEN = {
    "fetcher": [
        "$JS.API.STREAM.PURGE.INTAKE_0",
        "$JS.API.STREAM.MSG.DELETE.INTAKE_0",
        "$JS.API.STREAM.PURGE.EVENTS",
        "$KV.config.address.x",
        subjects.command("a", "smtp", "deliver", "x"),
    ],
    "smtp": [
        "$JS.API.STREAM.PURGE.INTAKE_0",
        "$JS.API.STREAM.MSG.DELETE.INTAKE_0",
        "$JS.API.STREAM.PURGE.EVENTS",
        "$KV.config.address.x",
        subjects.command("a", "forum-bridge", "post", "x"),
        subjects.event("a", "m", "mail.sorted", "x"),
    ],
    "rules": [
        "$JS.API.STREAM.PURGE.INTAKE_0",
        "$JS.API.STREAM.MSG.DELETE.INTAKE_0",
        "$JS.API.STREAM.PURGE.EVENTS",
        subjects.intake(0, "a", "m"),
        subjects.command("a", "smtp", "deliver", "x"),
        subjects.event("a", "m", "post.created", "x"),
        "$JS.API.CONSUMER.MSG.NEXT.COMMANDS.smtp-commands",
    ],
    "api": [
        subjects.intake(0, "a", "m"),
        subjects.cursor(0, "a", "m"),
        subjects.work_schedule("a", "m"),
        "$JS.API.CONSUMER.MSG.NEXT.WORK.fetcher-poll",
        # It sends notices (smtp.deliver) and removes accounts (purges), and nothing like these.
        subjects.command("a", "smtp", "forward", "x"),
        subjects.command("a", "forum-bridge", "post", "x"),
        subjects.event("a", "m", "mail.sorted", "x"),
        "$JS.API.CONSUMER.MSG.NEXT.INTAKE_0.rules-intake-0",
    ],
    "forum-bridge": [
        "$JS.API.STREAM.PURGE.INTAKE_0",
        "$JS.API.STREAM.MSG.DELETE.INTAKE_0",
        "$JS.API.STREAM.PURGE.EVENTS",
        "$KV.config.address.x",
        subjects.intake(0, "a", "m"),
        "$JS.API.STREAM.PURGE.COMMANDS",
        "$JS.ACK.INTAKE_0.rules-intake-0.1.1.1.1.1",
    ],
}
UNHEARD = ["postroom.v1.event.>", "postroom.v1.intake.>", "_INBOX_operator.>", ">", "$KV.config.>"]


class Guest:
    """A connection that collects the broker's refusals."""

    def __init__(self) -> None:
        self.refusals: asyncio.Queue[str] = asyncio.Queue()
        self.client = nats.NATS()

    async def on_error(self, error: Exception) -> None:
        await self.refusals.put(str(error).lower())

    async def connect(self, server: Nats, user: str) -> None:
        await self.client.connect(
            server.url,
            user=user,
            password=server.passwords[user],
            inbox_prefix=permissions.inbox_prefix(user).encode(),
            error_cb=self.on_error,
        )

    async def refused(self, subject: str) -> None:
        async with asyncio.timeout(5):
            text = await self.refusals.get()
        assert "permissions violation" in text, text
        assert subject.lower() in text, (subject, text)


@pytest.mark.parametrize("service", permissions.SERVICES)
async def test_forbidden_subjects_are_refused(service: str, nats_server: Nats) -> None:
    guest = Guest()
    await guest.connect(nats_server, service)
    try:
        for subject in [*FORBIDDEN_TO_ALL, *FORBIDDEN[service]]:
            await guest.client.publish(subject, b"{}")
            await guest.refused(subject)
        for subject in UNHEARD:
            await guest.client.subscribe(subject)
            await guest.refused(subject)
    finally:
        await guest.client.close()


@pytest.mark.parametrize("service", permissions.SERVICES)
async def test_what_a_service_needs_is_allowed(service: str, nats_server: Nats) -> None:
    guest = Guest()
    await guest.connect(nats_server, service)
    try:
        for spec in STREAMS:
            answer = await guest.client.request(f"$JS.API.STREAM.INFO.{spec.name}", b"", timeout=5)
            assert b'"config"' in answer.data
        for spec in CONSUMERS:
            if spec.service == service:
                subject = f"$JS.API.CONSUMER.INFO.{spec.stream}.{spec.name}"
                assert b'"ack_floor"' in (await guest.client.request(subject, b"", timeout=5)).data
        assert guest.refusals.empty()
    finally:
        await guest.client.close()


async def test_a_service_that_lacks_a_permission_ends_and_says_so(nats_server: Nats) -> None:
    from postroom_runtime.bus import Bus
    from postroom_runtime.errors import OperatorError
    from postroom_runtime.settings import Settings

    failed: asyncio.Queue[BaseException] = asyncio.Queue()
    bus = Bus.create("rules")
    settings = {
        "POSTROOM_NATS_URL": nats_server.url,
        "POSTROOM_NATS_PASSWORD": nats_server.passwords["rules"],
    }
    await bus.connect(Settings(settings), failed.put_nowait)
    try:
        await bus.client.publish("$KV.config.address.x", b"{}")
        async with asyncio.timeout(5):
            error = await failed.get()
        assert isinstance(error, OperatorError)
        assert "refused user rules" in str(error)
    finally:
        await bus.close()
