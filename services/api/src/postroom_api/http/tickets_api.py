"""`/api/v1/tickets`: matters that somebody wrote about."""

from typing import Annotated, Any

import msgspec
from litestar import Response, get, patch
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from postroom_api.domain.tickets import Ticket, TicketState
from postroom_api.domain.values import PageOf, Principal
from postroom_api.http.paging import Cursor, Limit
from postroom_api.http.scoped import needs
from postroom_api.http.tickets import TicketDesk, TicketDetail

Who = NamedDependency[Principal]
At = NamedDependency[TicketDesk]


class TicketPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a ticket is open."""

    state: TicketState


@get(
    "/tickets",
    operation_id="listTickets",
    summary="Tickets, the one that changed last first",
    **needs("messages:read"),
)
async def list_tickets(
    who: Who,
    tickets: At,
    cursor: Cursor = None,
    limit: Limit = 50,
    only: Annotated[TicketState | None, QueryParameter(name="state")] = None,
    in_queue: Annotated[str, QueryParameter(name="in_queue", max_length=100)] = "",
) -> PageOf[Ticket]:
    return await tickets.page(who, only, in_queue, cursor, limit)


@get(
    "/tickets/{ticket:str}",
    operation_id="getTicket",
    summary="One ticket with its mails",
    **needs("messages:read"),
)
async def get_ticket(who: Who, tickets: At, ticket: str) -> TicketDetail:
    return await tickets.one(who, ticket)


@patch(
    "/tickets/{ticket:str}",
    operation_id="changeTicket",
    summary="Close a ticket, or open it again",
    **needs("mailboxes:write"),
)
async def change_ticket(
    who: Who, tickets: At, ticket: str, data: TicketPatch
) -> Response[TicketDetail]:
    return Response(await tickets.set_state(who, ticket, data.state))


HANDLERS: list[Any] = [list_tickets, get_ticket, change_ticket]
