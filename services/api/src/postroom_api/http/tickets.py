"""Tickets as API and pages see them."""

import msgspec

from postroom_api.domain.tickets import Ticket, TicketMail, TicketState, What
from postroom_api.domain.values import PageOf, Principal
from postroom_api.http.problems import ProblemError, not_found
from postroom_api.postgres.tickets import Tickets
from postroom_api.ticket_news import TicketNews
from postroom_runtime.clock import Clock


class TicketDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket and its mails, the oldest first, at most 500."""

    ticket: Ticket
    mails: list[TicketMail]


class TicketDesk:
    """What those who see a mailbox do about its tickets."""

    def __init__(self, rows: Tickets, news: TicketNews, clock: Clock) -> None:
        self._rows = rows
        self._news = news
        self._clock = clock

    async def page(
        self, who: Principal, state: TicketState | None, queue: str, cursor: str | None, limit: int
    ) -> PageOf[Ticket]:
        """Return a page, the one that changed last first."""
        return await self._rows.page(who, state, queue, cursor, limit)

    async def one(self, who: Principal, ticket: str) -> TicketDetail:
        """Return one with its mails; 404 where there is none."""
        found = await self._rows.one(who, ticket)
        if found is None:
            raise not_found("ticket")
        return TicketDetail(ticket=found, mails=await self._rows.mails(who, ticket))

    async def set_state(self, who: Principal, ticket: str, state: TicketState) -> TicketDetail:
        """Close or open a ticket, and tell of it; 409 where it is so already."""
        if (await self.one(who, ticket)).ticket.state == state:
            raise ProblemError(409, "conflict", f"This ticket is {state} already.")
        changed = await self._rows.set_state(who, ticket, state, self._clock.now())
        if changed is None:
            raise not_found("ticket")
        what: What = "closed" if state == "closed" else "reopened"
        cause = f"{changed.id}:{changed.version}"
        await self._news.tell(changed, who.account, what, "", changed.id, cause)
        return await self.one(who, ticket)
