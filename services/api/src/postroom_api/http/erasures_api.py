"""`/api/v1/erasures`: nothing of what mails said stays."""

from typing import Annotated, Any

import msgspec
from litestar import delete, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from postroom_api.domain.erasing import Erasure
from postroom_api.domain.values import Principal
from postroom_api.http.desk import Desk
from postroom_api.http.erasures import Erasures
from postroom_api.http.problems import not_found
from postroom_api.http.scoped import needs

Who = NamedDependency[Principal]
Erase = NamedDependency[Erasures]
At = NamedDependency[Desk]


class WantedErasure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose mail: all from this address and all to it."""

    address: Annotated[str, msgspec.Meta(min_length=3, max_length=254)]


@delete(
    "/messages/{message:str}",
    operation_id="deleteMessage",
    summary="Delete a mail, to be brought back for 7 days; or erase it now",
    status_code=200,
    **needs("mailboxes:write"),
)
async def delete_message(
    who: Who,
    erasures: Erase,
    desk: At,
    message: str,
    erase: Annotated[
        bool,
        QueryParameter(
            name="erase", description="Nothing of what it said stays here; for administrators"
        ),
    ] = False,
) -> Erasure:
    if erase:
        return await erasures.mail(who, message)
    if not await desk.mark(who, [message], "delete"):
        raise not_found("message")
    return Erasure(mails=1, waiting=1, remains=[])


@post(
    "/erasures",
    operation_id="erasePerson",
    summary="Erase all mail from and to an address, at most 10,000, and say what remains",
    status_code=200,
    **needs("admin"),
)
async def erase_person(who: Who, erasures: Erase, data: WantedErasure) -> Erasure:
    return await erasures.person(who, data.address)


HANDLERS: list[Any] = [delete_message, erase_person]
