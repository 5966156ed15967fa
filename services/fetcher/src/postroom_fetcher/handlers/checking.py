"""One check of one mailbox, folder by folder (`folder_check` has what is done in each).

Law: the mailbox is entered last, when all is there to keep what comes.
"""

from collections.abc import Sequence
from datetime import date

from postroom_contract.documents import AddressDocument, FetchSource, MailboxDocument
from postroom_contract.work import PollJob
from postroom_fetcher.domain.after import After
from postroom_fetcher.domain.arrangement import elsewhere
from postroom_fetcher.domain.folders import INBOX
from postroom_fetcher.domain.transcript import Transcript
from postroom_fetcher.handlers.entering import Entering, discreet
from postroom_fetcher.handlers.folder_check import Entered, FolderCheck, Means, Tally
from postroom_fetcher.handlers.keeping import Keeping
from postroom_fetcher.handlers.room import Room
from postroom_fetcher.ports import (
    Arranged,
    FolderError,
    ForbiddenError,
    Intake,
    Live,
    Log,
    Protocol,
    Seen,
    ServerError,
    Servers,
)
from postroom_runtime.clock import Clock


class Checking:
    """Checks mailboxes; knows nothing of schedules."""

    def __init__(
        self,
        servers: Servers,
        intake_: Intake,
        seen: Seen,
        entering: Entering,
        arranged: Arranged,
        live: Live,
        protocol_log: Log,
        clock: Clock,
    ) -> None:
        self._protocol_log = protocol_log
        self._servers = servers
        self._intake = intake_
        self._seen = seen
        self._entering = entering
        self._clock = clock
        self._means = Means(intake_, arranged, live, clock, Room())

    async def check(
        self,
        mailbox: MailboxDocument,
        address: AddressDocument | None,
        tally: Tally,
        job: PollJob,
    ) -> None:
        """Fetch what is new and count it in `tally`; what is said goes to the protocol log.

        ServerError says what is wrong at the other end, UnavailableError at ours; OvertakenError:
        another worker is at it.
        """
        transcript = Transcript()
        try:
            await self._check(mailbox, address, tally, job.since, transcript)
        except ServerError as error:
            await self._keep(mailbox, transcript, str(error))
            raise
        if tally.stored or job.reason == "asked":
            # What an uneventful check by interval says is what the one before it said.
            await self._keep(mailbox, transcript, "")

    async def _keep(self, mailbox: MailboxDocument, transcript: Transcript, error: str) -> None:
        if lines := transcript.lines():
            await self._protocol_log.keep(mailbox.id, self._clock.now(), error, lines)

    async def _check(
        self,
        mailbox: MailboxDocument,
        address: AddressDocument | None,
        tally: Tally,
        since: date | None,
        transcript: Transcript,
    ) -> None:
        source = mailbox.fetch
        if source is None or mailbox.source == "smtp":
            raise ForbiddenError("the mailbox has no server to fetch from")
        protocol: Protocol = mailbox.source
        self._means.tell(mailbox, tally)
        inbox = self._keeping(mailbox, protocol, source, INBOX)
        await inbox.begin()
        after = After.of(source)
        wanted = await self._means.arranged.open(mailbox.id) if protocol == "imap" else []
        servers = self._servers.recorded(transcript)
        session, password = await self._entering.enter(
            servers, protocol, mailbox, source, writable=after.writes or bool(wanted)
        )
        with discreet(password):
            try:
                names = await session.chosen(source.folders or (INBOX,))
                if after.move_to and (await session.chosen([after.move_to]))[0] in names:
                    raise ForbiddenError(
                        f"mails would be moved to {after.move_to}, which is fetched from itself"
                    )
                entered = Entered(
                    mailbox=mailbox, source=source, address=address, protocol=protocol,
                    session=session, tally=tally, wanted=wanted, fetched=names,
                )  # fmt: skip
                keepings = {name: self._keeping(mailbox, protocol, source, name) for name in names}
                keepings[INBOX] = inbox
                checks = [FolderCheck(self._means, entered, keepings[name], name) for name in names]
                await self._folders(entered, checks, since)
            finally:
                session.close()

    async def _folders(
        self, entered: Entered, checks: Sequence[FolderCheck], since: date | None
    ) -> None:
        """Check one folder after the other; one that cannot be opened does not stop the next."""
        missing: FolderError | None = None
        for one in checks:
            if one.folder != INBOX:
                await one.keeping.begin()
            try:
                await one.run(since)
            except FolderError as error:
                missing = error
        await entered.session.finish()
        for one in checks:
            await one.finished()
        if entered.wanted:
            await self._means.arranged.done(elsewhere(entered.wanted, entered.fetched))
        if missing is not None:
            raise missing

    def _keeping(
        self, mailbox: MailboxDocument, protocol: Protocol, source: FetchSource, folder: str
    ) -> Keeping:
        settles = After.of(source).at_once
        return Keeping(
            self._intake, self._seen, self._clock, mailbox, protocol, folder, settles=settles
        )
