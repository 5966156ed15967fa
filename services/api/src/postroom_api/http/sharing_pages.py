"""The page on which a mailbox is shared."""

from datetime import UTC, date, datetime, time
from typing import Any

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from postroom_api.domain.sharing import NewShare
from postroom_api.domain.values import Principal
from postroom_api.http.office import Office
from postroom_api.http.pages import SEE_OTHER, Of, Req, Who, page
from postroom_api.http.problems import ProblemError, invalid
from postroom_api.http.sharing import Sharing

UNPROCESSABLE = 422
Sharer = NamedDependency[Sharing]


async def _page(
    request: Req,
    who: Principal,
    office: Office,
    sharing: Sharing,
    mailbox: str,
    error: str | None = None,
) -> Response[str]:
    box = await office.mailbox(who, mailbox)
    shares = await sharing.shares(who, mailbox)
    status = UNPROCESSABLE if error else 200
    return page(request, "mailbox_shares.html", status, box=box, shares=shares, error=error)


@get("/mailboxes/{mailbox:str}/shares", include_in_schema=False)
async def shares_page(
    request: Req, who: Who, office: Of, sharing: Sharer, mailbox: str
) -> Response[str]:
    return await _page(request, who, office, sharing, mailbox)


@post("/mailboxes/{mailbox:str}/shares", include_in_schema=False)
async def share(request: Req, who: Who, office: Of, sharing: Sharer, mailbox: str) -> Response[Any]:
    fields = {name: str(value) for name, value in dict(await request.form()).items()}
    try:
        await sharing.share(who, mailbox, _wanted(fields))
    except ProblemError as error:
        if error.status != UNPROCESSABLE:
            raise
        return await _page(request, who, office, sharing, mailbox, str(error))
    return Redirect(f"/mailboxes/{mailbox}/shares", status_code=SEE_OTHER)


def _wanted(fields: dict[str, str]) -> NewShare:
    text = fields.get("until", "").strip()
    try:
        day = datetime.combine(date.fromisoformat(text), time.max, UTC) if text else None
        plain = {"person": fields.get("person", "").strip(), "level": fields.get("level", "read")}
        return msgspec.structs.replace(msgspec.convert(plain, type=NewShare), until=day)
    except ValueError:
        raise invalid("person", "invalid", "Say with whom, and until when as 2026-12-31.") from None


@post("/mailboxes/{mailbox:str}/shares/{person:str}/delete", include_in_schema=False)
async def unshare(who: Who, sharing: Sharer, mailbox: str, person: str) -> Redirect:
    await sharing.unshare(who, mailbox, person)
    return Redirect(f"/mailboxes/{mailbox}/shares", status_code=SEE_OTHER)


def router() -> Router:
    """Return the pages."""
    handlers: list[Any] = [shares_page, share, unshare]
    return Router("/", route_handlers=handlers)
