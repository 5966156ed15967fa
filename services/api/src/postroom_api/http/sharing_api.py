"""`/api/v1`: whom a mailbox is shared with."""

from typing import Any

from litestar import delete, get, post
from litestar.di import NamedDependency

from postroom_api.domain.sharing import NewShare, Share
from postroom_api.domain.values import PageOf, Principal
from postroom_api.http.scoped import needs
from postroom_api.http.sharing import Sharing

Who = NamedDependency[Principal]
Sharer = NamedDependency[Sharing]


@get(
    "/mailboxes/{mailbox:str}/shares",
    operation_id="listShares",
    summary="Whom it is shared with",
    **needs("mailboxes:read"),
)
async def list_shares(who: Who, sharing: Sharer, mailbox: str) -> PageOf[Share]:
    return PageOf(data=await sharing.shares(who, mailbox), next_cursor=None)


@post(
    "/mailboxes/{mailbox:str}/shares",
    operation_id="shareMailbox",
    summary="Share a mailbox",
    **needs("mailboxes:write"),
)
async def share(who: Who, sharing: Sharer, mailbox: str, data: NewShare) -> PageOf[Share]:
    return PageOf(data=await sharing.share(who, mailbox, data), next_cursor=None)


@delete(
    "/mailboxes/{mailbox:str}/shares/{person:str}",
    operation_id="unshareMailbox",
    summary="End a share",
    **needs("mailboxes:write"),
)
async def unshare(who: Who, sharing: Sharer, mailbox: str, person: str) -> None:
    await sharing.unshare(who, mailbox, person)


HANDLERS: list[Any] = [list_shares, share, unshare]
