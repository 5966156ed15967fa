"""Trying a server for somebody who is about to connect a mailbox: stage by stage, without effect.

Law: nothing is fetched, changed or remembered, and the password goes only where it was sealed for.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from postroom_contract.documents import MailboxDocument
from postroom_contract.probing import Census, Probe, ProbeMailbox, ProbeProgress, Stage, StageName
from postroom_fetcher.domain.plan import size_limit
from postroom_fetcher.handlers.entering import Entering, discreet
from postroom_fetcher.ports import Inbox, Live, ServerError, Servers, Session, Watch
from postroom_runtime.clock import Clock
from postroom_runtime.errors import UnavailableError

AT_ONCE = 5
SECONDS = 80.0
"""All stages together; the asker waits a little longer."""
SPANS = (7, 30, 90, 365)
_ORDER: tuple[StageName, ...] = ("dns", "tcp", "tls", "greeting", "sign_in", "folders", "count")


class Probing:
    """Answers `ProbeMailbox`; a few at a time, so that it takes no connection from the checks."""

    def __init__(self, servers: Servers, entering: Entering, live: Live, clock: Clock) -> None:
        self._servers = servers
        self._entering = entering
        self._live = live
        self._clock = clock
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def probe(self, question: ProbeMailbox) -> Probe:
        """Return how far it went; UnavailableError when too many are being tried already."""
        if self._turns.locked():
            raise UnavailableError("too many servers are being tried at once: try again soon")
        async with self._turns:
            return await _One(self, question).run()

    def tell(self, question: ProbeMailbox, stage: Stage) -> None:
        """Tell who looks on."""
        told = ProbeProgress(operation=question.operation, stage=stage)
        self._live.tell(question.account, question.operation, told)

    @asynccontextmanager
    async def session(self, question: ProbeMailbox, watch: Watch) -> AsyncIterator[Session]:
        """Connect and sign in; hang up at the end."""
        mailbox = MailboxDocument(
            id=question.mailbox,
            account=question.account,
            name="",
            kind="system",
            source=question.protocol,
            active=True,
            version=0,
            fetch=question.source,
        )
        servers = self._servers.watched(watch)
        session, password = await self._entering.enter(
            servers, question.protocol, mailbox, question.source, writable=False
        )
        with discreet(password):
            try:
                yield session
            finally:
                session.close()

    def census(self, question: ProbeMailbox, inbox: Inbox) -> Census:
        """Count."""
        limit = size_limit_of(question)
        return census(inbox, limit, self._clock.now())


class _One:
    def __init__(self, probing: Probing, question: ProbeMailbox) -> None:
        self._probing = probing
        self._question = question
        self._stages: list[Stage] = []

    async def run(self) -> Probe:
        try:
            async with asyncio.timeout(SECONDS):
                return await self._steps()
        except ServerError as error:
            self._failed(str(error))
        except TimeoutError:
            self._failed(f"no end within {SECONDS:g} s")
        return Probe(stages=tuple(self._stages))

    async def _steps(self) -> Probe:
        async with self._probing.session(self._question, self._note) as session:
            inbox = await session.look()
            if self._question.protocol == "imap":
                self._note("folders", ", ".join(inbox.folders) or "none")
            census = self._probing.census(self._question, inbox)
            self._note("count", f"{census.messages} messages, {census.octets // 1024} KB")
            await session.finish()
        return Probe(stages=tuple(self._stages), folders=inbox.folders, census=census)

    def _note(self, name: StageName, words: str) -> None:
        self._add(Stage(name=name, well=True, words=words))

    def _failed(self, words: str) -> None:
        self._add(Stage(name=self._next(), well=False, words=words))

    def _next(self) -> StageName:
        """Return the stage that comes now, and so is the one that failed."""
        source, done = self._question.source, {stage.name for stage in self._stages}
        order = [name for name in _ORDER if name != "tls" or source.tls != "none"]
        if source.tls == "starttls":  # greeted first, then encrypted
            order.remove("tls")
            order.insert(order.index("greeting") + 1, "tls")
        return next((name for name in order if name not in done), "count")

    def _add(self, stage: Stage) -> None:
        self._stages.append(stage)
        self._probing.tell(self._question, stage)


def size_limit_of(question: ProbeMailbox) -> int:
    """Return the largest mail that would be fetched, in bytes."""
    mailbox = MailboxDocument(
        id=question.mailbox, account=question.account, name="", kind="system",
        source=question.protocol, active=True, version=0,
        max_message_bytes=question.max_message_bytes,
    )  # fmt: skip
    return size_limit(mailbox, question.source)


def census(inbox: Inbox, limit: int, now: datetime) -> Census:
    """Count what lies there."""
    sizes = [size for size, _ in inbox.messages]
    times = [when for _, when in inbox.messages if when is not None]
    spans = {
        days: sum(when >= now - timedelta(days=days) for when in times) for days in SPANS
    }  # fmt: skip
    return Census(
        messages=len(sizes),
        octets=sum(sizes),
        largest=max(sizes, default=0),
        too_large=sum(size > limit for size in sizes),
        oldest=min(times, default=None),
        newest=max(times, default=None),
        newer_than=spans if times else {},
    )
