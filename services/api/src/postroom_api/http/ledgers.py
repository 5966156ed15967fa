"""What the fetcher has in its books about a mailbox: ledger (compared with ours) and log."""

from collections.abc import AsyncIterator

from postroom_api.domain.ledger import MailboxLedger, Outcome, outcome, together
from postroom_api.domain.values import Principal
from postroom_api.http.office import Office
from postroom_api.http.problems import ProblemError
from postroom_api.ports import PatientServices, ServiceProblemError
from postroom_api.postgres.ledger import LedgerRows
from postroom_contract.conversations import Conversation, ReadConversations
from postroom_contract.ledger import MOST_IDS, ListStored, ReadLedger
from postroom_runtime.clock import Clock

SECONDS = 15.0


class Ledgers:
    """Asks the fetcher, and compares."""

    def __init__(
        self, services: PatientServices, office: Office, rows: LedgerRows, clock: Clock
    ) -> None:
        self._services = services
        self._office = office
        self._rows = rows
        self._clock = clock

    async def of(
        self, who: Principal, mailbox: str, *, limit: int = 50, cursor: str | None = None
    ) -> MailboxLedger:
        """Return it, with a page of what was left. What came by SMTP is not in it."""
        await self._office.mailbox(who, mailbox)
        question = ReadLedger(account=who.account, mailbox=mailbox, limit=limit, cursor=cursor)
        try:
            ledger = await self._services.ask_patiently(question, SECONDS)
        except ServiceProblemError as error:
            raise ProblemError(400, "invalid", error.problem.detail) from error
        return together(ledger, [one async for one in self._outcomes(who, mailbox)])

    async def conversations(self, who: Principal, mailbox: str) -> list[Conversation]:
        """Return the protocol log to who may change the mailbox, the newest first."""
        await self._office.changeable(who, mailbox)
        question = ReadConversations(account=who.account, mailbox=mailbox)
        return list((await self._services.ask_patiently(question, SECONDS)).conversations)

    async def _outcomes(self, who: Principal, mailbox: str) -> AsyncIterator[Outcome]:
        after = ""
        while True:
            question = ListStored(account=who.account, mailbox=mailbox, after=after)
            page = (await self._services.ask_patiently(question, SECONDS)).mails
            decided, aside = await self._rows.found(who, [one.id for one in page])
            yield outcome(page, decided, aside, self._clock.now())
            if len(page) < MOST_IDS:
                return
            after = page[-1].id
