"""Daily caps: what is over them waits for the next day, counted over replicas, and nothing is lost."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from postroom_contract import subjects
from postroom_contract.codec import decode, encode
from postroom_contract.commands import DeliverChunk, OutboxMail, Recipient, Sent, Template
from postroom_contract.events import DeliveryReported
from postroom_runtime.errors import UnavailableError
from postroom_runtime.messages import Publication
from postroom_smtp.domain import caps
from postroom_smtp.domain.delivery import HopReply
from postroom_smtp.handlers.capping import Capping
from postroom_smtp.handlers.delivering import Delivering
from postroom_smtp.handlers.queueing import waits_at
from postroom_smtp.handlers.receiving import Receiving
from postroom_smtp.own_door import OwnDoor
from support.smtp import FixedClock, MemoryBroker, MemoryCounts, MemoryDirectory, MemoryHop

MAIL = OutboxMail(
    id="out_1", account="acc_one", scope="frm_1", origin="pst_1", message_id="1@ours.example",
    subject="Roses", template=Template((b"Subject: Roses\r\n\r\nhi\r\n",), ()),
)  # fmt: skip


def chunk(name: str, *people: str, account: str = "acc_one") -> DeliverChunk:
    return DeliverChunk(
        id=f"cmd_{name}", account=account, correlation="msg_1", causation="evt_1",
        chunk=f"chk_{name}", scope="frm_1", origin="pst_1", outbox="out_1",
        domain="theirs.example", attempt=1,
        recipients=tuple(
            Recipient(
                serial=serial, sender="g@ours.example", places={},
                address=one if "@" in one else f"{one}@theirs.example",
            )
            for serial, one in enumerate(people)
        ),
    )  # fmt: skip


class Days(FixedClock):
    """Time stands still until the next day is told."""

    day = 23

    def now(self) -> datetime:
        return datetime(2026, 11, self.day, 12, 0, tzinfo=UTC)


class Desk:
    """Replicas on one broker."""

    def __init__(self, cap: int, answers=None) -> None:
        self.broker = MemoryBroker()
        for account in ("acc_one", "acc_two"):
            where = subjects.outbox(account, "out_1")
            self.broker.published.append(Publication(where, encode(MAIL), None))
        self.hop, self.door = MemoryHop(answers), MemoryHop()
        self.clock = Days()
        self.replicas = [self._replica(cap) for _ in range(2)]

    def _replica(self, cap: int) -> Delivering:
        counts = MemoryCounts()
        directory = MemoryDirectory()
        receiving = Receiving(
            directory, self.broker, self.clock, counts, hostname="mx.ours.example"
        )
        return Delivering(
            self.broker, OwnDoor(directory, receiving, self.door), self.hop, self.clock, counts,
            capping=Capping(self.broker, self.clock, cap),
        )  # fmt: skip

    async def deliver(self, command: DeliverChunk, replica: int = 0) -> None:
        await self.replicas[replica].deliver(command)

    @property
    def left(self) -> list[str]:
        return [to.partition("@")[0] for _, to, _ in self.hop.sent]

    @property
    def reports(self) -> list[DeliveryReported]:
        return [decode(p.payload, DeliveryReported) for p in self.broker.under("event")]

    @property
    def scheduled(self) -> dict[str, tuple[str, DeliverChunk]]:
        """The newest of each subject, as the broker keeps them."""
        return {
            p.subject: (p.headers["Nats-Schedule"], decode(p.payload, DeliverChunk))
            for p in self.broker.under("schedule")
        }

    def counted(self, account: str = "acc_one", day: str = "20261123") -> int:
        subject = subjects.sent(account, day)
        found = [p for p in self.broker.published if p.subject == subject]
        return decode(found[-1].payload, Sent).copies if found else 0


async def test_what_is_over_the_cap_waits_for_the_next_day_and_says_so() -> None:
    desk = Desk(cap=3)
    await desk.deliver(chunk("1", "a", "b"))
    await desk.deliver(chunk("2", "c", "d", "e"))
    assert (desk.left, desk.counted()) == (["a", "b", "c"], 3)
    put_off = desk.reports[1]
    assert [(r.recipient[0], r.state) for r in put_off.results] == [
        ("d", "deferred"),
        ("e", "deferred"),
    ]
    assert (
        put_off.results[0].reply
        == "today's 3 copies of the account are out; it goes on at 00:00 UTC"
    )
    assert put_off.next_attempt_at == datetime(2026, 11, 24, tzinfo=UTC)
    assert [(r.recipient[0], r.state) for r in desk.reports[2].results] == [("c", "delivered")]
    ((when, later),) = desk.scheduled.values()
    assert when == "@at 2026-11-24T00:00:00.000Z"
    assert (later.attempt, [r.address[0] for r in later.recipients]) == (1, ["d", "e"])
    desk.clock.day = 24
    await desk.deliver(later)
    assert desk.left == ["a", "b", "c", "d", "e"]
    assert (desk.counted(day="20261124"), desk.counted()) == (2, 3)


async def test_days_may_pass_and_every_report_is_one_of_its_own() -> None:
    desk = Desk(cap=1)
    await desk.deliver(chunk("1", "a", "b", "c"))
    for day in (24, 25):
        desk.clock.day = day
        (later,) = [
            c for when, c in desk.scheduled.values() if when.startswith(f"@at 2026-11-{day}")
        ]
        await desk.deliver(later)
    assert desk.left == ["a", "b", "c"]
    assert len({p.id for p in desk.broker.under("event")}) == len(desk.reports) == 5


async def test_replicas_count_together() -> None:
    desk = Desk(cap=7)
    await asyncio.gather(*(desk.deliver(chunk(str(n), f"m{n}"), n % 2) for n in range(20)))
    assert (len(desk.left), desk.counted()) == (7, 7)
    assert len(desk.scheduled) == 13


async def test_each_account_has_its_own_and_our_own_addresses_cost_nothing() -> None:
    desk = Desk(cap=1)
    await desk.deliver(chunk("1", "a@ours.example", "b@ours.example", "x", "c@ours.example", "y"))
    await desk.deliver(chunk("2", "z", account="acc_two"))
    assert desk.left == ["x", "z"]
    assert [to for _, to, _ in desk.door.sent] == [
        "a@ours.example",
        "b@ours.example",
        "c@ours.example",
    ]
    assert (desk.counted(), desk.counted("acc_two")) == (1, 1)


async def test_what_did_not_leave_is_given_back() -> None:
    later, never = HopReply(451, "4.2.0 later"), HopReply(550, "5.1.1 no such user")
    desk = Desk(2, {"a@theirs.example": [later], "b@theirs.example": [never]})
    await desk.deliver(chunk("1", "a", "b"))
    assert desk.counted() == 0
    await desk.deliver(chunk("2", "c", "d", "e"))
    assert desk.left[2:] == ["c", "d"]
    assert desk.counted() == 2


async def test_a_repeat_of_a_chunk_sends_nobody_twice() -> None:
    desk = Desk(cap=2)
    await desk.deliver(chunk("1", "a", "b", "c"))
    await desk.deliver(chunk("1", "a", "b", "c"), 1)
    assert (desk.left, desk.counted()) == (["a", "b"], 2)
    ((_, later),) = desk.scheduled.values()
    assert [r.address[0] for r in later.recipients] == ["c"]


async def test_a_broker_that_is_away_at_the_end_counts_too_many_and_loses_nothing() -> None:
    desk = Desk(2, {"a@theirs.example": [HopReply(451, "4.2.0 later")]})

    def fail(what: Publication) -> None:
        if (
            what.subject == subjects.sent("acc_one", "20261123")
            and decode(what.payload, Sent).copies == 0
        ):
            raise UnavailableError("away")

    desk.broker.on_publish = fail
    await desk.deliver(chunk("1", "a"))
    assert desk.counted() == 1
    assert [r.state for r in desk.reports[0].results] == ["deferred"]


@pytest.mark.parametrize(
    ("now", "day", "then"),
    [
        (datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC), "20261123", 24),
        (datetime(2026, 11, 23, 0, 0, tzinfo=UTC), "20261123", 24),
        (datetime.fromisoformat("2026-11-24T00:30:00+02:00"), "20261123", 24),
    ],
)
def test_days_are_those_of_utc(now, day, then) -> None:
    assert caps.day_of(now) == day
    assert caps.next_day(now) == datetime(2026, 11, then, tzinfo=UTC)
    assert caps.next_day(now) - now <= timedelta(days=1)


def test_so_many_may_leave() -> None:
    assert [caps.granted(5, sent, 10) for sent in (0, 5, 7, 10, 12)] == [5, 5, 3, 0, 0]


async def test_without_a_relay_nothing_is_counted() -> None:
    desk = Desk(cap=1)
    desk.replicas[0]._relay = None
    await desk.deliver(msgspec.structs.replace(chunk("1", "a", "b")))
    assert [r.state for r in desk.reports[0].results] == ["captured", "captured"]
    assert desk.counted() == 0


async def test_parts_of_a_chunk_never_wait_in_each_others_place() -> None:
    """Each is tried as often as the other; neither schedule may replace the other."""
    busy = HopReply(451, "4.2.1 busy")
    answers = {f"{name}@theirs.example": [busy, busy, busy] for name in "ac"}
    desk = Desk(cap=2, answers=answers)
    await desk.deliver(chunk("1", "a", "b", "c", "d"))
    (put_off,) = [one for _, one in desk.scheduled.values() if one.attempt == 1]
    desk.clock.day = 24
    await desk.deliver(put_off)
    waiting = [
        (one.attempt, [to.address[0] for to in one.recipients])
        for _, one in desk.scheduled.values()
    ]
    assert sorted(waiting) == [(1, ["c", "d"]), (2, ["a"]), (2, ["c"])]
    assert len({one.id for _, one in desk.scheduled.values()}) == 3
    # Parts of parts, on the same day, after as many attempts.
    again = [one for _, one in desk.scheduled.values() if one.attempt == 2]
    desk.clock.day = 25
    await desk.deliver(chunk("2", "x", "y"))
    for one in again:
        await desk.deliver(one)
    later = [one for _, one in desk.scheduled.values() if one.attempt == 2]
    assert sorted(to.address[0] for one in later for to in one.recipients) == ["a", "a", "c", "c"]


async def test_what_is_given_up_waits_for_no_day() -> None:
    desk = Desk(cap=1)
    await desk.deliver(chunk("1", "a", "b"))
    ((where, put_off),) = [
        (where, one) for where, (_, one) in desk.scheduled.items() if one.attempt == 1
    ]
    report = next(one for one in desk.reports if one.part)
    assert where == waits_at("acc_one", report.chunk, report.attempt + 1, report.part)
    await desk.deliver(msgspec.structs.replace(put_off, give_up="dropped by Anna"))
    last = desk.reports[-1]
    assert [(r.state, r.reply) for r in last.results] == [("failed", "dropped by Anna")]
    assert (desk.left, desk.counted()) == (["a"], 1)
