"""`/api/v1`: what programs may ask. The pages use the same handlers."""

from typing import Annotated, Any

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from postroom_api.domain.values import (
    Delivery,
    MessageRow,
    PageOf,
    Principal,
    SetAsideRow,
)
from postroom_api.http import (
    catalogue_api,
    connecting_api,
    erasures_api,
    export_api,
    forum_api,
    grid_api,
    importing_api,
    ledger_api,
    mail_domains_api,
    message_api,
    office_api,
    own_api,
    people_api,
    queue_api,
    rule_examples_api,
    rules_api,
    rules_elsewhere_api,
    sharing_api,
    smtp_server_api,
    spam_api,
    submission_api,
    suppressions_api,
    system_api,
    tickets_api,
    trials_api,
    viewing_api,
    webhooks_api,
)
from postroom_api.http.desk import Desk
from postroom_api.http.paging import Cursor, Limit
from postroom_api.http.scoped import guard, needs
from postroom_contract.commands import Redo
from postroom_contract.forum import Forum, Post, Topic
from postroom_contract.mail import MailSummary
from postroom_contract.rules import Decision

Who = NamedDependency[Principal]
At = NamedDependency[Desk]


class NewForum(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A forum to be made."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    address: Annotated[str, msgspec.Meta(min_length=3, max_length=254)]


class NewTopic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A first post."""

    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=250)]
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=200_000)]


class NewPost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reply; to the topic's last post unless `parent` names another."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=200_000)]
    parent: str | None = None


class MessageView(msgspec.Struct, frozen=True, kw_only=True):
    """One mail with its summary."""

    message: MessageRow
    summary: MailSummary


class TraceView(msgspec.Struct, frozen=True, kw_only=True):
    """Why a mail was sorted as it was."""

    message: str
    event: str
    decision: Decision


@get("/forums", operation_id="listForums", summary="All forums", **needs("forums:read"))
async def list_forums(who: Who, desk: At) -> PageOf[Forum]:
    return PageOf(data=list(await desk.forums(who)), next_cursor=None)


@post(
    "/forums",
    operation_id="createForum",
    summary="Make a forum with its address",
    **needs("forums:write"),
)
async def create_forum(who: Who, desk: At, data: NewForum) -> Forum:
    return await desk.create_forum(who, data.name, data.address)


@get(
    "/forums/{forum:str}/topics",
    operation_id="listTopics",
    summary="A forum's topics",
    **needs("forums:read"),
)
async def list_topics(
    who: Who, desk: At, forum: str, limit: Limit, cursor: Cursor = None
) -> PageOf[Topic]:
    page = await desk.topics(who, forum, cursor, limit)
    return PageOf(data=list(page.data), next_cursor=page.next_cursor)


@post(
    "/forums/{forum:str}/topics",
    operation_id="createTopic",
    summary="Begin a topic",
    **needs("forums:write"),
)
async def create_topic(who: Who, desk: At, forum: str, data: NewTopic) -> Post:
    return await desk.begin_topic(who, forum, data.subject, data.text)


@get(
    "/topics/{topic:str}/posts",
    operation_id="listPosts",
    summary="A topic's posts",
    **needs("forums:read"),
)
async def list_posts(
    who: Who, desk: At, topic: str, limit: Limit, cursor: Cursor = None
) -> PageOf[Post]:
    page = await desk.posts(who, topic, cursor, limit)
    return PageOf(data=list(page.data), next_cursor=page.next_cursor)


@post(
    "/topics/{topic:str}/posts",
    operation_id="createPost",
    summary="Reply; goes out as mail",
    **needs("forums:write"),
)
async def create_post(who: Who, desk: At, topic: str, data: NewPost) -> Post:
    return await desk.reply(who, topic, data.text, data.parent)


@post(
    "/messages/{message:str}/restore",
    operation_id="restoreMessage",
    summary="Bring a deleted mail back",
    status_code=200,
    **needs("mailboxes:write"),
)
async def restore(who: Who, desk: At, message: str) -> MessageRow:
    return (await desk.restore(who, message)).row


@get(
    "/messages/{message:str}",
    operation_id="getMessage",
    summary="One mail",
    **needs("messages:read"),
)
async def get_message(who: Who, desk: At, message: str) -> MessageView:
    found = await desk.message(who, message)
    return MessageView(message=found.row, summary=found.event.summary)


@get(
    "/messages/{message:str}/raw",
    operation_id="getRawMessage",
    summary="One mail, byte for byte",
    media_type="message/rfc822",
    **needs("messages:raw"),
)
async def get_raw(who: Who, desk: At, message: str) -> Response[bytes]:
    return raw_answer(await desk.raw(who, message), message)


@get(
    "/messages/{message:str}/trace",
    operation_id="getTrace",
    summary="Why it was sorted so",
    **needs("messages:read"),
)
async def get_trace(who: Who, desk: At, message: str) -> TraceView:
    found = await desk.message(who, message)
    return TraceView(message=found.row.id, event=found.event.id, decision=found.event.decision)


@get(
    "/deliveries",
    operation_id="listDeliveries",
    summary="Outgoing mail, newest first",
    **needs("messages:read"),
)
async def list_deliveries(
    who: Who,
    desk: At,
    limit: Limit,
    cursor: Cursor = None,
    origin: Annotated[str | None, QueryParameter(name="origin", description="A post's id")] = None,
) -> PageOf[Delivery]:
    return await desk.deliveries(who, cursor, limit, origin)


@get(
    "/deliveries/{serial:int}/raw",
    operation_id="getRawDelivery",
    summary="One recipient's copy, byte for byte",
    media_type="message/rfc822",
    **needs("messages:raw"),
)
async def get_copy(who: Who, desk: At, serial: int) -> Response[bytes]:
    copy = await desk.copy(who, serial)
    return raw_answer(copy.raw, f"delivery-{serial}")


@get(
    "/set-aside",
    operation_id="listSetAside",
    summary="What no service could take",
    **needs("messages:read"),
)
async def list_set_aside(
    who: Who, desk: At, limit: Limit, cursor: Cursor = None
) -> PageOf[SetAsideRow]:
    return await desk.set_aside(who, cursor, limit)


@post(
    "/set-aside/{entry:str}/redo",
    operation_id="redoSetAside",
    summary="Try again what was set aside",
    status_code=202,
    **needs("admin"),
)
async def redo(who: Who, desk: At, entry: str) -> Redo:
    return await desk.redo(who, entry)


@delete(
    "/set-aside/{entry:str}",
    operation_id="discardSetAside",
    summary="Discard what was set aside",
    **needs("admin"),
)
async def discard(who: Who, desk: At, entry: str) -> None:
    """It is listed no more; its raw mail stays as long as its mailbox keeps mail."""
    await desk.discard(who, entry)


def raw_answer(raw: bytes, name: str) -> Response[bytes]:
    """Return raw mail as a download that no browser takes for a page."""
    return Response(
        raw,
        media_type="message/rfc822",
        headers={"Content-Disposition": f'attachment; filename="{name}.eml"'},
    )


def router() -> Router:
    """Return the API."""
    handlers: list[Any] = [
        list_forums, create_forum, list_topics, create_topic,
        list_posts, create_post, restore, get_message, get_raw, get_trace,
        list_deliveries, get_copy, list_set_aside, redo, discard, *forum_api.HANDLERS,
        *office_api.HANDLERS, *people_api.HANDLERS,
        *own_api.HANDLERS, *trials_api.HANDLERS, *system_api.HANDLERS, *export_api.HANDLERS,
        *catalogue_api.HANDLERS, *connecting_api.HANDLERS, *grid_api.HANDLERS,
        *importing_api.HANDLERS, *ledger_api.HANDLERS, *sharing_api.HANDLERS,
        *submission_api.HANDLERS, *mail_domains_api.HANDLERS, *queue_api.HANDLERS,
        *rules_api.HANDLERS, *rule_examples_api.HANDLERS, *rules_elsewhere_api.HANDLERS,
        *smtp_server_api.HANDLERS, *message_api.HANDLERS, *suppressions_api.HANDLERS,
        *spam_api.HANDLERS, *tickets_api.HANDLERS, *webhooks_api.HANDLERS, *viewing_api.HANDLERS,
        *erasures_api.HANDLERS,
    ]  # fmt: skip
    return Router("/api/v1", route_handlers=handlers, guards=[guard])
