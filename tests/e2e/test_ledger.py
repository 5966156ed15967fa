"""The ledger: whatever is killed when, no mail that got 250 is lost or handled twice.

300 mails per run in `make test`; 5,000 in `make soak NAME=ledger` (MAILS=…, POSTROOM_SEED=…).
"""

import asyncio
import contextlib
import os
import random
import smtplib
from collections import Counter
from dataclasses import dataclass, field

import httpx
import pytest

from support.chance import chance
from support.client import Api, letter, wire
from support.corpora import soaking
from support.operator import forum_database
from support.sink import Sink
from support.system import System
from support.waiting import eventually

GARDEN = "garden@example.org"
ANNA = "anna@example.net"
MEMBERS = ("ben@example.com", "cora@example.com")
PARTS = ("smtp", "rules", "forum-bridge", "api", "fetcher", "nats", "postgres")
MAILS = int(os.environ.get("MAILS", "5000" if soaking("ledger") else "300"))
MAILS_PER_KILL = 100
SENDERS = 4
IN_FLIGHT_PER_KILL = 8
"""Copies that may be under way when a part dies: four chunks at a time of two members."""
LONG = 600.0 if soaking("ledger") else 90.0


@dataclass
class Ledger:
    """What was promised to senders."""

    system: System
    accepted: list[str] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)

    async def send(self, subject: str) -> None:
        """Send until it is taken, as a sender does; from then on we owe it."""
        mail = wire(letter(ANNA, GARDEN, subject, message_id=f"{subject}@x"))

        async def taken() -> bool:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                await asyncio.to_thread(self._try, mail)
                return True
            return False

        await eventually(taken, LONG, what=f"{subject} is taken")
        self.accepted.append(subject)

    def _try(self, mail: bytes) -> None:
        with smtplib.SMTP("127.0.0.1", self.system.smtp_port, timeout=10) as client:
            client.sendmail(ANNA, [GARDEN], mail)

    async def kill(self, name: str) -> None:
        """Kill a part, as soon as it runs; return when it is back."""
        await eventually(lambda: self.system.pid(name), LONG, what=f"{name} runs")
        self.killed[name] += 1
        await self.system.back(name, self.system.kill9(name), LONG)


def _kills(draw: random.Random) -> dict[int, str]:
    """Draw before which mail which part is killed: each in turn, in a new order each time."""
    number = max(len(PARTS), MAILS // MAILS_PER_KILL)
    turns = (draw.sample(PARTS, len(PARTS)) for _ in range(number // len(PARTS) + 1))
    parts = [part for turn in turns for part in turn][:number]
    return dict(zip(sorted(draw.sample(range(1, MAILS), number)), parts, strict=True))


async def _send_all(ledger: Ledger, subjects: list[str], kills: dict[int, str]) -> None:
    """Send all, some at a time; no sender waits until a killed part is back."""
    waiting = list(reversed(list(enumerate(subjects))))
    coming_back: list[asyncio.Task[None]] = []

    async def sender() -> None:
        while waiting:
            number, subject = waiting.pop()
            if number in kills:
                coming_back.append(asyncio.create_task(ledger.kill(kills[number])))
            await ledger.send(subject)

    await asyncio.gather(*(sender() for _ in range(SENDERS)))
    await asyncio.gather(*coming_back)


async def _titles(system: System) -> list[str]:
    async with forum_database(system) as database:
        return [str(row[0]) for row in await database.fetch("SELECT subject FROM forum.post")]


async def _settled(ledger: Ledger, api: Api, sink: Sink) -> int:
    """Wait until all that was accepted is decided, posted and with everyone; second copies."""
    owed = Counter(ledger.accepted)

    async def posted() -> bool:
        with contextlib.suppress(Exception):
            return Counter(await _titles(ledger.system)) == owed
        return False

    await eventually(posted, LONG, what="every accepted mail is posted once")

    async def decided() -> bool:
        with contextlib.suppress(httpx.HTTPError, AssertionError):
            # A mail that was stored but got no 250 comes again, and is the same mail.
            rows = await api.all("/messages")
            return Counter(row["subject"] for row in rows) == owed
        return False

    await eventually(decided, LONG, what="every accepted mail is decided once")
    wanted = {(subject, member) for subject in owed for member in MEMBERS}

    def copies() -> Counter[tuple[str, str]]:
        return Counter((_subject(one.raw), to) for one in sink.received for to in one.rcpt_tos)

    await eventually(lambda: set(copies()) >= wanted, LONG, what="every member has every mail")
    got = copies()
    assert set(got) == wanted
    return got.total() - len(wanted)


def _subject(raw: bytes) -> str:
    return raw.split(b"Message-ID: <")[1].split(b"@")[0].decode()


async def test_mail_flows_while_each_part_is_killed_in_turn(
    running: System, api: Api, sink: Sink
) -> None:
    await api.forum("Garden", GARDEN, *MEMBERS)
    ledger = Ledger(running)
    subjects = [f"mail-{number}" for number in range(MAILS)]
    await _send_all(ledger, subjects, _kills(chance()))
    doubles = await _settled(ledger, api, sink)
    print(f"{MAILS} mails, killed {dict(ledger.killed)}: {doubles} second copies")
    assert set(ledger.killed) == set(PARTS)
    assert doubles <= IN_FLIGHT_PER_KILL * ledger.killed.total()


@pytest.mark.skipif(
    not soaking("ledger"), reason="part by part in `make soak NAME=ledger`; the test above has all"
)
@pytest.mark.parametrize("name", ["smtp", "rules", "forum-bridge", "api", "nats", "postgres"])
async def test_one_kill_between_twenty_mails(
    running: System, api: Api, sink: Sink, name: str
) -> None:
    """The same for one part, so that a fault says whose it is."""
    await api.forum("Garden", GARDEN, *MEMBERS)
    ledger = Ledger(running)
    await _send_all(ledger, [f"mail-{number}" for number in range(20)], {10: name})
    doubles = await _settled(ledger, api, sink)
    print(f"killed {name}: {doubles} second copies")
    assert doubles <= IN_FLIGHT_PER_KILL
