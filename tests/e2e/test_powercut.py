"""The power fails: whatever was acknowledged before that instant is there when it comes back.

Home lies on a disk of its own (`support.powercut`). In the middle of its work the whole system is
stopped, the disk's image copied, the system killed; then the copy is read without any service,
and a system started on it. Laws:
1. A mail that got 250 is in INTAKE, whole; a member or post that got 201 is in Postgres.
2. No command speaks of a rendered mail that OUTBOX has not.
3. PROGRESS and Postgres hold no copy for delivered that the next hop did not take.
4. In the end each mail is decided and posted once, and everybody has every copy; second copies
   stay below what was under way.
5. What nobody synced is lost: else nothing above would mean anything
   (more of that in tests/integration/test_powercut.py).

One cut with few mails in `make test`, three with more in `make soak NAME=powercut`
(CUTS=…, POSTROOM_SEED=…).
"""

import asyncio
import contextlib
import hashlib
import itertools
import os
import random
import smtplib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from postroom_contract import streams
from support.chance import chance
from support.client import Api, letter, wire
from support.corpora import soaking
from support.operator import broker, forum_database
from support.powercut import Disk, end_all, freeze_whole
from support.sink import Sink
from support.stored import Copy, Stored, look, message_id
from support.system import System
from support.waiting import eventually

GARDEN = "garden@example.org"
ANNA = "anna@example.net"
MEMBERS = ("ben@example.com", "cora@example.com")
CUTS = int(os.environ.get("CUTS", "3" if soaking("powercut") else "1"))
INSTANTS = (
    {"mail": (20, 120), "copy": (20, 240), "written": (3, 12)}
    if soaking("powercut")
    else {"mail": (8, 16), "copy": (8, 24), "written": (2, 3)}
)
"""What is counted from one start on → between which numbers of it the power fails."""
SENDERS = 4
MAILS_PER_WRITING = 6
CHUNKS_IN_HAND = 8
"""How many chunks smtp tries at a time; each may be done and not yet noted."""
LONG = 300.0 if soaking("powercut") else 90.0


@dataclass
class Ledger:
    """What was promised, to whom, and the instant at which the power fails."""

    system: System
    sink: Sink
    mails: dict[str, bytes] = field(default_factory=dict)
    """Subject → what got 250."""
    unanswered: dict[str, bytes] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    posts: dict[str, str] = field(default_factory=dict)
    """Subject → id of what was written on the page and got 201."""
    perhaps: set[str] = field(default_factory=set)
    """Subjects of what was written and got no answer."""
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    counted: Counter[str] = field(default_factory=Counter)
    instant: tuple[str, int] = ("", 0)
    frozen: list[psutil.Process] | None = None

    def expect(self, kind: str, number: int) -> None:
        """Let the power fail at this count of `kind`, in the very step that counts it."""
        self.counted.clear()
        self.instant, self.frozen = (kind, number), None
        self.sink.on_received = lambda: self.count("copy")

    def count(self, kind: str) -> None:
        self.counted[kind] += 1
        if self.frozen is None and (kind, self.counted[kind]) == self.instant:
            assert self.system.process is not None
            self.frozen = freeze_whole(self.system.process.pid)

    @property
    def copies(self) -> Counter[Copy]:
        """What the next hop took, and how often."""
        return Counter((message_id(m.raw), to) for m in self.sink.received for to in m.rcpt_tos)


async def _send(ledger: Ledger, subject: str, mail: bytes) -> None:
    """Send until it is taken, as a sender does, or until the power fails."""

    def once() -> None:
        with smtplib.SMTP("127.0.0.1", ledger.system.smtp_port, timeout=20) as client:
            client.sendmail(ANNA, [GARDEN], mail)
            ledger_loop.call_soon_threadsafe(taken)

    def taken() -> None:
        ledger.unanswered.pop(subject, None)
        ledger.mails[subject] = mail
        ledger.count("mail")

    async def done() -> bool:
        with contextlib.suppress(OSError, smtplib.SMTPException):
            await asyncio.to_thread(once)
        return subject in ledger.mails or ledger.frozen is not None

    ledger_loop = asyncio.get_running_loop()
    ledger.unanswered[subject] = mail
    await eventually(done, LONG, what=f"{subject} is taken")


async def _sender(ledger: Ledger) -> None:
    while ledger.frozen is None:
        subject = f"mail-{next(ledger.numbers)}"
        await _send(ledger, subject, wire(letter(ANNA, GARDEN, subject, message_id=f"{subject}@x")))


async def _writer(ledger: Ledger, api: Api, forum: str) -> None:
    """Add a member and write a post, again and again between mails."""
    while ledger.frozen is None:
        number = next(ledger.numbers)
        subject = f"page-{number}"
        ledger.perhaps.add(subject)
        try:
            member = await api.post(f"/forums/{forum}/members", email=f"m{number}@example.com")
            ledger.members.add(member["id"])
            ledger.count("written")
            post = await api.post(f"/forums/{forum}/topics", subject=subject, text="Hello")
            ledger.posts[subject] = post["id"]
            ledger.perhaps.remove(subject)
            ledger.count("written")
        except (httpx.HTTPError, AssertionError):
            if ledger.frozen is None:
                raise
        soon = ledger.counted["mail"] + MAILS_PER_WRITING
        await eventually(lambda: ledger.frozen or ledger.counted["mail"] >= soon, LONG)  # noqa: B023 - awaited here


async def _until_the_power_fails(ledger: Ledger, api: Api, forum: str, disk: Disk) -> Path:
    """Work until the instant; return the disk's image of then, when nothing runs any more."""
    load = asyncio.gather(*(_sender(ledger) for _ in range(SENDERS)), _writer(ledger, api, forum))
    try:
        await eventually(lambda: ledger.frozen or load.done(), LONG, what="the instant is reached")
        if load.done():
            await load
        assert ledger.frozen
        forgotten = ledger.system.home.path / "forgotten"
        forgotten.write_text("written in the last moment, and not synced\n" * 1000)
        image = await asyncio.to_thread(disk.cut)
        end_all(ledger.frozen)
        assert ledger.system.process is not None
        ledger.system.process.wait()
        await asyncio.wait_for(load, LONG)
    finally:
        load.cancel()
    await eventually(lambda: not ledger.sink.open, what="the next hop has read all there was")
    return image


def _secrets(system: System) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (system.home.path / "secrets").iterdir()}


def _require_promises_kept(ledger: Ledger, stored: Stored) -> None:
    """Laws 1 to 3."""
    owed = {hashlib.sha256(mail).hexdigest(): subject for subject, mail in ledger.mails.items()}
    assert not [owed[digest] for digest in owed.keys() - stored.mails], "250, and not in INTAKE"
    assert not ledger.members - stored.members, "201, and no such member"
    assert not set(ledger.posts.values()) - stored.posts, "201, and no such post"
    assert not stored.missing_outbox()
    sent = ledger.copies.keys()
    assert not stored.progressed() - sent, "delivered, says PROGRESS"
    assert not stored.delivered - sent, "delivered, says Postgres"


async def _until_nothing_is_left_to_do(system: System) -> None:
    async with broker(system) as bus, forum_database(system) as database:

        async def quiet() -> bool:
            for spec in streams.CONSUMERS:
                info = await bus.ask(f"$JS.API.CONSUMER.INFO.{spec.stream}.{spec.name}")
                if info["num_pending"] or info["num_ack_pending"]:
                    return False
            return not await database.fetchval(
                "SELECT (SELECT count(*) FROM forum.outbox)"
                " + (SELECT count(*) FROM forum.delivery WHERE state = 'pending')"
            )

        await eventually(quiet, LONG, what="nothing is left to do")


async def _require_all_done_once(ledger: Ledger, api: Api) -> int:
    """Law 4: what nobody answered is sent again, and all comes to rest; return second copies."""
    ledger.expect("nothing more", 0)
    for subject, mail in list(ledger.unanswered.items()):
        await _send(ledger, subject, mail)
    await _until_nothing_is_left_to_do(ledger.system)

    async def logged() -> bool:
        rows = await api.all("/messages")
        return Counter(row["subject"] for row in rows) == Counter(ledger.mails.keys())

    await eventually(logged, LONG, what="every mail is decided once")
    async with forum_database(ledger.system) as database:
        titles = await database.fetch("SELECT subject FROM forum.post WHERE NOT placeholder")
        rows = await database.fetch(
            "SELECT p.subject, p.message_id, d.address, d.state"
            " FROM forum.delivery d JOIN forum.post p ON p.id = d.post"
        )
    posted = Counter(row[0] for row in titles)
    owed = ledger.mails.keys() | ledger.posts.keys()
    assert posted == Counter(owed | (posted.keys() & ledger.perhaps))
    assert {row["state"] for row in rows} == {"delivered"}
    listed = {(row["subject"], row["address"]) for row in rows}
    assert listed >= {(subject, member) for subject in owed for member in MEMBERS}
    assert ledger.copies.keys() == {(row["message_id"], row["address"]) for row in rows}
    assert await api.all("/set-aside") == []
    return ledger.copies.total() - len(ledger.copies)


def _instants(draw: random.Random) -> list[tuple[str, int]]:
    """Draw them: each kind in turn, in a new order each time."""
    turns = (draw.sample(sorted(INSTANTS), len(INSTANTS)) for _ in itertools.count())
    kinds = itertools.islice(itertools.chain.from_iterable(turns), CUTS)
    return [(kind, draw.randint(*INSTANTS[kind])) for kind in kinds]


@pytest.fixture
async def on_disk(disk: Disk, tmp_path: Path, sink: Sink) -> AsyncIterator[System]:
    made = System(tmp_path, {"POSTROOM_RELAY": sink.relay})
    try:
        made.start()
        await made.wait_ready()
        yield made
    finally:
        made.stop()


async def test_all_that_was_acknowledged_outlives_power_cuts(
    disk: Disk, on_disk: System, sink: Sink
) -> None:
    print(f"\nCUTS={CUTS}")
    ledger = Ledger(on_disk, sink)
    secrets = _secrets(on_disk)
    doubles = progress = 0
    async with Api(on_disk) as api:
        forum = await api.forum("Garden", GARDEN, *MEMBERS)
    for kind, number in _instants(chance()):
        ledger.expect(kind, number)
        async with Api(on_disk) as api:
            image = await _until_the_power_fails(ledger, api, forum, disk)
        with disk.looking_into(image):
            forgotten = on_disk.home.path / "forgotten"
            assert not forgotten.exists() or not forgotten.read_bytes(), "the cut loses nothing"
            assert _secrets(on_disk) == secrets
            stored = await look(on_disk)
        _require_promises_kept(ledger, stored)
        progress += len(stored.progressed())
        print(f"cut at {kind} {number}: {_summary(ledger, stored)}")
        disk.replace(image)
        on_disk.start()
        await on_disk.wait_ready()
        async with Api(on_disk) as api:
            seconds = await _require_all_done_once(ledger, api)
        print(f"  all done once; {seconds - doubles} second copies")
        people = len(MEMBERS) + len(ledger.members)
        assert seconds - doubles <= CHUNKS_IN_HAND * people
        doubles = seconds
    assert progress or not soaking("powercut"), "PROGRESS was never looked at in the middle of work"


def _summary(ledger: Ledger, stored: Stored) -> str:
    return (
        f"{len(ledger.mails)} mails had 250, {len(ledger.members)} members and "
        f"{len(ledger.posts)} posts 201, {len(ledger.unanswered)} no answer; on the disk "
        f"{len(stored.mails)} mails, {len(stored.outbox)} rendered, {len(stored.chunks)} chunks, "
        f"{len(stored.progressed())} copies in PROGRESS of {ledger.copies.total()} sent; none lost"
    )
