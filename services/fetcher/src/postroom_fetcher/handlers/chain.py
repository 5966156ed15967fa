"""One chain per mailbox: a job is done, the next is scheduled, and only then is it acked.

Laws:
1. A mailbox has a schedule or a job, never both for long; whoever holds the job makes the next
   schedule, and reconciliation only what is missing (DESIGN §3).
2. Every check that ends says so by an event.
3. One provider, or one server of nobody known, has so many connections of all fetchers together
   and no more: one that hangs costs the others nothing.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterator

import structlog

from postroom_contract.codec import ContractError, decode
from postroom_contract.documents import MailboxDocument
from postroom_contract.events import FetchState, MailboxChecked
from postroom_contract.ids import derived_id
from postroom_contract.work import PollJob
from postroom_fetcher.domain.pauses import next_check
from postroom_fetcher.domain.providers import provider_of, share
from postroom_fetcher.handlers.checking import Checking
from postroom_fetcher.handlers.folder_check import Tally
from postroom_fetcher.handlers.guarding import ChangedError, Guard
from postroom_fetcher.handlers.waiting import awaited
from postroom_fetcher.ports import Mailboxes, OvertakenError, Replicas, ServerError, Work
from postroom_runtime.clock import Clock
from postroom_runtime.consume import Delivered
from postroom_runtime.errors import DroppedError, NotYetError, UnavailableError
from postroom_runtime.messages import FullError

HOST_PAUSE = 2.5
"""Seconds, about: how long a mailbox waits whose server has enough connections of ours."""
LONGEST_CHECK = 1_800.0
UNKNOWN_PAUSES = (0.02, 0.05, 0.2, 0.7, 2.0)
"""A job may overtake its mailbox's document; both are on their way."""
_MAILBOX = 5
"""Where it stands in `postroom.v1.work.poll.<account>.<mailbox>`."""


class Chain:
    """Handles the jobs."""

    def __init__(
        self,
        checking: Checking,
        mailboxes: Mailboxes,
        work: Work,
        guard: Guard,
        clock: Clock,
        chance: Callable[[], float] = random.random,
        longest: float = LONGEST_CHECK,
        *,
        replicas: Replicas,
        waits: bool = True,
        host_connections: int = 20,
    ) -> None:
        self._checking = checking
        self._mailboxes = mailboxes
        self._work = work
        self._guard = guard
        self._clock = clock
        self._chance = chance
        self._longest = longest
        self._waits = waits
        self._host_connections = host_connections
        self._replicas = replicas
        self._hosts: Counter[str] = Counter()
        self._log = structlog.get_logger()

    async def on_job(self, delivered: Delivered) -> None:
        """Check the mailbox and schedule the next check."""
        id_ = delivered.subject.split(".")[_MAILBOX]
        try:
            job = decode(delivered.data, PollJob)
        except ContractError:
            job = PollJob(reason="asked")  # of a version of ours to come: check, it does no harm
        while True:
            mailbox = self._fetchable(id_, job, delivered.deliveries)
            if mailbox is None:
                return
            with contextlib.suppress(ChangedError), self._at_host(mailbox):
                await self._check(mailbox, job, delivered)
                return

    @contextlib.contextmanager
    def _at_host(self, mailbox: MailboxDocument) -> Iterator[None]:
        """Count a connection to the mailbox's provider; NotYetError when there are enough."""
        assert mailbox.fetch is not None
        provider = provider_of(mailbox.fetch.host)
        whose = provider.name or f"{mailbox.fetch.host.lower()}:{mailbox.fetch.port}"
        limit = min(self._host_connections, provider.connections)
        if self._hosts[whose] >= share(limit, self._replicas.count()):
            pause = HOST_PAUSE * (0.2 + self._chance())
            raise NotYetError(f"enough connections to {whose} already", pause)
        self._hosts[whose] += 1
        try:
            yield
        finally:
            self._hosts[whose] -= 1
            if not self._hosts[whose]:
                del self._hosts[whose]

    def _fetchable(self, id_: str, job: PollJob, deliveries: int) -> MailboxDocument | None:
        mailbox = self._mailboxes.mailbox(id_)
        if mailbox is None and not self._mailboxes.knows():
            raise NotYetError("the configuration is not in step yet", 2.0)
        if mailbox is None and deliveries <= len(UNKNOWN_PAUSES):
            # A mailbox may be asked for right after it was made: its document is on its way.
            raise NotYetError("no such mailbox yet", UNKNOWN_PAUSES[deliveries - 1])
        if mailbox is None or not mailbox.active or mailbox.source == "smtp":
            return None
        if mailbox.fetch is None:
            return None
        by_hand = mailbox.fetch.interval_minutes <= 0
        return None if by_hand and job.reason == "interval" else mailbox

    async def _check(self, mailbox: MailboxDocument, job: PollJob, delivered: Delivered) -> None:
        tally = Tally(transaction=self._clock.new_id("txn"))
        state: FetchState = "idle"
        error: str | None = None
        try:
            async with asyncio.timeout(self._longest):
                address = self._mailboxes.address(mailbox.id)
                await self._guard.run(mailbox, self._checking.check(mailbox, address, tally, job))
        except ServerError as fault:
            state, error = fault.state, str(fault)
        except OvertakenError as overtaken:
            self._log.info("overtaken", mailbox=mailbox.id, reason=str(overtaken))
        except TimeoutError:
            error = f"longer than {self._longest:g} s; the rest comes with the next check"
            state = "idle" if tally.stored else "trouble"
        except FullError:
            state, error = "trouble", "our own store is full: nothing can be received"
        except (ChangedError, UnavailableError, DroppedError):
            raise
        except Exception:  # noqa: BLE001 - one mailbox's trouble must not end its chain; logged whole
            self._log.exception("a check failed", mailbox=mailbox.id)
            state, error = "trouble", "an error of ours; the log has it"
        await self._conclude(mailbox, job, delivered, tally, state, error)

    async def _conclude(
        self,
        mailbox: MailboxDocument,
        job: PollJob,
        delivered: Delivered,
        tally: Tally,
        state: FetchState,
        error: str | None,
    ) -> None:
        failures = job.failures + 1 if state != "idle" else 0
        assert mailbox.fetch is not None
        interval = mailbox.fetch.interval_minutes
        if interval > 0:
            interval = max(interval, provider_of(mailbox.fetch.host).least_minutes)
        pause = next_check(state, failures, interval, self._chance())
        when = self._clock.after(pause) if pause is not None else None
        await self._work.tell(
            MailboxChecked(
                id=_event_id(delivered),
                time=self._clock.now(),
                account=mailbox.account,
                scope=mailbox.id,
                about=mailbox.id,
                source="fetcher",
                correlation=tally.transaction,
                causation=tally.transaction,
                found=tally.found,
                stored=tally.stored,
                skipped=tuple(tally.skipped),
                error=error,
                state=state,
                next_check_at=when,
            )
        )
        if when is not None:
            await self._work.schedule(mailbox, when, failures=failures, holding=True)
        if self._waits and tally.tells and state == "idle" and awaited(mailbox):
            await self._work.wait(mailbox)
        self._log.info(
            "mailbox checked", mailbox=mailbox.id, state=state, found=tally.found,
            stored=tally.stored, error=error,
        )  # fmt: skip


def _event_id(delivered: Delivered) -> str:
    """Return the same id for the same job; sequences begin anew when WORK is made anew."""
    when = delivered.stored_at.isoformat()
    return derived_id("evt", "mailbox.checked", delivered.subject, str(delivered.sequence), when)
