"""`/api/v1/messages`: the log searched, and mails marked by hand."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from postroom_api.domain.message_search import BULK, MAX_TAG, Mark, MessageQuery
from postroom_api.domain.values import MessageRow, PageOf, Principal
from postroom_api.http.desk import Desk
from postroom_api.http.paging import Cursor, Limit
from postroom_api.http.scoped import needs
from postroom_contract.rules import Importance

Who = NamedDependency[Principal]
At = NamedDependency[Desk]


def _named(name: str, words: str, length: int = 200) -> Any:
    return QueryParameter(name=name, description=words, max_length=length)


class Matching(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which mails: as the parameters of the list."""

    search: Annotated[str, msgspec.Meta(max_length=200)] = ""
    mailbox: Annotated[str, msgspec.Meta(max_length=100)] = ""
    sender: Annotated[str, msgspec.Meta(max_length=200)] = ""
    recipient: Annotated[str, msgspec.Meta(max_length=200)] = ""
    spam: bool | None = None
    read: bool | None = None
    importance: Importance | None = None
    tag: Annotated[str, msgspec.Meta(max_length=MAX_TAG)] = ""
    since: datetime | None = None
    until: datetime | None = None
    deleted: bool = False
    quarantine: bool = False


class Marks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be done to which mails; `tag` with `tag` and `untag`.

    `teach`: the spam filter learns it, with `spam` and `not_spam`; `release` teaches with it too.
    """

    messages: Annotated[list[str], msgspec.Meta(min_length=1, max_length=BULK)]
    mark: Mark
    tag: Annotated[str, msgspec.Meta(max_length=MAX_TAG)] = ""
    teach: bool = False


class MatchingMarks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be done to all mails that match, at most 10,000, the newest first."""

    matching: Matching
    mark: Mark
    tag: Annotated[str, msgspec.Meta(max_length=MAX_TAG)] = ""
    teach: bool = False


class Marked(msgspec.Struct, frozen=True):
    """The mails that were there and theirs to change."""

    messages: list[str]


class MatchingMarked(msgspec.Struct, frozen=True):
    """How many mails were marked."""

    marked: int


@get(
    "/messages",
    operation_id="listMessages",
    summary="The message log, newest first",
    **needs("messages:read"),
)
async def list_messages(
    who: Who,
    desk: At,
    limit: Limit,
    cursor: Cursor = None,
    deleted: Annotated[
        bool, QueryParameter(name="deleted", description="The deleted instead")
    ] = False,
    quarantine: Annotated[
        bool, QueryParameter(name="quarantine", description="What is kept apart instead")
    ] = False,
    mailbox: Annotated[str | None, _named("mailbox", "Of this mailbox only", 100)] = None,
    search: Annotated[
        str | None,
        _named("search", "Words that begin a word of subject, sender, recipient or preview"),
    ] = None,
    sender: Annotated[
        str | None, _named("sender", "Stands in the sender's name or address")
    ] = None,
    recipient: Annotated[str | None, _named("recipient", "Stands in the recipient")] = None,
    spam: Annotated[
        bool | None,
        QueryParameter(name="spam", description="Marked so, or rated 50 or more"),
    ] = None,
    read: Annotated[bool | None, QueryParameter(name="read", description="Read or not")] = None,
    importance: Annotated[
        Importance | None, QueryParameter(name="importance", description="low, normal or high")
    ] = None,
    tag: Annotated[str | None, _named("tag", "Has this tag", MAX_TAG)] = None,
    since: Annotated[
        datetime | None, QueryParameter(name="since", description="Received then or later")
    ] = None,
    until: Annotated[
        datetime | None, QueryParameter(name="until", description="Received before")
    ] = None,
) -> PageOf[MessageRow]:
    query = MessageQuery(
        search=search or "", mailbox=mailbox or "", sender=sender or "", recipient=recipient or "",
        spam=spam, read=read, importance=importance, tag=tag or "", since=since, until=until,
        deleted=deleted, quarantine=quarantine,
    )  # fmt: skip
    return await desk.search(who, query, cursor, limit)


@post(
    "/messages/marks",
    operation_id="markMessages",
    summary="Mark many mails: spam, read, deleted, released, tagged, or not",
    status_code=200,
    **needs("mailboxes:write"),
)
async def mark_messages(who: Who, desk: At, data: Marks) -> Marked:
    return Marked(await desk.mark(who, data.messages, data.mark, data.tag, teach=data.teach))


@post(
    "/messages/marks/matching",
    operation_id="markMatchingMessages",
    summary="Mark all mails that match",
    status_code=200,
    **needs("mailboxes:write"),
)
async def mark_matching(who: Who, desk: At, data: MatchingMarks) -> MatchingMarked:
    query = MessageQuery(**{f: getattr(data.matching, f) for f in Matching.__struct_fields__})
    marked = await desk.mark_matching(who, query, data.mark, data.tag, teach=data.teach)
    return MatchingMarked(marked)


HANDLERS: list[Any] = [list_messages, mark_messages, mark_matching]
