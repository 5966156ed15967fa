"""`/api/v1/smtp` and `/refusals`: the SMTP server, and whom it turned away."""

from typing import Any

import msgspec
from litestar import get, patch
from litestar.di import NamedDependency

from postroom_api.domain.smtp_server import RefusalRow, SmtpServer
from postroom_api.domain.values import PageOf, Principal
from postroom_api.http.paging import Cursor, Limit
from postroom_api.http.scoped import needs
from postroom_api.http.smtp_server import SmtpServerDesk

Who = NamedDependency[Principal]
At = NamedDependency[SmtpServerDesk]


class DoorChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the SMTP server takes sessions."""

    open: bool


@get(
    "/refusals",
    operation_id="listRefusals",
    summary="What the SMTP server turned away for recipients of the account, newest first",
    **needs("admin"),
)
async def list_refusals(
    who: Who, smtp_server: At, limit: Limit, cursor: Cursor = None
) -> PageOf[RefusalRow]:
    return await smtp_server.refusals(who, cursor, limit)


@get(
    "/smtp",
    operation_id="getSmtp",
    summary="The SMTP server: whether it is open, what it has counted, who is connected",
    **needs("admin"),
)
async def get_smtp(who: Who, smtp_server: At) -> SmtpServer:
    return await smtp_server.server(who)


@patch(
    "/smtp",
    operation_id="changeSmtp",
    summary="Open or close the SMTP server: new sessions hear 421, those that are here go on",
    **needs("admin"),
)
async def change_smtp(who: Who, smtp_server: At, data: DoorChange) -> SmtpServer:
    return await smtp_server.set_door(who, open_=data.open)


HANDLERS: list[Any] = [list_refusals, get_smtp, change_smtp]
