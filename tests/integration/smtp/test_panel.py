"""What an administrator asks of a running smtp: hold, retry, drop, close, see."""

import asyncio
import time

import pytest

from postroom_contract import subjects
from postroom_contract.beats import Beat
from postroom_contract.codec import decode, encode
from postroom_contract.commands import DropChunk, RetryChunk, subject_of
from postroom_contract.documents import DOOR_KEY, DoorDocument, HoldDocument, hold_key
from postroom_contract.events import MailRefused
from postroom_contract.mail import Pointer
from postroom_runtime.messages import Publication
from postroom_smtp.domain.delivery import HELD
from support.buses import connected
from support.deliveries import World, chunk, states
from support.smtp_process import configure, looking
from support.waiting import eventually

THEIRS = "theirs.example"


class Office(World):
    """The api's side as well."""

    async def publish(self, key: str, document: object) -> None:
        async with connected(self.nats, "api") as bus:
            await bus.publish(Publication(subjects.config(key), encode(document), None))

    async def hold(self, *, version: int, deleted: bool = False) -> None:
        document = HoldDocument(account="acc_one", domain=THEIRS, version=version, deleted=deleted)
        await self.publish(hold_key("acc_one", THEIRS), document)

    async def door(self, *, version: int, open_: bool) -> None:
        await self.publish(DOOR_KEY, DoorDocument(open=open_, version=version))

    async def tell(self, command: RetryChunk | DropChunk) -> None:
        async with connected(self.nats, "api") as bus:
            await bus.publish(Publication(subject_of(command), encode(command), command.id))

    async def retry(self, attempt: int, id_: str = "cmd_retry") -> None:
        await self.tell(
            RetryChunk(
                id=id_, account="acc_one", correlation="r", causation="r",
                chunk="chk_1", attempt=attempt,
            )
        )  # fmt: skip

    async def drop(self, attempt: int) -> None:
        await self.tell(
            DropChunk(
                id="cmd_drop", account="acc_one", correlation="r", causation="r",
                chunk="chk_1", attempt=attempt, words="dropped by anna@ours.example",
            )
        )  # fmt: skip


@pytest.fixture
def office(nats_server):
    return Office(nats_server)


async def test_what_is_held_back_is_shown_and_goes_out_when_asked(smtp, office, sink):
    await configure(office.nats)
    await office.hold(version=1)
    smtp.start(RELAY=sink.relay)
    await smtp.ready()
    await office.ask(chunk(1, 2))
    (held,) = await office.wait_for_reports(1)
    assert states(held) == {1: "deferred", 2: "deferred"}
    assert {one.reply for one in held.results} == {HELD}
    assert (held.attempt, held.next_attempt_at) == (0, None)
    await office.all_acknowledged()
    assert sink.received == []
    await office.hold(version=2, deleted=True)

    # The hold is gone as soon as smtp has heard of it; a retry before that holds it again.
    async def out() -> bool:
        await office.retry(1, id_=f"cmd_retry{time.monotonic_ns()}")
        return len(sink.received) == 2

    await eventually(out, what="both copies are out")
    reports = await office.wait_for_reports(2)
    assert states(reports[-1]) == {1: "delivered", 2: "delivered"}
    assert reports[-1].attempt == 1, "being held back costs no attempt"


async def test_what_waits_an_hour_is_tried_when_asked(smtp, office, sink):
    smtp.start(RELAY=sink.relay)
    sink.refuse("m1@theirs.example", "451 4.2.1 mailbox busy")
    await office.ask(chunk(1, 2))
    (first,) = await office.wait_for_reports(1)
    assert states(first) == {1: "deferred", 2: "delivered"}
    sink.accept("m1@theirs.example")
    await office.retry(2)
    _, second = await office.wait_for_reports(2)
    assert (second.attempt, states(second)) == (2, {1: "delivered"})
    # Late, and of something that waits no more.
    await office.retry(2, id_="cmd_late")
    await office.retry(7, id_="cmd_wrong")
    await office.all_acknowledged()
    assert len(await office.reports()) == 2
    assert [one.rcpt_tos for one in sink.received] == [
        ("m2@theirs.example",), ("m1@theirs.example",),
    ]  # fmt: skip


async def test_what_is_dropped_ends_with_the_reason_and_is_tried_no_more(smtp, office, sink):
    smtp.start(RELAY=sink.relay)
    sink.refuse("m1@theirs.example", "451 4.2.1 mailbox busy")
    await office.ask(chunk(1))
    await office.wait_for_reports(1)
    await office.drop(2)
    _, last = await office.wait_for_reports(2)
    assert states(last) == {1: "failed"}
    assert last.results[0].reply == "dropped by anna@ours.example"
    assert last.next_attempt_at is None
    await office.all_acknowledged()
    assert await office.progress() == {1: "failed"}


async def test_a_closed_door_turns_new_sessions_away_and_leaves_the_others(smtp, office):
    await configure(office.nats)
    smtp.start()
    await smtp.ready()
    async with smtp.client() as before:
        await before.say(b"EHLO peer.example")
        await office.door(version=1, open_=False)

        async def closed() -> bool:
            async with smtp.client() as late:
                return late.greeting.startswith("421 4.3.2 not taking mail now")

        await eventually(closed, what="new sessions are turned away")
        answer = await before.mail([b"a@ours.example"], b"Message-ID: <1@x>\r\n\r\nhi\r\n")
        assert answer.startswith("250 2.0.0")
    await office.door(version=2, open_=True)

    async def opened() -> bool:
        async with smtp.client() as again:
            return again.greeting.startswith("220")

    await eventually(opened, what="sessions are taken again")


async def refused(nats) -> list[MailRefused]:
    found = []
    async with looking(nats) as bus:
        last = (await bus.stream_info("EVENTS"))["state"]["last_seq"]
        for sequence in range(1, last + 1):
            one = await bus.get(Pointer("EVENTS", sequence))
            if one is not None and ".mail.refused." in one.subject:
                found.append(decode(one.data, MailRefused))
    return found


async def test_refusals_become_events_of_whose_recipient_it_was(smtp, nats_server):
    await configure(nats_server)
    smtp.start(SMTP_MAX_ERRORS=1_000, SMTP_MAX_COMMANDS=10_000)
    await smtp.ready()
    async with smtp.client() as client:
        await client.say(b"EHLO peer.example", b"MAIL FROM:<x@theirs.example>")
        await client.say(b"RCPT TO:<nobody@ours.example>")
        for _ in range(40):
            await client.say(b"RCPT TO:<victim@elsewhere.example>")

    async def told() -> list[MailRefused] | None:
        found = await refused(nats_server)
        return found if len(found) >= 10 else None

    found = await eventually(told, what="refusals are told of")
    first = found[0]
    assert (first.account, first.recipient) == ("acc_one", "nobody@ours.example")
    assert (first.network, first.helo, first.sender, first.reason, first.reply) == (
        "127.0.0.1", "peer.example", "x@theirs.example", "unknown address",
        "550 5.1.1 no such address here",
    )  # fmt: skip
    smtp.stop()  # what has not been told yet is told now
    found = await refused(nats_server)
    assert sum(one.count for one in found) == 41
    assert {one.account for one in found[1:]} == {"-"}
    assert len(found) < 41, "a flood is summed up"


async def test_its_sign_of_life_has_numbers_and_who_is_connected(smtp, nats_server):
    await configure(nats_server)
    smtp.start()
    await smtp.ready()
    async with connected(nats_server, "api") as bus, smtp.client() as client:
        beats: asyncio.Queue[Beat] = asyncio.Queue()

        async def hear(message) -> None:
            beats.put_nowait(decode(message.data, Beat))

        await bus.client.subscribe(subjects.beat("smtp"), cb=hear)
        await client.say(b"EHLO peer.example")
        await client.mail([b"a@ours.example"], b"Message-ID: <1@x>\r\n\r\nhi\r\n")
        await client.mail([b"nobody@ours.example"], b"")
        async with asyncio.timeout(30):
            while not (beat := await beats.get()).peers:
                pass
    numbers = {name: beat.numbers[name] for name in beat.numbers if not name.startswith("def")}
    assert numbers["accepted"] == 1
    assert numbers["refused unknown address"] == 1
    assert numbers["connections"] == 1
    (peer,) = beat.peers
    assert (peer.address, peer.name, peer.mails, peer.state) == (
        "127.0.0.1", "peer.example", 1, "commands",
    )  # fmt: skip
