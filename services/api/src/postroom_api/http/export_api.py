"""`/api/v1/export`: whole lists as NDJSON, a row a line, however many there are."""

from collections.abc import AsyncIterator
from typing import Any, Literal

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.response import Stream

from postroom_api.domain.grids import GridQuery
from postroom_api.domain.values import PageOf, Principal
from postroom_api.http.desk import Desk
from postroom_api.http.office import Office
from postroom_api.http.scoped import needs

Who = NamedDependency[Principal]
At = NamedDependency[Desk]
Of = NamedDependency[Office]
What = Literal["messages", "deliveries", "mailboxes", "rules"]
PAGE = 200


async def _page(
    who: Principal, desk: Desk, office: Office, what: What, cursor: str | None
) -> PageOf[Any]:
    if what == "messages":
        return await desk.messages(who, cursor, PAGE)
    if what == "mailboxes":
        return await office.grid(who, GridQuery(), cursor, PAGE)
    if what == "deliveries":
        return await desk.deliveries(who, cursor, PAGE)
    return PageOf(data=await office.rules(who), next_cursor=None)


async def _lines(who: Principal, desk: Desk, office: Office, what: What) -> AsyncIterator[bytes]:
    cursor: str | None = None
    while True:
        page = await _page(who, desk, office, what, cursor)
        yield _joined(page.data)
        cursor = page.next_cursor
        if cursor is None:
            return


def _joined(rows: list[Any]) -> bytes:
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


@get(
    "/export/{what:str}",
    operation_id="export",
    summary="A whole list as NDJSON",
    media_type="application/x-ndjson",
    **needs("admin", feed=True),
)
async def export(who: Who, desk: At, office: Of, what: What) -> Stream:
    """Every row the asker may see, newest first, without pages. Cut off: ask again."""
    lines = _lines(who, desk, office, what)
    first = await anext(lines, b"")  # a refusal must come before the status has gone out
    return Stream(_begun(first, lines), media_type="application/x-ndjson")


async def _begun(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for lines in rest:
        yield lines


HANDLERS: list[Any] = [export]
