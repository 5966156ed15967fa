"""Trying a connection before it is kept, and looking on: operations as the API and pages see them.

Law: a typed password is sealed here and now for exactly the settings it was typed with; a stored
one is passed on sealed, and the fetcher opens it only for what it was sealed for.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec
import structlog

from postroom_api.domain import trial_mail
from postroom_api.domain.mailbox_settings import Mailbox, MailboxSettings
from postroom_api.domain.operations import Operation, as_of
from postroom_api.domain.rule_life import BACKTEST
from postroom_api.domain.values import Principal
from postroom_api.http.attempts import Attempts
from postroom_api.http.entries import require_administrator
from postroom_api.http.office import Office
from postroom_api.http.problems import ProblemError, not_found
from postroom_api.http.trial_mails import TrialMails, way_of
from postroom_api.live import LiveFeed, TooManyWatchersError
from postroom_api.ports import PatientServices, ServiceProblemError
from postroom_api.postgres.mailboxes import Mailboxes, StoredSecret
from postroom_api.postgres.operations import Operations
from postroom_api.sealing import FetcherSeal
from postroom_contract.documents import FetchSource
from postroom_contract.probing import CheckProgress, Live, Probe, ProbeMailbox, ProbeProgress
from postroom_runtime.clock import Clock
from postroom_runtime.errors import UnavailableError

PROBE_SECONDS: Final = 90.0
BEAT_SECONDS: Final = 0.5
TESTS_A_MINUTE: Final = 20
"""By one person: what connects to servers of their choice is no port scanner."""
LOOK_ON_SECONDS: Final = 300.0
NUDGE_SECONDS: Final = 5.0
"""Between looks at a mailbox that a test mail was delivered for."""
KIND: Final = "mailbox.test"


class Trials:
    """Tests of connections, and the live feeds of what is under way."""

    def __init__(
        self,
        services: PatientServices,
        office: Office,
        mailboxes: Mailboxes,
        operations: Operations,
        seal: FetcherSeal,
        live: LiveFeed,
        clock: Clock,
        mails: TrialMails,
    ) -> None:
        self._services = services
        self._office = office
        self._mailboxes = mailboxes
        self._operations = operations
        self._seal = seal
        self._live = live
        self._clock = clock
        self.mails = mails
        self._attempts = Attempts(TESTS_A_MINUTE)
        self._tasks: set[asyncio.Task[None]] = set()

    async def test(
        self, who: Principal, settings: MailboxSettings, mailbox: str | None
    ) -> Operation:
        """Begin a test of these settings; with `mailbox`, its stored password where none is typed.

        422 for settings that could not be saved either; 409 for a mailbox that nobody connects to.
        """
        before = await self._office.changeable(who, mailbox) if mailbox else None
        if settings.kind == "system":
            require_administrator(who)
        if settings.source.type == "smtp":
            raise ProblemError(409, "conflict", "Mail comes to this mailbox by itself (SMTP).")
        settings = await self._office.checked(who, settings, before)
        if not self._attempts.allowed(who.id):
            words = "Too many connection tests. Wait a minute."
            raise ProblemError(429, "too_many_attempts", words)
        operation = self._clock.new_id("opr")
        question = await self._question(who, settings, before, operation)
        begun = await self._operations.begin(who, operation, KIND, mailbox or "", self._clock.now())
        task = asyncio.create_task(self._run(who, question))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return begun

    async def _question(
        self,
        who: Principal,
        settings: MailboxSettings,
        before: Mailbox | None,
        operation: str,
    ) -> ProbeMailbox:
        source = settings.source
        # A password for a trial is sealed for a mailbox that never exists.
        for_mailbox = before.id if before else self._clock.new_id("mbx")
        sealed = self._seal.seal(for_mailbox, settings)
        stored = StoredSecret()
        if sealed is None and before is not None:
            stored = await self._mailboxes.stored_secret(who, before.id)
        return ProbeMailbox(
            account=who.account,
            operation=operation,
            mailbox=for_mailbox,
            protocol="imap" if source.type == "imap" else "pop3",
            max_message_bytes=settings.limits.max_message_kb * 1024,
            source=FetchSource(
                host=source.host,
                port=source.port,
                tls=source.tls,
                verify=source.verify,
                login=source.login,
                sealed_password=sealed or stored.sealed,
                auth=stored.auth,
                token_url=stored.token_url,
                client_id=stored.client_id,
                sealed_client_secret=stored.sealed_client_secret,
                apop=source.apop,
                max_message_kb=settings.limits.max_message_kb,
                ca=source.ca,
            ),
        )

    async def _run(self, who: Principal, question: ProbeMailbox) -> None:
        well = False
        result: object
        try:
            found = await self._services.ask_patiently(question, PROBE_SECONDS)
            result, well = found, found.well
        except (ServiceProblemError, UnavailableError) as error:
            structlog.get_logger().warning("a test could not be made", reason=str(error))
            result = {"error": f"No fetcher could make this test: {error}"}
        await self._end(who, question.operation, result, well=well)

    async def _end(self, who: Principal, operation: str, result: object, *, well: bool) -> None:
        for _ in range(5):
            try:
                now = self._clock.now()
                await self._operations.end(who, operation, result, well=well, now=now)
            except UnavailableError:
                await asyncio.sleep(1.0)
            else:
                return

    async def operation(self, who: Principal, operation: str) -> Operation:
        """Return an operation, or 404."""
        found = await self._operations.one(who, operation)
        if found is None:
            raise not_found("operation")
        if found.kind == trial_mail.KIND:
            return await self.mails.now(who, found)
        return as_of(found, self._clock.now())

    async def look_on(self, who: Principal, operation: str) -> AsyncIterator[tuple[str, bytes]]:
        """Yield (event, JSON): `stage` as they are told, at last `end` with the operation.

        Of a back-test `progress` instead of stages.
        """
        told = 0
        nudge_at = self._clock.now()
        async for one in self._feed(who, operation):
            if isinstance(one, ProbeProgress):
                yield "stage", msgspec.json.encode(one.stage)
            if one is not None:
                continue
            found = await self.operation(who, operation)
            way = way_of(found)
            for stage in way.stages[told:] if way else ():
                yield "stage", msgspec.json.encode(stage)
                told += 1
            if found.state != "running":
                yield "end", msgspec.json.encode(found)
                return
            if found.kind == BACKTEST:
                done = {"stored": found.result["tried"], "found": found.result["mails"]}
                yield "progress", msgspec.json.encode(done)
            if self._clock.now() >= nudge_at:
                nudge_at = self._clock.after(NUDGE_SECONDS)
                await self.mails.nudge(who, found)

    async def look_on_mailbox(
        self, who: Principal, mailbox: str, after: str = ""
    ) -> AsyncIterator[tuple[str, bytes]]:
        """Yield (event, JSON): `progress` of a running check, `end` with the mailbox after it.

        `after` is the check that the asker knows of (`Mailbox.checked`): one that was quicker than
        the asker is not waited for.
        """
        before = after or (await self._office.mailbox(who, mailbox)).checked
        async for one in self._feed(who, mailbox):
            if isinstance(one, CheckProgress):
                yield "progress", msgspec.json.encode(one)
            if one is None:
                now = await self._office.mailbox(who, mailbox)
                if now.checked != before:
                    yield "end", msgspec.json.encode(now)
                    return

    async def _feed(self, who: Principal, about: str) -> AsyncIterator[Live | None]:
        """Yield what is told, and None at the beginning and whenever nothing was for a while."""
        until = self._clock.after(LOOK_ON_SECONDS)
        try:
            async with self._live.watching(who.account, about) as queue:
                yield None
                while self._clock.now() < until:
                    yield await _next(queue)
        except TooManyWatchersError:
            raise ProblemError(503, "unavailable", "Too many people look on; reload.") from None


async def _next(queue: asyncio.Queue[Live]) -> Live | None:
    try:
        async with asyncio.timeout(BEAT_SECONDS):
            return await queue.get()
    except TimeoutError:
        return None


def probe_of(operation: Operation) -> Probe | None:
    """Return a test's outcome for the page, or None while there is none."""
    try:
        return msgspec.convert(operation.result, Probe, strict=False)
    except msgspec.ValidationError:
        return None
