"""A connection per mailbox on which the server tells of new mail (IMAP IDLE, RFC 2177).

Laws:
1. What the server tells is a hint: it brings the next check forward, and nothing else. Checks by
   interval go on as if nobody waited.
2. Whoever holds the mailbox's job waits; there is one at a time, and another when it dies.
3. One connection, one folder: of several, the first.
4. A connection that ends brings no other at once: the next good check does.
"""

import time

import structlog

from postroom_contract.documents import FetchSource, MailboxDocument
from postroom_fetcher.domain.folders import INBOX
from postroom_fetcher.domain.providers import provider_of
from postroom_fetcher.handlers.entering import Entering, discreet
from postroom_fetcher.handlers.guarding import ChangedError, Guard
from postroom_fetcher.ports import Intake, Mailboxes, ServerError, Servers, Session, Work
from postroom_runtime.clock import Clock
from postroom_runtime.consume import Delivered
from postroom_runtime.errors import NotYetError

LASTING_SECONDS = 60.0
"""A connection that lasted so long was a good one: what came while it ended is looked for."""
AGAIN_SECONDS = 0.5
BETWEEN_SECONDS = 1.0
"""A server that tells of news without end gets no more checks than this."""
_MAILBOX = 5
"""Where it stands in `postroom.v1.work.idle.<account>.<mailbox>`."""


class Waiting:
    """Handles the jobs that are held as long as somebody waits."""

    def __init__(
        self,
        servers: Servers,
        entering: Entering,
        mailboxes: Mailboxes,
        intake: Intake,
        work: Work,
        guard: Guard,
        clock: Clock,
    ) -> None:
        self._servers = servers
        self._entering = entering
        self._mailboxes = mailboxes
        self._intake = intake
        self._work = work
        self._guard = guard
        self._clock = clock
        self._log = structlog.get_logger()

    async def on_job(self, delivered: Delivered) -> None:
        """Wait for new mail until the connection, the mailbox or this process ends."""
        mailbox = self._mailboxes.mailbox(delivered.subject.split(".")[_MAILBOX])
        if mailbox is None and not self._mailboxes.knows():
            raise NotYetError("the configuration is not in step yet", 2.0)
        if mailbox is None or mailbox.fetch is None or not awaited(mailbox):
            return
        began = time.monotonic()
        try:
            await self._guard.run(mailbox, self._wait(mailbox, mailbox.fetch))
        except ChangedError:
            return
        except ServerError as error:
            self._log.info("nobody waits any more", mailbox=mailbox.id, reason=str(error))
            if time.monotonic() - began > LASTING_SECONDS:
                await self._hint(mailbox)

    async def _wait(self, mailbox: MailboxDocument, source: FetchSource) -> None:
        session, secret = await self._entering.enter(
            self._servers, "imap", mailbox, source, writable=False
        )
        with discreet(secret):
            try:
                await self._listen(mailbox, source, session)
            finally:
                session.close()

    async def _listen(
        self, mailbox: MailboxDocument, source: FetchSource, session: Session
    ) -> None:
        (folder,) = await session.chosen((source.folders or (INBOX,))[:1])
        await session.folder(folder)
        if not session.tells:
            return
        # What came between the last check and now.
        place = await self._intake.place(mailbox, folder)
        news = session.next_key is None or session.next_key > place.cursor.uid + 1
        renew = provider_of(source.host).idle_seconds
        while True:
            if news:
                await self._hint(mailbox)
                await self._clock.pause(BETWEEN_SECONDS)
            news = await session.news(renew)

    async def _hint(self, mailbox: MailboxDocument) -> None:
        """Ask for a check, behind the one that runs: it may have listed before the news."""
        while not await self._work.ask(mailbox):
            await self._clock.pause(AGAIN_SECONDS)


def awaited(mailbox: MailboxDocument) -> bool:
    """Return whether somebody may wait for this mailbox's mail."""
    source = mailbox.fetch
    if source is None or source.interval_minutes <= 0 or not provider_of(source.host).tells:
        return False
    return mailbox.active and mailbox.source == "imap"
