"""The pages of the SMTP server, and of whom it turned away."""

from typing import Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from postroom_api.http.pages import PAGE, SEE_OTHER, Cursor, Req, Who, page
from postroom_api.http.smtp_server import SmtpServerDesk

At = NamedDependency[SmtpServerDesk]


@get("/refusals", include_in_schema=False)
async def refusals_page(
    request: Req, who: Who, smtp_server: At, cursor: Cursor = None
) -> Response[str]:
    return page(request, "refusals.html", page=await smtp_server.refusals(who, cursor, PAGE))


@get("/smtp", include_in_schema=False)
async def smtp_page(request: Req, who: Who, smtp_server: At) -> Response[str]:
    return page(request, "smtp.html", server=await smtp_server.server(who))


@post("/smtp", include_in_schema=False)
async def change_door(request: Req, who: Who, smtp_server: At) -> Redirect:
    await smtp_server.set_door(who, open_=(await request.form()).get("open") == "true")
    return Redirect("/smtp", status_code=SEE_OTHER)


def router() -> Router:
    """Return the routes."""
    handlers: list[Any] = [refusals_page, smtp_page, change_door]
    return Router("", route_handlers=handlers)
