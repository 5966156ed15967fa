"""`/api/v1`: the completeness ledger of a mailbox."""

from typing import Any

from litestar import get
from litestar.di import NamedDependency

from postroom_api.domain.ledger import MailboxLedger
from postroom_api.domain.values import Principal
from postroom_api.http.ledgers import Ledgers
from postroom_api.http.paging import Cursor, Limit
from postroom_api.http.scoped import needs

Who = NamedDependency[Principal]
Books = NamedDependency[Ledgers]


@get(
    "/mailboxes/{mailbox:str}/ledger",
    operation_id="readLedger",
    summary="What became of every message that its server has shown",
    **needs("mailboxes:read"),
)
async def read_ledger(
    who: Who, ledgers: Books, mailbox: str, limit: Limit, cursor: Cursor = None
) -> MailboxLedger:
    return await ledgers.of(who, mailbox, limit=limit, cursor=cursor)


HANDLERS: list[Any] = [read_ledger]
