"""`/api/v1/suppressions`: addresses that nothing is sent to."""

from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from postroom_api.domain.suppressions import Reason, Suppression
from postroom_api.domain.values import PageOf, Principal
from postroom_api.http.paging import Cursor, Limit
from postroom_api.http.scoped import needs
from postroom_api.http.suppressions import SuppressionDesk
from postroom_api.http.versions import IfMatch, tagged

Who = NamedDependency[Principal]
At = NamedDependency[SuppressionDesk]


class NewSuppression(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An address that nothing shall be sent to, and why."""

    address: Annotated[str, msgspec.Meta(min_length=3, max_length=254)]
    words: Annotated[str, msgspec.Meta(max_length=500)] = ""


@get(
    "/suppressions",
    operation_id="listSuppressions",
    summary="Addresses that nothing is sent to, the newest first",
    **needs("admin"),
)
async def list_suppressions(
    who: Who,
    suppressions: At,
    cursor: Cursor = None,
    limit: Limit = 50,
    search: Annotated[
        str, QueryParameter(name="search", max_length=254, description="A part of the address")
    ] = "",
    reason: Annotated[Reason | None, QueryParameter(name="reason")] = None,
) -> PageOf[Suppression]:
    return await suppressions.page(who, search, reason, cursor, limit)


@get(
    "/suppressions/{suppression:str}",
    operation_id="getSuppression",
    summary="One of them, and why",
    **needs("admin"),
)
async def get_suppression(who: Who, suppressions: At, suppression: str) -> Response[Suppression]:
    return tagged(await suppressions.one(who, suppression))


@post(
    "/suppressions",
    operation_id="createSuppression",
    summary="Send nothing to an address any more",
    **needs("admin"),
)
async def add_suppression(who: Who, suppressions: At, data: NewSuppression) -> Suppression:
    return await suppressions.add(who, data.address, data.words)


@delete(
    "/suppressions/{suppression:str}",
    operation_id="releaseSuppression",
    summary="Send to it again",
    **needs("admin"),
)
async def release_suppression(
    who: Who, suppressions: At, suppression: str, if_match: IfMatch = None
) -> None:
    await suppressions.release(who, suppression, if_match)


HANDLERS: list[Any] = [list_suppressions, get_suppression, add_suppression, release_suppression]
