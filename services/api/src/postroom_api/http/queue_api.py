"""`/api/v1/queue`: what waits to go out."""

from typing import Any

import msgspec
from litestar import get, post
from litestar.di import NamedDependency

from postroom_api.domain.queue import Asked, Destination
from postroom_api.domain.values import Delivery, PageOf, Principal
from postroom_api.http.paging import Cursor, Limit
from postroom_api.http.problems import not_found
from postroom_api.http.queue import QueueDesk
from postroom_api.http.scoped import needs

Who = NamedDependency[Principal]
At = NamedDependency[QueueDesk]


class Hold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is held back: a domain, whether anything waits for it or not."""

    domain: str


@get(
    "/queue",
    operation_id="listDestinations",
    summary="Domains that mail waits for, most first, and what is held back",
    **needs("admin"),
)
async def list_destinations(who: Who, queue: At) -> PageOf[Destination]:
    return PageOf(data=await queue.destinations(who), next_cursor=None)


@get(
    "/queue/{domain:str}",
    operation_id="getDestination",
    summary="What waits for one domain, in sum",
    **needs("admin"),
)
async def get_destination(who: Who, queue: At, domain: str) -> Destination:
    found = await queue.destination(who, domain)
    if found is None:
        raise not_found("destination")
    return found


@get(
    "/queue/{domain:str}/deliveries",
    operation_id="listWaiting",
    summary="What waits for one domain, newest first",
    **needs("admin"),
)
async def list_waiting(
    who: Who, queue: At, domain: str, limit: Limit, cursor: Cursor = None
) -> PageOf[Delivery]:
    if await queue.destination(who, domain) is None:
        raise not_found("destination")
    return await queue.deliveries(who, domain, cursor, limit)


@post(
    "/queue/{domain:str}/retry",
    operation_id="retryDestination",
    summary="Try now what waits for a domain (the oldest 1,000 chunks)",
    status_code=202,
    **needs("admin"),
)
async def retry(who: Who, queue: At, domain: str) -> Asked:
    return await queue.retry(who, domain)


@post(
    "/queue/{domain:str}/drop",
    operation_id="dropDestination",
    summary="Give up what waits for a domain (the oldest 1,000 chunks)",
    status_code=202,
    **needs("admin"),
)
async def drop(who: Who, queue: At, domain: str) -> Asked:
    return await queue.drop(who, domain)


@post(
    "/queue",
    operation_id="holdDestination",
    summary="Send nothing to a domain until it is released; what comes for it waits",
    **needs("admin"),
)
async def hold(who: Who, queue: At, data: Hold) -> Destination:
    return await queue.hold(who, data.domain)


@post(
    "/queue/{domain:str}/release",
    operation_id="releaseDestination",
    summary="Hold a domain back no more, and try what waits for it",
    status_code=202,
    **needs("admin"),
)
async def release(who: Who, queue: At, domain: str) -> Asked:
    return await queue.release(who, domain)


HANDLERS: list[Any] = [
    list_destinations, get_destination, list_waiting, retry, drop, hold, release,
]  # fmt: skip
