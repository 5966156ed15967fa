"""Chunks with a hop and a broker in memory."""

import asyncio
from datetime import timedelta

import msgspec
import pytest

from postroom_contract import subjects
from postroom_contract.codec import decode, encode
from postroom_contract.commands import DeliverChunk, OutboxMail, Progress, Recipient, Template
from postroom_contract.events import DeliveryReported
from postroom_runtime.errors import NotYetError, RefusedError, UnavailableError
from postroom_runtime.messages import Publication
from postroom_smtp.domain import delivery
from postroom_smtp.domain.delivery import HopReply, asks_for_less
from postroom_smtp.domain.slots import Slots
from postroom_smtp.handlers.delivering import Delivering
from postroom_smtp.handlers.receiving import Receiving
from postroom_smtp.own_door import OwnDoor, reachable
from support.smtp import FixedClock, MemoryBroker, MemoryCounts, MemoryDirectory, MemoryHop

DEFERRED = HopReply(451, "4.2.0 later")
FAILED = HopReply(550, "5.1.1 no such user")


def recipient(serial):
    return Recipient(
        serial=serial,
        address=f"m{serial}@theirs.example",
        sender=f"garden+b{serial}@ours.example",
        places={"to": f"m{serial}@theirs.example"},
    )


def chunk(*serials, attempt=1):
    return DeliverChunk(
        id=f"cmd_{attempt}",
        account="acc_one",
        correlation="msg_1",
        causation="evt_1",
        chunk="chk_1",
        scope="frm_garden",
        origin="pst_1",
        outbox="out_1",
        domain="theirs.example",
        attempt=attempt,
        recipients=tuple(map(recipient, serials)),
    )


MAIL = OutboxMail(
    id="out_1",
    account="acc_one",
    scope="frm_garden",
    origin="pst_1",
    message_id="1@ours.example",
    subject="Roses",
    template=Template((b"To: ", b"\r\nSubject: Roses\r\n\r\n.hi\r\n"), ("to",)),
)


class Desk:
    """A handler with everything in memory."""

    def __init__(self, answers=None, *, relay=True):
        self.broker = MemoryBroker()
        self.broker.published.append(
            Publication(subjects.outbox("acc_one", "out_1"), encode(MAIL), None)
        )
        self.hop = MemoryHop(answers)
        self.door = MemoryHop(answers)
        self.directory = MemoryDirectory()
        self.counts = MemoryCounts()
        self.clock = FixedClock()
        self.handler = self.another(relay=relay)

    def another(self, *, relay=True):
        """A process that starts anew on the same broker."""
        receiving = Receiving(
            self.directory, self.broker, self.clock, self.counts, hostname="mx.ours.example"
        )
        ways = OwnDoor(self.directory, receiving, self.door)
        return Delivering(self.broker, ways, self.hop if relay else None, self.clock, self.counts)

    @property
    def reports(self):
        return [decode(p.payload, DeliveryReported) for p in self.broker.under("event")]

    @property
    def progress(self):
        return decode(self.broker.under("progress")[-1].payload, Progress).done

    @property
    def scheduled(self):
        return [(p, decode(p.payload, DeliverChunk)) for p in self.broker.under("schedule")]

    @property
    def tried(self):
        return [r for _, r, _ in self.hop.sent]


def states(report):
    return {r.serial: r.state for r in report.results}


async def test_each_copy_is_filled_sent_from_its_own_sender_and_reported():
    desk = Desk()
    await desk.handler.deliver(chunk(1, 2))
    assert desk.hop.sent[0] == (
        "garden+b1@ours.example",
        "m1@theirs.example",
        b"To: m1@theirs.example\r\nSubject: Roses\r\n\r\n.hi\r\n",
    )
    (report,) = desk.reports
    assert states(report) == {1: "delivered", 2: "delivered"}
    assert report.results[0].reply == "250 2.0.0 kept"
    assert (report.subject, report.message_id, report.origin) == (
        "Roses",
        "1@ours.example",
        "pst_1",
    )
    assert (report.about, report.correlation, report.causation) == ("chk_1", "msg_1", "cmd_1")
    assert report.next_attempt_at is None
    assert desk.progress == {1: "delivered", 2: "delivered"}
    assert not desk.scheduled
    assert desk.hop.closed == 1


async def test_4xx_is_tried_again_by_schedule_with_only_the_open_ones():
    desk = Desk({"m1@theirs.example": [DEFERRED], "m2@theirs.example": [FAILED]})
    await desk.handler.deliver(chunk(1, 2, 3))
    (report,) = desk.reports
    assert states(report) == {1: "deferred", 2: "failed", 3: "delivered"}
    assert report.next_attempt_at == desk.clock.now() + timedelta(seconds=60)
    ((publication, again),) = desk.scheduled
    assert publication.headers["Nats-Schedule"] == "@at 2026-11-23T12:01:00.000Z"
    assert (
        publication.headers["Nats-Schedule-Target"]
        == f"postroom.v1.command.acc_one.smtp.deliver.{again.id}"
    )
    assert (again.chunk, again.attempt, again.causation) == ("chk_1", 2, "cmd_1")
    assert [r.serial for r in again.recipients] == [1]
    await desk.handler.deliver(again)
    assert states(desk.reports[-1]) == {1: "delivered"}
    assert desk.progress == {1: "delivered", 2: "failed", 3: "delivered"}


async def test_progress_then_report_then_schedule():
    desk = Desk({"m1@theirs.example": [DEFERRED]})
    await desk.handler.deliver(chunk(1, 2))
    kinds = [p.subject.split(".")[2] for p in desk.broker.published[1:]]
    assert kinds == ["progress", "event", "schedule"]


async def test_no_relay_captures_everything():
    desk = Desk(relay=False)
    await desk.handler.deliver(chunk(1, 2))
    (report,) = desk.reports
    assert states(report) == {1: "captured", 2: "captured"}
    assert {r.reply for r in report.results} == {"captured: no relay is set"}
    assert desk.progress == {1: "captured", 2: "captured"}
    assert not desk.hop.sent


@pytest.mark.parametrize("relay", [True, False])
async def test_nothing_is_sent_to_a_suppressed_address(relay):
    desk = Desk(relay=relay)
    desk.directory.suppressed = {("acc_one", "m1@theirs.example"), ("acc_two", "m2@theirs.example")}
    await desk.handler.deliver(chunk(1, 2))
    (report,) = desk.reports
    assert states(report) == {1: "suppressed", 2: "delivered" if relay else "captured"}
    assert report.results[0].reply == "not sent: this address is suppressed"
    assert desk.progress[1] == "suppressed"
    assert desk.tried == (["m2@theirs.example"] if relay else [])
    assert not desk.scheduled


async def test_who_was_suppressed_meanwhile_is_not_tried_again():
    desk = Desk({"m1@theirs.example": [DEFERRED]})
    await desk.handler.deliver(chunk(1))
    ((_, again),) = desk.scheduled
    desk.directory.suppressed = {("acc_one", "m1@theirs.example")}
    await desk.handler.deliver(again)
    assert [states(one) for one in desk.reports] == [{1: "deferred"}, {1: "suppressed"}]
    assert desk.tried == ["m1@theirs.example"]


async def test_mail_for_our_own_door_is_never_held_back():
    desk = Desk()
    desk.directory.suppressed = {("acc_one", "a@ours.example")}
    await desk.handler.deliver(for_address("a@ours.example"))
    assert states(desk.reports[0]) == {1: "delivered"}


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (HopReply(550, "5.1.1 no such user"), "5.1.1"),
        (HopReply(451, "4.2.0 later"), "4.2.0"),
        (HopReply(250, "2.1.5 fine"), "2.1.5"),
        (HopReply(250, "fine"), ""),
        (HopReply(550, "no such user"), "5.0.0"),
        (HopReply(452, "5.2.2 it says both"), "4.0.0"),
        (HopReply(554, "5.9.9.9 is blocked"), "5.0.0"),
        (HopReply(550, "5.7.1 not you", "unreachable"), ""),
        (HopReply(0, "no route"), ""),
    ],
)
def test_the_status_is_what_the_server_said(reply, status):
    outcome = delivery.outcome_of(recipient(1), reply)
    assert outcome.status == status
    told = delivery.report(chunk(1), MAIL, [outcome], time=FixedClock().now(), next_attempt_at=None)
    assert told.results[0].status == status


def for_address(address):
    one = chunk(1)
    mine = msgspec.structs.replace(one.recipients[0], address=address)
    return msgspec.structs.replace(one, recipients=(mine,))


@pytest.mark.parametrize("relay", [True, False])
@pytest.mark.parametrize("address", ["a@ours.example", "a+detail@ours.example"])
async def test_a_copy_for_an_address_of_ours_goes_in_by_our_own_door(address, relay):
    desk = Desk(relay=relay)
    await desk.handler.deliver(for_address(address))
    assert [to for _, to, _ in desk.door.sent] == [address]
    assert not desk.hop.sent
    assert states(desk.reports[0]) == {1: "delivered"}


@pytest.mark.parametrize("address", ["nobody@ours.example", "a@theirs.example", "a@[127.0.0.1]"])
async def test_any_other_address_is_the_relays(address):
    desk = Desk()
    await desk.handler.deliver(for_address(address))
    assert (desk.tried, desk.door.sent) == ([address], [])


async def test_before_we_know_our_addresses_a_chunk_is_held_and_uses_up_no_delivery():
    desk = Desk()
    desk.directory.read = False
    with pytest.raises(UnavailableError, match="not known yet"):
        await desk.handler.deliver(chunk(1))
    assert not desk.hop.sent


async def test_our_door_out_of_reach_does_not_hold_up_the_relay():
    desk = Desk()
    desk.door.answers["a@ours.example"] = [HopReply(0, "connection refused", "unreachable")]
    two = chunk(1, 2)
    first = msgspec.structs.replace(two.recipients[0], address="a@ours.example")
    await desk.handler.deliver(msgspec.structs.replace(two, recipients=(first, two.recipients[1])))
    assert states(desk.reports[0]) == {1: "deferred", 2: "delivered"}


@pytest.mark.parametrize(
    ("host", "where"), [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("10.0.0.7", "10.0.0.7")]
)
def test_a_listener_on_everything_is_reached_on_loopback(host, where):
    assert reachable(host) == where


async def test_what_progress_holds_is_not_sent_again_but_reported():
    desk = Desk()
    held = Progress(chunk="chk_1", done={1: "delivered", 2: "failed"})
    desk.broker.published.append(Publication(subjects.progress("chk_1"), encode(held), None))
    await desk.handler.deliver(chunk(1, 2, 3))
    assert desk.tried == ["m3@theirs.example"]
    assert states(desk.reports[0]) == {1: "delivered", 2: "failed", 3: "delivered"}


async def test_repeating_all_of_it_says_the_same_under_the_same_ids():
    desk = Desk({"m1@theirs.example": [DEFERRED, DEFERRED]})
    await desk.handler.deliver(chunk(1, 2))
    await desk.another().deliver(chunk(1, 2))
    assert desk.tried.count("m2@theirs.example") == 1
    assert len({p.id for p in desk.broker.under("event")}) == 1
    assert len({(p.subject, p.payload) for p, _ in desk.scheduled}) == 1


async def test_a_repeat_that_got_further_has_a_report_of_its_own():
    desk = Desk({"m1@theirs.example": [DEFERRED]})
    await desk.handler.deliver(chunk(1))
    await desk.another().deliver(chunk(1))
    assert [states(r)[1] for r in desk.reports] == ["deferred", "delivered"]
    assert len({p.id for p in desk.broker.under("event")}) == 2


async def test_the_last_attempt_gives_up():
    desk = Desk({"m1@theirs.example": [DEFERRED]})
    await desk.handler.deliver(chunk(1, attempt=21))
    (result,) = desk.reports[0].results
    assert result.state == "failed"
    assert result.reply == "gave up after 5 days: 451 4.2.0 later"
    assert desk.progress == {1: "failed"}
    assert not desk.scheduled


async def test_nobody_is_asked_for_once_the_next_hop_is_out_of_reach():
    gone = HopReply(0, "relay: connection refused", "unreachable")
    desk = Desk({"m1@theirs.example": [gone]})
    await desk.handler.deliver(chunk(1, 2, 3))
    assert desk.tried == ["m1@theirs.example"]
    assert set(states(desk.reports[0]).values()) == {"deferred"}
    assert [r.serial for r in desk.scheduled[0][1].recipients] == [1, 2, 3]


async def test_a_broken_connection_is_made_anew_once():
    lost = HopReply(0, "relay: connection lost", "lost")
    desk = Desk({"m1@theirs.example": [lost], "m3@theirs.example": [lost]})
    await desk.handler.deliver(chunk(1, 2, 3, 4))
    assert states(desk.reports[0]) == {1: "deferred", 2: "delivered", 3: "deferred", 4: "deferred"}
    assert desk.tried == [f"m{n}@theirs.example" for n in (1, 2, 3)]


async def test_a_copy_that_cannot_be_made_fails_and_the_others_go():
    desk = Desk()
    bad = msgspec.structs.replace(recipient(1), places={"to": "x\r\nBcc: y@z"})
    none = msgspec.structs.replace(recipient(2), places={})
    command = msgspec.structs.replace(chunk(), recipients=(bad, none, recipient(3)))
    await desk.handler.deliver(command)
    assert states(desk.reports[0]) == {1: "failed", 2: "failed", 3: "delivered"}
    assert "Bcc" not in desk.reports[0].results[0].reply


async def test_a_rendered_mail_that_is_gone_is_refused():
    desk = Desk()
    desk.broker.published.clear()
    with pytest.raises(RefusedError, match="gone"):
        await desk.handler.deliver(chunk(1))


async def test_progress_is_stored_by_twenty_five_recipients():
    desk = Desk()
    await desk.handler.deliver(chunk(*range(1, 61)))
    sizes = [len(decode(p.payload, Progress).done) for p in desk.broker.under("progress")]
    assert sizes == [25, 50, 60]


async def test_progress_is_stored_while_the_next_reply_is_awaited():
    desk = Desk()
    stored, release = asyncio.Event(), asyncio.Event()
    desk.broker.on_publish = lambda p: stored.set() if ".progress." in p.subject else None
    desk.hop.before = lambda who: release.wait() if who.startswith("m2@") else None
    running = asyncio.create_task(desk.handler.deliver(chunk(1, 2)))
    async with asyncio.timeout(5):
        await stored.wait()
    assert desk.progress == {1: "delivered"}
    release.set()
    await running


async def test_no_further_copy_leaves_while_progress_cannot_be_stored():
    desk = Desk()
    failed = asyncio.Event()

    def refuse(publication):
        if ".progress." in publication.subject and not failed.is_set():
            failed.set()
            assert len(desk.hop.sent) == 25
            raise UnavailableError("away")

    desk.broker.on_publish = refuse
    await desk.handler.deliver(chunk(*range(1, 31)))
    assert failed.is_set()
    assert desk.tried == [f"m{n}@theirs.example" for n in range(1, 31)]


async def test_a_killed_run_leaves_its_progress():
    desk = Desk()
    hang = asyncio.Event()
    reached = asyncio.Event()

    def before(who):
        if who.startswith("m3@"):
            reached.set()
            return hang.wait()
        return None

    desk.hop.before = before
    running = asyncio.create_task(desk.handler.deliver(chunk(1, 2, 3)))
    await reached.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert desk.progress == {1: "delivered", 2: "delivered"}
    desk.hop.before = lambda _: None
    await desk.another().deliver(chunk(1, 2, 3))
    assert desk.tried == [f"m{n}@theirs.example" for n in (1, 2, 3)]


async def test_stopping_stores_progress_and_gives_the_chunk_back():
    desk = Desk()
    desk.hop.before = lambda who: desk.handler.stop() if who.startswith("m2@") else None
    with pytest.raises(NotYetError):
        await desk.handler.deliver(chunk(1, 2, 3))
    assert desk.progress == {1: "delivered", 2: "delivered"}
    assert not desk.reports
    await desk.another().deliver(chunk(1, 2, 3))
    assert states(desk.reports[0]) == {1: "delivered", 2: "delivered", 3: "delivered"}


async def test_a_chunk_delivered_twice_at_once_is_sent_once():
    desk = Desk()
    both = [desk.handler.deliver(chunk(1, 2)) for _ in range(2)]
    await asyncio.gather(*both)
    assert desk.tried == ["m1@theirs.example", "m2@theirs.example"]


async def test_the_peers_words_are_made_harmless():
    desk = Desk({"m1@theirs.example": [HopReply(550, "no\x00\x1b[31m way\n" + "x" * 900)]})
    await desk.handler.deliver(chunk(1))
    reply = desk.reports[0].results[0].reply
    assert reply.startswith("550 no [31m way xxx")
    assert len(reply) == 500
    assert reply.isprintable()


LESS = HopReply(421, "4.7.0 too many connections", "unreachable")


@pytest.mark.parametrize(
    ("replies", "less"),
    [
        ([LESS], True),
        ([HopReply(421, "4.3.2 closing", "lost")], True),
        ([HopReply(451, "4.7.1 slowly", "", "mail"), HopReply(250, "kept")], True),
        (3 * [HopReply(450, "4.2.1 greylisted", "", "rcpt")], True),
        (2 * [HopReply(450, "4.2.1 greylisted", "", "rcpt")], False),
        ([*3 * [HopReply(450, "4.2.1 busy", "", "rcpt")], HopReply(250, "kept")], False),
        (3 * [HopReply(452, "4.3.1 no room")], False),
        ([HopReply(0, "no answer in time", "unreachable")], False),
        ([HopReply(550, "5.7.1 no", "", "mail")], False),
        ([], False),
    ],
)
def test_what_puts_off_a_chunk_as_such(replies, less):
    assert bool(asks_for_less(replies)) == less


async def test_a_destination_that_asks_for_less_is_sent_less_until_it_goes_well():
    desk = Desk({"m1@theirs.example": [LESS]})
    desk.handler._slots = slots = Slots(4)
    await desk.handler.deliver(chunk(1, 2))
    assert slots.of("memory") == 2
    for serial in (3, 4, 5, 6, 7):
        await desk.handler.deliver(msgspec.structs.replace(chunk(serial), chunk=f"chk_{serial}"))
    assert slots.of("memory") == 4
    assert [now for what, now in desk.counts.seen if what == "slowed"] == [1, 1, 0]


async def test_our_own_door_is_not_slowed():
    desk = Desk()
    desk.door.answers["a@ours.example"] = [LESS]
    await desk.handler.deliver(for_address("a@ours.example"))
    assert desk.handler._slots.slowed == 0


class Held:
    """Holds back a domain of an account; remembers what it was asked."""

    def __init__(self, domain):
        self.domain = domain

    def __call__(self, account, domain):
        return (account, domain) == ("acc_one", self.domain)


def held(desk, domain="theirs.example"):
    receiving = Receiving(
        desk.directory, desk.broker, desk.clock, desk.counts, hostname="mx.ours.example"
    )
    ways = OwnDoor(desk.directory, receiving, desk.door)
    return Delivering(desk.broker, ways, desk.hop, desk.clock, desk.counts, holds=Held(domain))


async def test_what_is_held_back_is_reported_as_not_tried_and_keeps_what_was_settled():
    desk = Desk()
    await desk.handler.deliver(chunk(1))
    await held(desk).deliver(chunk(1, 2))
    assert states(desk.reports[-1]) == {1: "delivered", 2: "deferred"}
    assert (desk.reports[-1].attempt, desk.reports[-1].next_attempt_at) == (0, None)
    ((_, waiting),) = desk.scheduled
    assert waiting.attempt == 1
    assert desk.tried == ["m1@theirs.example"]


async def test_nothing_waits_of_a_held_chunk_that_was_settled():
    desk = Desk()
    await desk.handler.deliver(chunk(1))
    await held(desk).deliver(chunk(1))
    assert states(desk.reports[-1]) == {1: "delivered"}
    assert desk.scheduled == []


@pytest.mark.parametrize(
    ("written", "domain"),
    [("Theirs.EXAMPLE", "theirs.example"), ("bücher.example", "xn--bcher-kva.example")],
)
async def test_a_domain_is_held_back_however_it_is_written(written, domain):
    desk = Desk()
    await held(desk, domain).deliver(msgspec.structs.replace(chunk(1), domain=written))
    assert states(desk.reports[-1]) == {1: "deferred"}
    assert desk.reports[-1].domain == domain
    assert desk.tried == []
