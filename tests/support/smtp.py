"""The smtp service without sockets or broker: fakes of its ports, and a transport in memory."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

from postroom_contract import subjects
from postroom_contract.codec import ENVELOPE_HEADER, envelope_from_header
from postroom_contract.documents import AddressDocument, DomainDocument, SubmissionDocument
from postroom_contract.mail import Envelope
from postroom_runtime.clock import Clock
from postroom_runtime.messages import (
    EXPECT_SUBJECT_SEQUENCE,
    ConflictError,
    Found,
    Publication,
    Stored,
)
from postroom_smtp.aiosmtpd_guests import Guests
from postroom_smtp.aiosmtpd_session import SmtpSession
from postroom_smtp.domain.access import Access
from postroom_smtp.domain.delivery import HopReply
from postroom_smtp.domain.limits import Limits
from postroom_smtp.handlers.receiving import Receiving

ADDRESSES = ("a@ours.example", "b@ours.example", "c@ours.example", "d@ours.example")
FORUM = "garden@ours.example"


def address_document(address: str) -> AddressDocument:
    name = address.partition("@")[0]
    forum = f"frm_{name}" if address == FORUM else None
    return AddressDocument(
        address=address, account="acc_one", mailbox=f"mbx_{name}", version=1, forum=forum
    )


class MemoryDirectory:
    """Knows `ADDRESSES` and `FORUM` of ours.example."""

    def __init__(self, addresses: Sequence[str] = (*ADDRESSES, FORUM)) -> None:
        self.documents = {one: address_document(one) for one in addresses}
        self.domains = {
            name: DomainDocument(domain=name, account="acc_one", version=1)
            for name in {one.partition("@")[2] for one in addresses}
        }
        self.in_step = True
        self.read = True
        self.submitters: dict[str, SubmissionDocument] = {}
        self.suppressed: set[tuple[str, str]] = set()

    def address(self, canonical: str) -> AddressDocument | None:
        return self.documents.get(canonical)

    def has_domain(self, canonical: str) -> bool:
        return canonical in self.domains

    def domain(self, canonical: str) -> DomainDocument | None:
        return self.domains.get(canonical)

    def submission(self, login: str) -> SubmissionDocument | None:
        return self.submitters.get(login)

    def is_suppressed(self, account: str, canonical: str) -> bool:
        return (account, canonical) in self.suppressed

    def knows(self) -> bool:
        return self.in_step

    def was_read(self) -> bool:
        return self.read


class MemoryBroker:
    """Keeps everything in order; `errors` are raised one by one, `gate` holds publishes up."""

    def __init__(self) -> None:
        self.published: list[Publication] = []
        self.errors: list[Exception] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.on_publish: Callable[[Publication], None] = lambda _: None

    async def publish(self, what: Publication) -> Stored:
        return (await self.publish_all([what]))[0]

    async def publish_all(self, batch: Sequence[Publication]) -> list[Stored]:
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        for one in batch:
            self.on_publish(one)
            expected = one.headers.get(EXPECT_SUBJECT_SEQUENCE)
            last = await self.last("", one.subject) if expected is not None else None
            if expected is not None and int(expected) != (last.sequence if last else 0):
                raise ConflictError("wrong last sequence")
            self.published.append(one)
        return [Stored("S", len(self.published)) for _ in batch]

    async def last(self, stream: str, subject: str) -> Found | None:
        for number, one in reversed(list(enumerate(self.published, 1))):
            if one.subject == subject:
                when = datetime(2026, 11, 23, tzinfo=UTC)
                return Found(subject, one.payload, dict(one.headers), stream, number, when)
        return None

    def under(self, word: str) -> list[Publication]:
        """What was published below `postroom.v1.<word>`."""
        return [p for p in self.published if p.subject.startswith(f"{subjects.ROOT}.{word}.")]

    @property
    def envelopes(self) -> list[Envelope]:
        return [envelope_from_header(p.headers[ENVELOPE_HEADER]) for p in self.under("intake")]


class MemoryCounts:
    def __init__(self) -> None:
        self.seen: list[tuple[str, object]] = []

    def accepted(self, recipients: int) -> None:
        self.seen.append(("accepted", recipients))

    def refused(self, why: str) -> None:
        self.seen.append(("refused", why))

    def deferred(self, why: str) -> None:
        self.seen.append(("deferred", why))

    def sent(self, state: str) -> None:
        self.seen.append(("sent", state))

    def untold(self, number: int) -> None:
        self.seen.append(("untold", number))

    def slowed(self, now: int) -> None:
        self.seen.append(("slowed", now))

    def connections(self, now: int) -> None:
        self.seen.append(("connections", now))


class MemoryHop:
    """Answers each copy from `answers` (recipient → replies in turn), else 250."""

    def __init__(self, answers: Mapping[str, list[HopReply]] | None = None) -> None:
        self.answers = {who: list(replies) for who, replies in (answers or {}).items()}
        self.sent: list[tuple[str, str, bytes]] = []
        self.before: Callable[[str], Any] = lambda _: None
        self.closed = 0

    def destination(self, domain: str) -> str:
        return "memory"

    def hop(self, domain: str) -> "MemoryHop":
        return self

    async def send(self, sender: str, recipient: str, mail: bytes) -> HopReply:
        waiting = self.before(recipient)
        if waiting is not None:
            await waiting
        self.sent.append((sender, recipient, mail))
        replies = self.answers.get(recipient)
        return replies.pop(0) if replies else HopReply(250, "2.0.0 kept")

    async def close(self) -> None:
        self.closed += 1


class MemoryTransport(asyncio.Transport):
    """Remembers what was written; closing is told to the protocol at once."""

    def __init__(self, address: str = "192.0.2.7") -> None:
        super().__init__({"peername": (address, 40_000)})
        self.protocol: asyncio.Protocol | None = None
        self.written = bytearray()
        self.writes = 0
        self.eof = False
        self.closed = False
        self.paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        assert not self.eof
        self.writes += 1
        self.written += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.eof = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self.closed:
            self.closed = True
            if self.protocol is not None:
                self.protocol.connection_lost(None)

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Peer:
    """A client of one session in memory."""

    def __init__(self, guests: Guests, address: str = "192.0.2.7", *, lmtp: bool = False) -> None:
        self.transport = MemoryTransport(address)
        self.session = SmtpSession(guests, lmtp=lmtp)
        self.transport.protocol = self.session
        self.session.connection_made(self.transport)
        self._taken = 0

    def feed(self, data: bytes, at: Sequence[int] = ()) -> None:
        """Send `data`, cut at the positions `at`."""
        for start, end in zip((0, *at), (*at, len(data)), strict=True):
            if start < end and not self.transport.closed:
                self.session.data_received(data[start:end])

    def half_close(self) -> None:
        if not self.session.eof_received():
            self.transport.close()

    def said(self) -> list[str]:
        """The replies since the last call."""
        text = self.transport.written[self._taken :].decode()
        self._taken = len(self.transport.written)
        return text.split("\r\n")[:-1]

    def codes(self) -> list[str]:
        """The codes of all replies so far; continued lines once."""
        lines = self.transport.written.decode().split("\r\n")[:-1]
        return [line[:3] for line in lines if line[3:4] != "-"]

    @property
    def over(self) -> bool:
        return self.transport.closed or self.transport.eof


class House:
    """Sessions with fakes behind them."""

    def __init__(
        self,
        *,
        answer_seconds: float = 9.5,
        access: Access | None = None,
        listed: Callable[[str], Awaitable[bool]] | None = None,
        **limits: float,
    ) -> None:
        self.directory = MemoryDirectory()
        self.broker = MemoryBroker()
        self.counts = MemoryCounts()
        self.receiving = Receiving(
            self.directory,
            self.broker,
            FixedClock(),
            self.counts,
            hostname="mx.ours.example",
            answer_seconds=answer_seconds,
        )
        self.guests = Guests(
            self.receiving,
            self.counts,
            Limits(**limits),  # type: ignore[arg-type]  # numbers by name
            hostname="mx.ours.example",
            access=access,
            listed=listed,
        )

    def peer(self, address: str = "192.0.2.7", *, lmtp: bool = False) -> Peer:
        return Peer(self.guests, address, lmtp=lmtp)

    async def settle(self) -> None:
        """Return when every store that runs now has its answer."""
        while True:
            await self.guests.finish()
            await asyncio.sleep(0)  # the answer may have begun another
            if not self.guests._tasks:
                return


class FixedClock(Clock):
    """Time stands still; ids count up."""

    def __init__(self) -> None:
        super().__init__(1.0)
        self._numbers = count(1)

    def now(self) -> datetime:
        return datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    def new_id(self, prefix: Any) -> str:
        return f"{prefix}_{next(self._numbers):08}"
