"""The pages of tickets."""

from typing import Annotated, Any, get_args
from urllib.parse import urlencode

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Redirect

from postroom_api.domain.tickets import TicketState
from postroom_api.http.pages import PAGE, SEE_OTHER, Cursor, Req, Who, page
from postroom_api.http.problems import not_found
from postroom_api.http.tickets import TicketDesk

At = NamedDependency[TicketDesk]
_STATES: dict[str, TicketState] = {"close": "closed", "open": "open"}


@get("/tickets", include_in_schema=False)
async def tickets_page(
    request: Req,
    who: Who,
    tickets: At,
    cursor: Cursor = None,
    only: Annotated[str, QueryParameter(name="state")] = "open",
    in_queue: Annotated[str, QueryParameter(name="in_queue")] = "",
) -> Response[str]:
    wanted = next((one for one in get_args(TicketState) if one == only), None)
    found = await tickets.page(who, wanted, in_queue.strip()[:100], cursor, PAGE)
    query = urlencode({"state": wanted or "all", "in_queue": in_queue})
    return page(
        request,
        "tickets.html",
        page=found,
        state=wanted or "all",
        queue=in_queue,
        query=f"&{query}",
    )


@get("/tickets/{ticket:str}", include_in_schema=False)
async def ticket_page(request: Req, who: Who, tickets: At, ticket: str) -> Response[str]:
    found = await tickets.one(who, ticket)
    return page(request, "ticket.html", ticket=found.ticket, mails=found.mails)


@post("/tickets/{ticket:str}/{what:str}", include_in_schema=False)
async def change(who: Who, tickets: At, ticket: str, what: str) -> Redirect:
    if what not in _STATES:
        raise not_found("page")
    await tickets.set_state(who, ticket, _STATES[what])
    return Redirect(f"/tickets/{ticket}", status_code=SEE_OTHER)


def router() -> Router:
    """Return the routes."""
    handlers: list[Any] = [tickets_page, ticket_page, change]
    return Router("", route_handlers=handlers)
