"""The real process delivers to a sink; retries are schedules of the real broker."""

import asyncio

import msgspec
import pytest

from postroom_contract import subjects
from postroom_contract.codec import decode, encode
from postroom_contract.commands import (
    DeliverChunk,
    OutboxMail,
    Progress,
    Recipient,
    Redo,
    SetAside,
    Template,
    subject_of,
)
from postroom_contract.events import DeliveryReported
from postroom_contract.mail import Pointer
from postroom_contract.streams import SMTP_COMMANDS
from postroom_runtime.messages import MESSAGE_ID, Publication
from support.buses import connected, quick_redelivery, worked_off
from support.sink import Sink, _address, _Conversation
from support.smtp_process import configure, looking, stored
from support.waiting import eventually

OUT = "out_1"


def recipient(serial):
    address = f"m{serial}@theirs.example"
    sender = f"garden+b{serial}@ours.example"
    return Recipient(serial=serial, address=address, sender=sender, places={"to": address})


def chunk(*serials, id_="1"):
    return DeliverChunk(
        id=f"cmd_{id_}",
        account="acc_one",
        correlation="msg_1",
        causation="evt_1",
        chunk=f"chk_{id_}",
        scope="frm_garden",
        origin="pst_1",
        outbox=OUT,
        domain="theirs.example",
        attempt=1,
        recipients=tuple(map(recipient, serials)),
    )


MAIL = OutboxMail(
    id=OUT,
    account="acc_one",
    scope="frm_garden",
    origin="pst_1",
    message_id="1@ours.example",
    subject="Roses",
    template=Template((b"To: ", b"\r\nSubject: Roses\r\n\r\n.hi\r\n..\r\n"), ("to",)),
)


class World:
    """What forum-bridge asks and what is to be seen afterwards."""

    def __init__(self, nats):
        self.nats = nats

    async def ask(self, command, *, with_mail=True):
        async with connected(self.nats, "forum-bridge") as bus:
            if with_mail:
                where = subjects.outbox("acc_one", OUT)
                await bus.publish(Publication(where, encode(MAIL), f"{OUT}-{command.id}"))
            await bus.publish(Publication(subject_of(command), encode(command), command.id))

    async def reports(self, name="chk_1"):
        """Every report on a chunk, in order."""
        wanted = subjects.event("acc_one", "frm_garden", "delivery.reported", name)
        found = []
        async with looking(self.nats) as bus:
            last = (await bus.stream_info("EVENTS"))["state"]["last_seq"]
            for sequence in range(1, last + 1):
                one = await bus.get(Pointer("EVENTS", sequence))
                if one is not None and one.subject == wanted:
                    found.append(decode(one.data, DeliveryReported))
        return found

    async def wait_for_reports(self, number, name="chk_1"):
        async def asked():
            found = await self.reports(name)
            return found if len(found) >= number else None

        return await eventually(asked, what=f"{number} reports")

    async def progress(self, name="chk_1"):
        async with looking(self.nats) as bus:
            found = await bus.last("PROGRESS", subjects.progress(name))
        return decode(found.data, Progress).done if found else {}

    async def all_acknowledged(self):
        async def asked():
            async with looking(self.nats) as bus:
                return await worked_off(bus, SMTP_COMMANDS)

        await eventually(asked, what="every command is acknowledged")


@pytest.fixture
def world(nats_server):
    return World(nats_server)


def states(report):
    return {r.serial: r.state for r in report.results}


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
