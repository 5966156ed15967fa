"""The ledger of smtp: mail comes in, copies go out by a next hop with every fault there is, and the
process is killed at random. Nothing is lost; a copy is there twice only where a 250 had been said to
a session that died before it was noted.

60 mails and 120 copies in `make test`, 2,000 and 4,000 in `make soak NAME=smtp-ledger`
(MAILS=…, POSTROOM_SEED=…).
"""

import asyncio
import contextlib
import os
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from postroom_contract import streams, subjects
from postroom_contract.codec import ENVELOPE_HEADER, decode, encode, envelope_from_header
from postroom_contract.commands import (
    DeliverChunk,
    OutboxMail,
    Progress,
    Recipient,
    Template,
    subject_of,
)
from postroom_contract.events import DeliveryReported
from postroom_contract.ids import derived_id
from postroom_contract.mail import Pointer
from postroom_runtime.bus import Bus
from postroom_runtime.messages import Publication
from support.buses import connected, quick_redelivery
from support.chance import SEED, chance
from support.corpora import soaking
from support.sink import Sink, _Conversation
from support.smtp_process import SmtpProcess, configure, looking
from support.waiting import eventually

SOAK = soaking("smtp-ledger")
MAILS = int(os.environ.get("MAILS", "2000" if SOAK else "60"))
COPIES = 2 * MAILS
KILLS = max(2, MAILS // 100)
LONG = 600.0 if SOAK else 60.0
SENDERS = 4
WAYS_TO_FAIL = (
    "rcpt 4xx", "rcpt 421", "rcpt drop", "rcpt hang", "data 4xx", "data drop", "dot 4xx", "dot drop",
    "dot hang", "250 and gone",
)  # fmt: skip
IN_TRYING = 0.25
"""Of the first tries at a copy so many go wrong; from the fourth on the hop is kind to it."""
IN_CONNECTING = 0.05
Copy = tuple[str, str]
"""The mail by its subject, and the recipient."""


@dataclass(eq=False)
class Session:
    """One connection of the next hop."""

    said_250: list[Copy] = field(default_factory=list)
    quit: bool = False

    @property
    def lost(self) -> bool:
        """Whether it ended with a 250 and no QUIT."""
        return not self.quit and bool(self.said_250)


class Faulty(Sink):
    """A next hop that fails by chance: drawn per copy and try, so that a seed says it again."""

    def __init__(self) -> None:
        super().__init__()
        self.of_sessions = chance("sessions")
        self.all: list[Session] = []
        self.tries: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.taken: Counter[Copy] = Counter()
        self.noted: set[Copy] = set()
        """Copies that PROGRESS held when the process was dead."""
        self.not_noted: set[Copy] = set()
        """Copies that were taken, and that it did not hold then."""
        self.noted_and_again: list[Copy] = []

    def fault(self, recipient: str) -> str:
        self.tries[recipient] += 1
        drawn = random.Random(f"{SEED} {recipient} {self.tries[recipient]}")
        if self.tries[recipient] > 3 or drawn.random() > IN_TRYING:
            return ""
        fault = drawn.choice(WAYS_TO_FAIL)
        self.faults[fault] += 1
        return fault

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine = Session()
        self.all.append(mine)
        self.open.add(writer)
        try:
            await FaultyConversation(self, reader, writer, mine).run()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client is dead, or we have hung up
        finally:
            self.open.discard(writer)
            writer.close()


class FaultyConversation(_Conversation):
    sink: Faulty

    def __init__(self, sink, reader, writer, mine: Session) -> None:
        super().__init__(sink, reader, writer)
        self.mine = mine
        self.fault = ""

    async def run(self) -> None:
        if self.sink.of_sessions.random() < IN_CONNECTING:
            how = self.sink.of_sessions.choice(("connect 421", "connect drop", "connect hang"))
            self.sink.faults[how] += 1
            if how == "connect 421":
                await self.say("421 4.3.2 not now")
            elif how == "connect hang":
                await self.reader.read()
            return
        await super().run()

    async def answer(self, verb: bytes, line: bytes) -> None:
        self.mine.quit = verb == b"QUIT"
        await super().answer(verb, line)

    async def recipient(self, address: str) -> None:
        self.fault = self.sink.fault(address)
        if self.fault == "rcpt 4xx":
            await self.say("451 4.2.1 busy")
        elif self.fault == "rcpt 421":
            await self.say("421 4.3.2 closing")
            self.hang_up()
        elif self.fault == "rcpt drop":
            self.hang_up()
        elif self.fault == "rcpt hang":
            await self.hang()
        else:
            await super().recipient(address)

    async def data(self) -> None:
        if self.fault == "data 4xx":
            await self.say("451 4.3.0 not now")
            return
        await self.say("354 go on")
        if self.fault == "data drop":
            await self.reader.readexactly(10)
            self.hang_up()
        raw = await self.read_mail()
        if self.fault == "dot 4xx":
            await self.say("452 4.3.1 no room")
        elif self.fault == "dot drop":
            self.hang_up()
        elif self.fault == "dot hang":
            await self.hang()
        else:
            await self.take(raw)

    async def take(self, raw: bytes) -> None:
        copy = (raw.split(b"Subject: ")[1].split(b"\r\n")[0].decode(), *self.rcpt_tos)
        if copy in self.sink.noted:
            self.sink.noted_and_again.append(copy)
        self.mine.said_250.append(copy)
        self.sink.taken[copy] += 1
        await self.say("250 2.0.0 kept")
        if self.fault == "250 and gone":
            self.hang_up()

    def hang_up(self) -> None:
        self.writer.transport.abort()
        raise ConnectionAbortedError

    async def hang(self) -> None:
        """Say nothing more, until the client leaves."""
        await self.reader.read()
        raise ConnectionAbortedError


@dataclass
class Ledger:
    """Who sends, who asks for copies, and who kills."""

    smtp: SmtpProcess
    sink: Faulty
    looking: Bus
    owed: set[Copy] = field(default_factory=set)
    chunks: dict[str, DeliverChunk] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)
    kills: int = 0

    def start(self) -> None:
        self.smtp.start(
            RELAY=self.sink.relay, TIME_SCALE="0.002", RELAY_CONNECT_SECONDS=1,
            RELAY_COMMAND_SECONDS=1, RELAY_DATA_SECONDS=1,
        )  # fmt: skip

    async def send_all(self) -> None:
        """Send each until it is taken, as a sender does; from then on we owe it."""
        waiting = [f"mail-{number}" for number in reversed(range(MAILS))]

        async def sender() -> None:
            while waiting:
                subject = waiting.pop()
                await eventually(lambda s=subject: self._sent(s), LONG, what=f"{subject} is taken")
                self.accepted.append(subject)

        await asyncio.gather(*(sender() for _ in range(SENDERS)))

    async def _sent(self, subject: str) -> bool:
        content = (
            f"Message-ID: <{subject}@theirs.example>\r\nFrom: <x@theirs.example>\r\n"
            f"Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nSubject: {subject}\r\n\r\nhello\r\n"
        ).encode()
        with contextlib.suppress(OSError, TimeoutError):
            async with self.smtp.client() as one:
                await one.say(b"EHLO theirs.example")
                return (await one.mail([b"a@ours.example"], content)).startswith("250")
        return False

    async def ask_all(self, bus: Bus) -> None:
        """Ask for copies of each mail that is stored, as forum-bridge does."""
        after = {spec.name: 0 for spec in streams.INTAKE}
        done: set[str] = set()

        async def more() -> bool:
            for stream, last in list(after.items()):
                found = await self.looking.get(Pointer(stream, last + 1))
                if found is None:
                    continue
                after[stream] += 1
                mail = envelope_from_header(found.headers[ENVELOPE_HEADER]).id
                if mail not in done:
                    done.add(mail)
                    subject = found.data.split(b"Subject: ")[1].split(b"\r\n")[0]
                    await self._ask(bus, mail, subject.decode())
            return len(done) == MAILS

        await eventually(more, LONG, what="copies of every mail are asked for")

    async def _ask(self, bus: Bus, mail: str, subject: str) -> None:
        """One, two or three copies: of two mails together four."""
        number = int(subject.partition("-")[2])
        many = (1, 3, 2, 2)[number % 4]
        outbox, chunk = derived_id("out", mail), derived_id("chk", mail)
        rendered = OutboxMail(
            id=outbox, account="acc_one", scope="frm_1", origin=mail, message_id=f"{mail}@ours",
            subject=subject,
            template=Template((f"Subject: {subject}\r\nTo: ".encode(), b"\r\n\r\nhi\r\n"), ("to",)),
        )  # fmt: skip
        people = [f"m{number}-{one}@theirs.example" for one in range(many)]
        command = DeliverChunk(
            id=derived_id("cmd", chunk, "1"), account="acc_one", correlation=mail, causation=mail,
            chunk=chunk, scope="frm_1", origin=mail, outbox=outbox, domain="theirs.example",
            attempt=1,
            recipients=tuple(
                Recipient(serial=serial, address=one, sender="g@ours.example", places={"to": one})
                for serial, one in enumerate(people)
            ),
        )  # fmt: skip
        self.chunks[chunk] = command
        self.owed |= {(subject, one) for one in people}
        where = subjects.outbox("acc_one", outbox)
        await bus.publish(Publication(where, encode(rendered), outbox))
        await bus.publish(Publication(subject_of(command), encode(command), command.id))

    async def kill_all(self) -> None:
        """Kill while mail comes in and while copies go out, at drawn moments."""
        draw = chance("kills")
        of_mails = sorted(draw.sample(range(1, MAILS), KILLS // 2))
        of_copies = sorted(draw.sample(range(1, COPIES - 10), KILLS - KILLS // 2))
        for reached in of_mails:
            await eventually(
                lambda r=reached: len(self.accepted) >= r, LONG, what=f"mail {reached}"
            )
            await self._kill()
        for reached in of_copies:
            await eventually(
                lambda r=reached: len(self.sink.taken) >= r, LONG, what=f"copy {reached}"
            )
            await self._kill()

    async def _kill(self) -> None:
        self.smtp.kill9()
        self.kills += 1
        self.sink.noted |= await self._noted()
        self.sink.not_noted |= set(self.sink.taken) - self.sink.noted
        self.start()

    async def _noted(self) -> set[Copy]:
        """What PROGRESS holds: none of it may leave again."""
        noted: set[Copy] = set()
        for command in list(self.chunks.values()):
            found = await self.looking.last("PROGRESS", subjects.progress(command.chunk))
            if found is not None:
                done = decode(found.data, Progress).done
                subject = f"mail-{command.recipients[0].address[1:].partition('-')[0]}"
                noted |= {(subject, r.address) for r in command.recipients if r.serial in done}
        return noted

    async def results(self) -> dict[str, dict[int, set[str]]]:
        """Chunk to serial to the states that were reported."""
        found: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        last = (await self.looking.stream_info("EVENTS"))["state"]["last_seq"]
        for sequence in range(1, last + 1):
            one = await self.looking.get(Pointer("EVENTS", sequence))
            if one is not None and ".delivery.reported." in one.subject:
                event = decode(one.data, DeliveryReported)
                for result in event.results:
                    found[event.chunk][result.serial].add(result.state)
        return found

    async def settled(self) -> bool:
        """Whether every copy was reported as delivered."""
        results = await self.results()
        return all(
            "delivered" in results[command.chunk][one.serial]
            for command in self.chunks.values()
            for one in command.recipients
        )

    def doubles(self) -> int:
        """Return how many copies came twice.

        Allowed is it where the process died before the copy was noted, and where the session died
        right after its 250, which nobody may have heard.
        """
        last = {session.said_250[-1] for session in self.sink.all if session.lost}
        twice = {copy for copy, times in self.sink.taken.items() if times > 1}
        assert twice <= last | self.sink.not_noted, twice - last - self.sink.not_noted
        return self.sink.taken.total() - len(self.sink.taken)


async def test_nothing_is_lost_whoever_fails_and_whatever_is_killed(smtp, nats_server) -> None:
    await configure(nats_server)
    await quick_redelivery(nats_server, 6)
    async with (
        Faulty() as sink,
        looking(nats_server) as seeing,
        connected(nats_server, "forum-bridge") as bus,
    ):
        ledger = Ledger(smtp, sink, seeing)
        ledger.start()
        await smtp.ready()
        await asyncio.gather(ledger.send_all(), ledger.ask_all(bus), ledger.kill_all())
        assert (len(ledger.owed), ledger.kills) == (COPIES, KILLS)
        await eventually(lambda: set(sink.taken) == ledger.owed, LONG, what="every copy is there")
        await eventually(ledger.settled, LONG, what="every copy is reported as delivered")
        assert sink.noted_and_again == []
        states = {s for of in (await ledger.results()).values() for s in set().union(*of.values())}
        assert states <= {"delivered", "deferred"}
        assert (await seeing.stream_info("DEAD"))["state"]["messages"] == 0
        print(
            f"{MAILS} mails, {COPIES} copies, {ledger.kills} kills, {sink.faults.total()} faults"
            f" {dict(sink.faults)}: {ledger.doubles()} second copies, none of them noted"
        )
