"""Nothing is missing, as a number that can be watched.

Every few minutes what fetchers stored in the last days is compared with the log of all accounts.

Laws:
1. What was found missing is counted until it is found, or its mailbox is no more.
2. A mailbox that was removed, alone or with its account, misses nothing.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from prometheus_client import Gauge

from postroom_api.domain.ledger import outcome
from postroom_api.ports import PatientServices, ServiceProblemError
from postroom_contract.ledger import MOST_IDS, ListStored, StoredMail
from postroom_runtime.clock import Clock
from postroom_runtime.errors import UnavailableError

EVERY_SECONDS = 300.0
LOOKS_BACK = timedelta(days=2)
ANSWER_SECONDS = 30.0
SAID = 10

_missing = Gauge(
    "postroom_mails_missing",
    "Mails that were fetched and stored, but neither decided about nor set aside",
)
_waiting = Gauge("postroom_mails_waiting", "Mails fetched and stored, on their way to the rules")


class AllRows(Protocol):
    """The log of all accounts."""

    async def found(self, ids: Sequence[str]) -> tuple[set[str], set[str]]:
        """Return which of these mails are in the log, and which were set aside."""

    async def mailboxes(self, ids: Sequence[str]) -> set[str]:
        """Return which of these mailboxes there are."""


class Completeness:
    """Keeps the numbers."""

    def __init__(self, services: PatientServices, rows: AllRows, clock: Clock) -> None:
        self._services = services
        self._rows = rows
        self._clock = clock
        self._missed: dict[str, StoredMail] = {}
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Compare for ever."""
        while True:
            await self._clock.pause(EVERY_SECONDS)
            try:
                await self.compare()
            except (UnavailableError, ServiceProblemError) as error:
                self._log.info("completeness was not compared", reason=str(error))

    async def compare(self) -> list[str]:
        """Compare once; return the ids of what is missing."""
        now = self._clock.now()
        listed, waiting = await self._listed(now)
        # Those of earlier rounds may be older than what is listed.
        earlier = [one for one in self._missed.values() if one.id not in listed]
        missing = {**listed, **await self._open(earlier)}
        there = await self._rows.mailboxes(sorted({one.mailbox for one in missing.values()}))
        self._missed = {id_: one for id_, one in missing.items() if one.mailbox in there}
        _missing.set(len(self._missed))
        _waiting.set(waiting)
        if self._missed:
            first = sorted(self._missed)[:SAID]
            self._log.warning("mails are missing", count=len(self._missed), first=first)
        return sorted(self._missed)

    async def _open(self, mails: Sequence[StoredMail]) -> dict[str, StoredMail]:
        """Return those that are neither decided about nor set aside."""
        decided, aside = await self._rows.found([one.id for one in mails])
        return {one.id: one for one in mails if one.id not in decided | aside}

    async def _listed(self, now: datetime) -> tuple[dict[str, StoredMail], int]:
        """Return what is missing of the last days, and how many are waiting."""
        missing: dict[str, StoredMail] = {}
        waiting, after = 0, ""
        while True:
            question = ListStored(account="", since=now - LOOKS_BACK, after=after)
            page = (await self._services.ask_patiently(question, ANSWER_SECONDS)).mails
            decided, aside = await self._rows.found([one.id for one in page])
            part = outcome(page, decided, aside, now)
            gone = {one.id for one in part.missing}
            missing |= {one.id: one for one in page if one.id in gone}
            waiting += part.waiting
            if len(page) < MOST_IDS:
                return missing, waiting
            after = page[-1].id
