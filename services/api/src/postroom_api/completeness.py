"""Nothing is missing, as a number that can be watched.

Every few minutes what fetchers stored in the last days is compared with the log of all accounts.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

import structlog
from prometheus_client import Gauge

from postroom_api.domain.ledger import outcome
from postroom_api.ports import PatientServices, ServiceProblemError
from postroom_contract.ledger import MOST_IDS, ListStored
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


class Completeness:
    """Keeps the numbers."""

    def __init__(self, services: PatientServices, rows: AllRows, clock: Clock) -> None:
        self._services = services
        self._rows = rows
        self._clock = clock
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
        missing: list[str] = []
        waiting, after = 0, ""
        while True:
            question = ListStored(account="", since=now - LOOKS_BACK, after=after)
            page = (await self._services.ask_patiently(question, ANSWER_SECONDS)).mails
            decided, aside = await self._rows.found([one.id for one in page])
            part = outcome(page, decided, aside, now)
            missing += [one.id for one in part.missing]
            waiting += part.waiting
            if len(page) < MOST_IDS:
                break
            after = page[-1].id
        _missing.set(len(missing))
        _waiting.set(waiting)
        if missing:
            self._log.warning("mails are missing", count=len(missing), first=missing[:SAID])
        return missing
