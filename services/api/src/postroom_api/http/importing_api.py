"""`/api/v1`: bringing mail that somebody has as files."""

from typing import Any

from litestar import post
from litestar.di import NamedDependency

from postroom_api.domain.values import Principal
from postroom_api.http.importing import Import, Imported, Importing
from postroom_api.http.scoped import needs

Who = NamedDependency[Principal]
Of = NamedDependency[Importing]
LARGEST_BODY = 40 * 2**20


@post(
    "/mailboxes/{mailbox:str}/import",
    operation_id="importMails",
    summary="Bring mails from files; each content is stored once, and nobody is told unless asked",
    status_code=200,
    request_max_body_size=LARGEST_BODY,
    **needs("mailboxes:write"),
)
async def import_mails(who: Who, importing: Of, mailbox: str, data: Import) -> Imported:
    return await importing.take(who, mailbox, data)


HANDLERS: list[Any] = [import_mails]
