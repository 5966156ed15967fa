"""The page of suppressed addresses."""

from typing import Annotated, Any, get_args
from urllib.parse import urlencode

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Redirect

from postroom_api.domain.suppressions import Reason
from postroom_api.domain.values import Principal
from postroom_api.http.pages import PAGE, SEE_OTHER, Cursor, Form, Req, Who, page
from postroom_api.http.people_pages import FOR_THE_FORM
from postroom_api.http.problems import ProblemError
from postroom_api.http.suppressions import SuppressionDesk
from postroom_mail.address import AddressError, parse_address

At = NamedDependency[SuppressionDesk]


class SuppressionForm(msgspec.Struct):
    """The form for another address."""

    address: str = ""
    words: str = ""


async def _shown(
    request: Req, who: Principal, desk: SuppressionDesk, search: str, reason: str,
    cursor: str | None, form: SuppressionForm, error: ProblemError | None, released: str = "",
) -> Response[str]:  # fmt: skip
    chosen: Reason | None = next((one for one in get_args(Reason) if one == reason), None)
    filters = {"search": search, "reason": chosen or ""}
    query = urlencode({name: value for name, value in filters.items() if value})
    return page(
        request,
        "suppressions.html",
        error.status if error else 200,
        page=await desk.page(who, search, chosen, cursor, PAGE),
        search=search,
        reason=chosen or "",
        query=f"&{query}" if query else "",
        form=form,
        released=released,
        error=error.detail if error else None,
    )


@get("/suppressions", include_in_schema=False)
async def suppressions_page(
    request: Req,
    who: Who,
    suppressions: At,
    cursor: Cursor = None,
    search: Annotated[str, QueryParameter(name="search")] = "",
    reason: Annotated[str, QueryParameter(name="reason")] = "",
    released: Annotated[str, QueryParameter(name="released")] = "",
) -> Response[str]:
    form = SuppressionForm()
    return await _shown(
        request, who, suppressions, search, reason, cursor, form, None, _address(released)
    )


def _address(text: str) -> str:
    """Return an address to be named on the page, or nothing where a link says something else."""
    try:
        return parse_address(text).canonical
    except AddressError:
        return ""


@post("/suppressions", include_in_schema=False, status_code=200)
async def add(
    request: Req, who: Who, suppressions: At, data: Annotated[SuppressionForm, Form]
) -> Response[Any]:
    try:
        await suppressions.add(who, data.address, data.words)
    except ProblemError as error:
        if error.status not in FOR_THE_FORM:
            raise
        return await _shown(request, who, suppressions, "", "", None, data, error)
    return Redirect("/suppressions", status_code=SEE_OTHER)


@post("/suppressions/{suppression:str}/release", include_in_schema=False)
async def release(who: Who, suppressions: At, suppression: str) -> Redirect:
    was = await suppressions.release(who, suppression)
    query = urlencode({"released": was.address})
    return Redirect(f"/suppressions?{query}", status_code=SEE_OTHER)


def router() -> Router:
    """Return the routes."""
    return Router("", route_handlers=[suppressions_page, add, release])
