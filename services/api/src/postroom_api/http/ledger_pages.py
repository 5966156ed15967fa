"""The pages of a mailbox's ledger and protocol log."""

from litestar import Response, Router, get
from litestar.di import NamedDependency

from postroom_api.http.ledgers import Ledgers
from postroom_api.http.pages import Cursor, Of, Req, Who, page

Books = NamedDependency[Ledgers]


@get("/mailboxes/{mailbox:str}/ledger", include_in_schema=False)
async def ledger_page(
    request: Req, who: Who, office: Of, ledgers: Books, mailbox: str, cursor: Cursor = None
) -> Response[str]:
    box = await office.mailbox(who, mailbox)
    ledger = await ledgers.of(who, mailbox, cursor=cursor)
    changes = box.access != "read" and (box.kind == "user" or who.administrator)
    return page(request, "ledger.html", box=box, ledger=ledger, changes=changes)


@get("/mailboxes/{mailbox:str}/protocol-log", include_in_schema=False)
async def protocol_log_page(
    request: Req, who: Who, office: Of, ledgers: Books, mailbox: str
) -> Response[str]:
    box = await office.mailbox(who, mailbox)
    found = await ledgers.conversations(who, mailbox)
    return page(request, "protocol_log.html", box=box, conversations=found)


def router() -> Router:
    """Return the routes."""
    return Router("", route_handlers=[ledger_page, protocol_log_page])
