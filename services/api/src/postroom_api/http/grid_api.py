"""`/api/v1`: the list of mailboxes, and doing the same to several."""

from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from postroom_api.domain.discovery import Discovered, Wanted
from postroom_api.domain.grids import BULK, Answer, BulkAction, GridQuery
from postroom_api.domain.mailbox_settings import Mailbox
from postroom_api.domain.values import PageOf, Principal
from postroom_api.http.discovering import Discovering
from postroom_api.http.entries import settings_from
from postroom_api.http.office import Office
from postroom_api.http.paging import Limit
from postroom_api.http.scoped import needs

Who = NamedDependency[Principal]
At = NamedDependency[Office]
Finder = NamedDependency[Discovering]
Text = Annotated[str | None, QueryParameter()]
Flag = Annotated[bool | None, QueryParameter()]


class Bulk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same for several mailboxes."""

    action: BulkAction
    mailboxes: Annotated[list[str], msgspec.Meta(min_length=1, max_length=BULK)]


@get(
    "/mailboxes",
    operation_id="listMailboxes",
    summary="Mailboxes: filtered, searched, sorted; pages by cursor",
    **needs("mailboxes:read"),
)
async def list_mailboxes(
    who: Who,
    office: At,
    limit: Limit,
    cursor: Text = None,
    search: Annotated[
        str | None,
        QueryParameter(
            max_length=200, description="Beginnings of words of name, address, login, host"
        ),
    ] = None,
    kind: Annotated[str | None, QueryParameter(description="system, user")] = None,
    source: Annotated[
        str | None, QueryParameter(name="type", description="smtp, pop3, imap")
    ] = None,
    in_state: Annotated[
        str | None,
        QueryParameter(
            name="state", description="open, new, idle, paused, sign_in_again, auth_failed …"
        ),
    ] = None,
    active: Flag = None,
    owner: Annotated[str | None, QueryParameter(description="A person's id")] = None,
    service: Annotated[str | None, QueryParameter(description="An e-mail service's id")] = None,
    orphaned: Flag = None,
    sort: Annotated[
        str, QueryParameter(description="name, checked, volume, unread; with - before: descending")
    ] = "name",
) -> PageOf[Mailbox]:
    plain = {
        "search": search or "", "kind": kind, "type": source, "state": in_state, "active": active,
        "owner": owner, "service": service, "orphaned": orphaned, "sort": sort,
    }  # fmt: skip
    return await office.grid(who, settings_from("query", plain, GridQuery), cursor, limit)


@post(
    "/mailboxes/bulk",
    operation_id="changeMailboxes",
    summary="Do the same to several mailboxes; answers for each",
    status_code=200,
    **needs("mailboxes:write"),
)
async def bulk(who: Who, office: At, data: Bulk) -> PageOf[Answer]:
    return PageOf(data=await office.bulk(who, data.action, data.mailboxes), next_cursor=None)


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An e-mail address whose mailbox is looked for."""

    address: Annotated[str, msgspec.Meta(min_length=3, max_length=254)]
    type: Wanted = ""
    """The protocol that it must be; empty = the best there is."""


@post(
    "/mailboxes/discover",
    operation_id="discoverMailbox",
    summary="Where does the mailbox of this address lie? A proposal; nothing is connected to",
    status_code=200,
    **needs("mailboxes:write"),
)
async def discover(who: Who, discovering: Finder, data: Address) -> Discovered:
    return await discovering.discover(who, data.address, data.type)


HANDLERS: list[Any] = [list_mailboxes, bulk, discover]
