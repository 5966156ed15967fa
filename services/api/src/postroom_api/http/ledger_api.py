"""`/api/v1`: the completeness ledger and the protocol log of a mailbox."""

from typing import Any

from litestar import get
from litestar.di import NamedDependency

from postroom_api.domain.ledger import MailboxLedger
from postroom_api.domain.values import PageOf, Principal
from postroom_api.http.ledgers import Ledgers
from postroom_api.http.paging import Cursor, Limit
from postroom_api.http.scoped import needs
from postroom_contract.conversations import Conversation

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


@get(
    "/mailboxes/{mailbox:str}/protocol-log",
    operation_id="readProtocolLog",
    summary="What was said to its server, and by it, in the last good and the last failed check",
    **needs("mailboxes:read"),
)
async def read_protocol_log(who: Who, ledgers: Books, mailbox: str) -> PageOf[Conversation]:
    return PageOf(data=await ledgers.conversations(who, mailbox), next_cursor=None)


HANDLERS: list[Any] = [read_ledger, read_protocol_log]
