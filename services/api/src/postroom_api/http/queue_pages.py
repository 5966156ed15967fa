"""The pages of the queue, and of one destination."""

from typing import Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from postroom_api.http.pages import PAGE, SEE_OTHER, Cursor, Req, Who, page
from postroom_api.http.people_pages import FOR_THE_FORM
from postroom_api.http.problems import ProblemError, not_found
from postroom_api.http.queue import QueueDesk

At = NamedDependency[QueueDesk]


@get("/queue", include_in_schema=False)
async def queue_page(request: Req, who: Who, queue: At, asked: int | None = None) -> Response[str]:
    return await _shown(request, who, queue, "", None, asked)


@post("/queue", include_in_schema=False)
async def hold_named(request: Req, who: Who, queue: At) -> Response[Any]:
    domain = str((await request.form()).get("domain", ""))
    try:
        held = await queue.hold(who, domain)
    except ProblemError as error:
        if error.status not in FOR_THE_FORM:
            raise
        return await _shown(request, who, queue, domain, error)
    return Redirect(f"/queue/{held.domain}", status_code=SEE_OTHER)


async def _shown(
    request: Req,
    who: Who,
    queue: QueueDesk,
    typed: str,
    error: ProblemError | None,
    asked: int | None = None,
) -> Response[str]:
    return page(
        request,
        "queue.html",
        error.status if error else 200,
        destinations=await queue.destinations(who),
        typed=typed,
        asked=asked,
        error=error.detail if error else None,
    )


@get("/queue/{domain:str}", include_in_schema=False)
async def destination_page(
    request: Req, who: Who, queue: At, domain: str, cursor: Cursor = None
) -> Response[str]:
    found = await queue.destination(who, domain)
    if found is None:
        raise not_found("destination")
    waiting = await queue.deliveries(who, domain, cursor, PAGE)
    return page(request, "destination.html", destination=found, page=waiting)


@post("/queue/{domain:str}/{what:str}", include_in_schema=False)
async def act(who: Who, queue: At, domain: str, what: str) -> Redirect:
    if what == "hold":
        held = await queue.hold(who, domain)
        return Redirect(f"/queue/{held.domain}", status_code=SEE_OTHER)
    ways = {"retry": queue.retry, "drop": queue.drop, "release": queue.release}
    if what not in ways:
        raise not_found("page")
    told = await ways[what](who, domain)
    return Redirect(f"/queue?asked={told.asked}", status_code=SEE_OTHER)


def router() -> Router:
    """Return the routes."""
    handlers: list[Any] = [queue_page, hold_named, destination_page, act]
    return Router("", route_handlers=handlers)
