"""The real process delivers to a sink; retries are schedules of the real broker."""

import asyncio

import msgspec
import pytest

from postroom_contract import subjects
from postroom_contract.codec import decode, encode
from postroom_contract.commands import (
    Redo,
    SetAside,
    subject_of,
)
from postroom_contract.documents import SuppressedDocument, suppressed_key
from postroom_contract.mail import Pointer
from postroom_runtime.messages import MESSAGE_ID, Publication
from support.buses import connected, quick_redelivery
from support.deliveries import MAIL, OUT, World, chunk, states
from support.sink import Sink, _address, _Conversation
from support.smtp_process import configure, looking, stored
from support.waiting import eventually


@pytest.fixture
def world(nats_server):
    return World(nats_server)


async def test_every_copy_reaches_the_sink_clean_and_from_its_own_sender(smtp, world, sink):
    smtp.start(RELAY=sink.relay)
    await world.ask(chunk(1, 2, 3))
    (report,) = await world.wait_for_reports(1)
    assert states(report) == {1: "delivered", 2: "delivered", 3: "delivered"}
    assert report.results[0].reply == "250 2.0.0 kept"
    assert [(m.mail_from, m.rcpt_tos) for m in sink.received] == [
        (f"garden+b{n}@ours.example", (f"m{n}@theirs.example",)) for n in (1, 2, 3)
    ]
    assert sink.received[0].raw == b"To: m1@theirs.example\r\nSubject: Roses\r\n\r\n.hi\r\n..\r\n"
    assert sink.sessions == 1
    assert await world.progress() == {1: "delivered", 2: "delivered", 3: "delivered"}
    await world.all_acknowledged()


async def test_nothing_goes_to_a_suppressed_address_until_it_is_released(smtp, world, sink):
    await suppress(world.nats, "m1@theirs.example", version=1)
    smtp.start(RELAY=sink.relay)
    await smtp.ready()
    await world.ask(chunk(1, 2))
    (report,) = await world.wait_for_reports(1)
    assert states(report) == {1: "suppressed", 2: "delivered"}
    assert await world.progress() == {1: "suppressed", 2: "delivered"}
    assert [m.rcpt_tos for m in sink.received] == [("m2@theirs.example",)]

    await suppress(world.nats, "m1@theirs.example", version=2, deleted=True)
    tries = []

    async def sent():  # the process follows the bucket by itself
        tries.append(f"again{len(tries)}")
        await world.ask(chunk(1, id_=tries[-1]))
        (again,) = await world.wait_for_reports(1, f"chk_{tries[-1]}")
        return states(again) == {1: "delivered"}

    await eventually(sent, what="m1 gets mail again")
    assert sink.received[-1].rcpt_tos == ("m1@theirs.example",)
    await world.all_acknowledged()


async def suppress(nats, address, version, *, deleted=False):
    await configure(nats)
    document = SuppressedDocument(
        address=address, account="acc_one", version=version, deleted=deleted
    )
    async with connected(nats, "api") as bus:
        where = subjects.config(suppressed_key("acc_one", address))
        await bus.publish(Publication(where, encode(document), None))


async def test_4xx_comes_again_by_schedule_and_5xx_is_final(smtp, world, sink):
    smtp.start(RELAY=sink.relay, TIME_SCALE=0.005)
    sink.refuse("m1@theirs.example", "451 4.2.1 mailbox busy")
    sink.refuse("m2@theirs.example", "550 5.1.1 no such user")
    await world.ask(chunk(1, 2, 3))
    first, second = (await world.wait_for_reports(2))[:2]
    assert states(first) == {1: "deferred", 2: "failed", 3: "delivered"}
    assert {r.serial: r.reply for r in first.results}[2] == "550 5.1.1 no such user"
    assert first.next_attempt_at is not None
    assert (second.attempt, states(second)) == (2, {1: "deferred"})
    sink.accept("m1@theirs.example")
    reports = await eventually(lambda: _settled(world))
    assert states(reports[-1]) == {1: "delivered"}
    assert [len(sink.to(f"m{n}@theirs.example")) for n in (1, 2, 3)] == [1, 0, 1]
    assert await world.progress() == {1: "delivered", 2: "failed", 3: "delivered"}


async def _settled(world):
    reports = await world.reports()
    return reports if reports[-1].next_attempt_at is None else None


async def test_a_relay_that_is_away_puts_everything_off_until_it_is_back(smtp, world):
    async with Sink() as sink:
        relay, port = sink.relay, sink.port
    smtp.start(RELAY=relay, TIME_SCALE=0.01)
    await world.ask(chunk(1, 2))
    (report,) = await world.wait_for_reports(1)
    assert states(report) == {1: "deferred", 2: "deferred"}
    assert report.results[0].reply.startswith("relay: ")
    async with Sink(port=port) as sink:
        await sink.wait_for(2)
        await eventually(lambda: _settled(world))
    assert await world.progress() == {1: "delivered", 2: "delivered"}


async def test_a_relay_that_hangs_is_left_by_the_deadline(smtp, world):
    async def mute(_reader, writer):
        async with asyncio.timeout(20):
            await writer.wait_closed()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    smtp.start(RELAY=f"127.0.0.1:{port}", RELAY_CONNECT_SECONDS=0.3)
    await world.ask(chunk(1, 2))
    (report,) = await world.wait_for_reports(1)
    assert states(report) == {1: "deferred", 2: "deferred"}
    server.close()


async def test_without_a_relay_everything_is_captured_and_nothing_leaves(smtp, world):
    smtp.start()
    await world.ask(chunk(1, 2))
    (report,) = await world.wait_for_reports(1)
    assert states(report) == {1: "captured", 2: "captured"}
    assert report.results[0].reply == "captured: no relay is set"
    assert await world.progress() == {1: "captured", 2: "captured"}


async def test_a_copy_for_our_own_address_is_received_here_without_a_relay(
    smtp, world, nats_server
):
    await configure(nats_server)
    smtp.start()
    await smtp.ready()
    one = chunk(1)
    mine = msgspec.structs.replace(one.recipients[0], address="a@ours.example")
    await world.ask(msgspec.structs.replace(one, recipients=(mine,)))
    (report,) = await world.wait_for_reports(1)
    assert states(report) == {1: "delivered"}
    assert report.results[0].reply.startswith("250 2.0.0")
    ((envelope, found),) = await stored(nats_server)
    assert (envelope.recipient, envelope.sender) == ("a@ours.example", "garden+b1@ours.example")
    assert found.data.endswith(b"To: m1@theirs.example\r\nSubject: Roses\r\n\r\n.hi\r\n..\r\n")


class Holding(Sink):
    """Does not answer RCPT for `held` until `release` is set."""

    held = ""

    async def __aenter__(self):
        self.reached, self.release = asyncio.Event(), asyncio.Event()
        return await super().__aenter__()

    async def _session(self, reader, writer):
        conversation = _Conversation(self, reader, writer)
        answer = conversation.answer

        async def hold(verb, line):
            if verb == b"RCPT" and _address(line) == self.held:
                self.reached.set()
                await self.release.wait()
            await answer(verb, line)

        conversation.answer = hold
        self.open.add(writer)
        try:
            await conversation.run()
        except ConnectionError:
            pass  # the killed client
        finally:
            writer.close()


async def test_killed_between_replies_sends_nothing_twice_that_progress_holds(
    smtp, world, nats_server
):
    await quick_redelivery(nats_server)
    async with Holding() as sink:
        sink.held = "m4@theirs.example"
        smtp.start(RELAY=sink.relay)
        await world.ask(chunk(1, 2, 3, 4, 5))
        async with asyncio.timeout(20):
            await sink.reached.wait()

        async def all_three():
            return len(await world.progress()) == 3

        await eventually(all_three, what="progress while a reply is awaited")
        smtp.kill9()
        sink.release.set()
        smtp.start(RELAY=sink.relay)
        (report,) = await world.wait_for_reports(1)
        assert states(report) == dict.fromkeys(range(1, 6), "delivered")
        assert [len(sink.to(f"m{n}@theirs.example")) for n in range(1, 6)] == [1] * 5
    await world.all_acknowledged()


async def test_sigterm_keeps_progress_and_gives_the_rest_to_the_next(smtp, world):
    async with Holding() as sink:
        sink.held = "m2@theirs.example"
        smtp.start(RELAY=sink.relay)
        await world.ask(chunk(1, 2, 3))
        async with asyncio.timeout(20):
            await sink.reached.wait()
        stopping = asyncio.create_task(asyncio.to_thread(smtp.stop))
        sink.release.set()
        assert await stopping == 0
        smtp.start(RELAY=sink.relay)
        await world.wait_for_reports(1)
        assert [len(sink.to(f"m{n}@theirs.example")) for n in (1, 2, 3)] == [1, 1, 1]


async def test_a_chunk_without_its_mail_is_set_aside_and_redone_once_it_is_there(
    smtp, world, nats_server, sink
):
    smtp.start(RELAY=sink.relay)
    command = chunk(1)
    await world.ask(command, with_mail=False)

    async def set_aside():
        async with looking(nats_server) as bus:
            return await bus.last("DEAD", subjects.dead("acc_one", "smtp"))

    found = await eventually(set_aside, what="an entry in DEAD")
    entry = decode(found.data, SetAside)
    assert "gone" in entry.reason
    async with connected(nats_server, "forum-bridge") as bus:
        await bus.publish(Publication(subjects.outbox("acc_one", OUT), encode(MAIL), OUT))
    for number in (1, 2):
        redo = Redo(
            id=f"cmd_redo{number}",
            account="acc_one",
            correlation="msg_1",
            causation="usr_1",
            service="smtp",
            dead=entry.id,
            original=Pointer(found.stream, found.sequence),
        )
        async with connected(nats_server, "api") as bus:
            await bus.publish(Publication(subject_of(redo), encode(redo), redo.id))
        await world.wait_for_reports(1)
        await world.all_acknowledged()
    assert len(sink.received) == 1
    assert len(await world.reports()) == 1


async def test_nats_away_while_sending_makes_no_doubles(smtp, world, nats_server):
    async with Holding() as sink:
        sink.held = "m2@theirs.example"
        smtp.start(RELAY=sink.relay)
        await world.ask(chunk(1, 2, 3))
        async with asyncio.timeout(20):
            await sink.reached.wait()
        nats_server.stop()
        sink.release.set()
        await eventually(lambda: len(sink.received) >= 2)
        await nats_server.start_again()
        (report,) = await world.wait_for_reports(1)
        assert states(report) == dict.fromkeys((1, 2, 3), "delivered")
        assert [len(sink.to(f"m{n}@theirs.example")) for n in (1, 2, 3)] == [1, 1, 1]


async def test_the_scheduled_command_has_its_own_subject_and_no_id_header(smtp, world, sink):
    """What redo and dead letters read: the emitted command is found by its subject."""
    smtp.start(RELAY=sink.relay, TIME_SCALE=0.001)
    sink.refuse("m1@theirs.example", "450 4.2.1 not now")
    await world.ask(chunk(1))
    reports = await world.wait_for_reports(2)
    emitted = subjects.command("acc_one", "smtp", "deliver", reports[1].causation)
    async with looking(world.nats) as bus:
        found = await bus.last("COMMANDS", emitted)
    assert found is not None
    assert MESSAGE_ID not in found.headers
    sink.accept("m1@theirs.example")
    await eventually(lambda: _settled(world))
