"""The overview, and the System page."""

from typing import Any, Final

from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.response import Redirect

from postroom_api.domain.grids import GridQuery
from postroom_api.domain.notices import ADVICE
from postroom_api.http.desk import Desk
from postroom_api.http.pages import SEE_OTHER, Of, Req, Who, page
from postroom_api.http.system import SystemDesk

At = NamedDependency[SystemDesk]
Read = NamedDependency[Desk]


LIGHTS: Final = 60
"""Mailboxes with a light each."""
NEWEST: Final = 6


@get("/", include_in_schema=False)
async def overview_page(
    request: Req, who: Who, system: At, office: Of, desk: Read
) -> Response[Any]:
    seen = await system.overview(who)
    if seen.empty and who.administrator:
        return Redirect("/setup", status_code=SEE_OTHER)
    return page(
        request,
        "overview.html",
        seen=seen,
        checklist=system.checklist(seen),
        advice=ADVICE,
        most=max(1, *seen.mails_by_hour),
        boxes=(await office.grid(who, GridQuery(), None, LIGHTS)).data,
        newest=(await desk.messages(who, None, NEWEST)).data,
    )


@get("/system", include_in_schema=False)
async def system_page(request: Req, who: Who, system: At) -> Response[str]:
    return page(request, "system.html", system=await system.system(who))


def router() -> Router:
    """Return the pages."""
    return Router("/", route_handlers=[overview_page, system_page])
