"""`/api/v1`: connect links."""

from typing import Annotated, Any

import msgspec
from litestar import post
from litestar.di import NamedDependency

from postroom_api.domain.connecting import ConnectLink
from postroom_api.domain.mailbox_settings import Mailbox, MailboxSettings
from postroom_api.domain.values import Principal
from postroom_api.http.connecting import Connecting
from postroom_api.http.scoped import needs

Who = NamedDependency[Principal]
Links = NamedDependency[Connecting]


class NewLink(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to invite to connect a mailbox, by id or e-mail address, and through which service."""

    person: Annotated[str, msgspec.Meta(min_length=3, max_length=254)]
    service: str
    send: bool = False
    """Mail it to them."""


@post(
    "/connect-links",
    operation_id="createConnectLink",
    summary="Invite to connect a mailbox",
    **needs("mailboxes:write"),
)
async def create_link(who: Who, connecting: Links, data: NewLink) -> ConnectLink:
    return await connecting.make_link(who, data.person, data.service, send=data.send)


@post(
    "/connect-links/{secret:str}",
    operation_id="useConnectLink",
    summary="Connect by a link",
    **needs("mailboxes:write"),
)
async def use_link(who: Who, connecting: Links, secret: str, data: MailboxSettings) -> Mailbox:
    return await connecting.connect(who, secret, data)


HANDLERS: list[Any] = [create_link, use_link]
