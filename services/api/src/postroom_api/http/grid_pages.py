"""The list of mailboxes as a page, and its buttons."""

from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from postroom_api.domain.grids import BULK, GridQuery
from postroom_api.http.catalogue import Catalogue
from postroom_api.http.pages import PAGE, SEE_OTHER, Of, Req, Who, page
from postroom_api.http.problems import ProblemError

Shelf = NamedDependency[Catalogue]
FILTERS: Final = ("search", "kind", "type", "state", "owner", "service", "orphaned", "sort")
STATES: Final = (
    "open", "new", "idle", "waiting", "paused", "sign_in_again", "auth_failed", "unreachable",
)  # fmt: skip


def _query(fields: dict[str, str]) -> GridQuery:
    """Return what is asked for; a filter that makes no sense is no filter."""
    plain = {name: fields[name] for name in FILTERS if fields.get(name)}
    try:
        return msgspec.convert(plain, type=GridQuery, strict=False)
    except msgspec.ValidationError:
        return GridQuery(search=plain.get("search", ""))


@get("/mailboxes", include_in_schema=False)
async def mailboxes_page(request: Req, who: Who, office: Of, catalogue: Shelf) -> Response[str]:
    fields = {name: str(value) for name, value in request.query_params.items()}
    query = _query(fields)
    found = await office.grid(who, query, fields.get("cursor") or None, PAGE)
    kept = {name: fields[name] for name in FILTERS if fields.get(name)}

    def link(**changes: str) -> str:
        """Return this list with other filters, or its next page."""
        wanted = {name: value for name, value in {**kept, **changes}.items() if value}
        return "/mailboxes" + (f"?{urlencode(wanted)}" if wanted else "")

    gone = fields.get("gone")
    deleted = [one for one in await office.deleted(who) if one.id == gone] if gone else []
    return page(
        request, "mailboxes.html", gone=deleted[0] if deleted else None,
        found=found, query=query, link=link, filtered=bool(kept.keys() - {"sort"}),
        services=await catalogue.services(who) if who.administrator else [], states=STATES,
    )  # fmt: skip


@post("/mailboxes-bulk", include_in_schema=False, status_code=200)
async def bulk(request: Req, who: Who, office: Of) -> Response[Any]:
    form = await request.form()
    action = str(form.get("action", ""))
    chosen = [str(one) for one in form.getall("mailbox", [])][:BULK]
    if action not in {"activate", "pause", "receive", "delete"}:
        raise ProblemError(422, "invalid", "Choose what to do with the mailboxes.")
    answers = await office.bulk(who, action, chosen)  # type: ignore[arg-type]  # one of the four
    if answers and all(one.done for one in answers):
        return Redirect("/mailboxes", status_code=SEE_OTHER)
    names = {}
    for one in answers:
        if not one.done and one.code != "not_found":
            names[one.mailbox] = (await office.mailbox(who, one.mailbox)).name
    return page(request, "mailboxes_bulk.html", answers=answers, names=names)


@post("/mailboxes/{mailbox:str}/switch", include_in_schema=False)
async def switch(who: Who, office: Of, mailbox: str) -> Redirect:
    found = await office.mailbox(who, mailbox)
    await office.switch_mailbox(who, mailbox, active=not found.active)
    return Redirect("/mailboxes", status_code=SEE_OTHER)


def router() -> Router:
    """Return the pages."""
    handlers: list[Any] = [mailboxes_page, bulk, switch]
    return Router("/", route_handlers=handlers)
