"""The page that lists mailboxes."""

from typing import Any

from litestar import Response, Router, get

from postroom_api.http.pages import Of, Req, Who, page


@get("/mailboxes", include_in_schema=False)
async def mailboxes_page(request: Req, who: Who, office: Of) -> Response[str]:
    return page(request, "mailboxes.html", mailboxes=await office.mailboxes(who))


def router() -> Router:
    """Return the pages."""
    handlers: list[Any] = [mailboxes_page]
    return Router("/", route_handlers=handlers)
