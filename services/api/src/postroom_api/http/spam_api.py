"""`/api/v1/spam-filter`: how mail is rated."""

from typing import Annotated, Any

import msgspec
from litestar import Response, get, patch, post
from litestar.di import NamedDependency

from postroom_api.domain.spam_settings import ListName, SpamFilter, SpamSettings
from postroom_api.domain.values import Principal
from postroom_api.http.entries import merge, settings_from
from postroom_api.http.scoped import needs
from postroom_api.http.spam import SpamDesk, settings_of
from postroom_api.http.versions import IfMatch, insisting, tagged

Who = NamedDependency[Principal]
At = NamedDependency[SpamDesk]


class ListedSender(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An address or a domain, and whose list it goes on; it leaves the other one."""

    list: ListName
    entry: Annotated[str, msgspec.Meta(min_length=1, max_length=254)]


@get(
    "/spam-filter",
    operation_id="getSpamFilter",
    summary="How mail is rated, and what the filter has learnt",
    **needs("admin"),
)
async def get_filter(who: Who, spam_filter: At) -> Response[SpamFilter]:
    return tagged(await spam_filter.read(who))


@patch(
    "/spam-filter",
    operation_id="changeSpamFilter",
    summary="Change how mail is rated",
    **needs("admin"),
)
async def change_filter(
    who: Who, spam_filter: At, data: dict[str, Any], if_match: IfMatch = None
) -> Response[SpamFilter]:
    """Merge the patch (RFC 7396) into what is there."""

    async def once() -> SpamFilter:
        plain = msgspec.to_builtins(settings_of(await spam_filter.read(who)))
        changed = settings_from("spam filter", merge(plain, data), SpamSettings)
        return await spam_filter.change(who, changed, if_match)

    return tagged(await insisting(once, if_match))


@post(
    "/spam-filter/senders",
    operation_id="listSender",
    summary="Allow or block a sender or a domain",
    status_code=200,
    **needs("admin"),
)
async def list_sender(who: Who, spam_filter: At, data: ListedSender) -> Response[SpamFilter]:
    return tagged(await spam_filter.list_sender(who, data.list, data.entry))


HANDLERS: list[Any] = [get_filter, change_filter, list_sender]
