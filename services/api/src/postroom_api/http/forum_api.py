"""`/api/v1`: taking part in forums, and running them."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from postroom_api.domain.values import PageOf, Principal
from postroom_api.http.forum_desk import ForumDesk, ForumSettings
from postroom_api.http.paging import Cursor, Limit
from postroom_api.http.scoped import needs
from postroom_api.http.versions import IfMatch, expect, insisting, tagged
from postroom_contract.forum import (
    DeliveryMode,
    Forum,
    ForumRole,
    Joining,
    Member,
    Post,
    Topic,
    Visible,
)

Search = Annotated[
    str, QueryParameter(name="search", max_length=200, description="A part of name or address")
]
Who = NamedDependency[Principal]
At = NamedDependency[ForumDesk]


class ForumPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a forum; what is left out stays (RFC 7396)."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    description: Annotated[str, msgspec.Meta(max_length=1_000)] | None = None
    joining: Joining | None = None
    visible: Visible | None = None


class NewMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Someone to take part; without `role` as they are, and somebody new a member."""

    email: Annotated[str, msgspec.Meta(min_length=3, max_length=254)]
    name: Annotated[str, msgspec.Meta(max_length=100)] = ""
    delivery: DeliveryMode = "each"
    role: ForumRole | None = None


class MemberPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a member; what is left out stays (RFC 7396)."""

    role: ForumRole | None = None
    delivery: DeliveryMode | None = None


class MyPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What I get; without `delivery` what I got before, and at first each post."""

    delivery: DeliveryMode | None = None


class TopicPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a topic is closed."""

    closed: bool


class PostPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a post is shown or removed; a held one that is shown goes out by mail."""

    state: Literal["shown", "removed"]


@get("/forums/{forum:str}", operation_id="getForum", summary="One forum", **needs("forums:read"))
async def get_forum(who: Who, forums: At, forum: str) -> Response[Forum]:
    return tagged(await forums.one(who, forum))


@patch(
    "/forums/{forum:str}",
    operation_id="changeForum",
    summary="Change a forum's settings",
    **needs("forums:moderate"),
)
async def change_forum(
    who: Who, forums: At, forum: str, data: ForumPatch, if_match: IfMatch = None
) -> Response[Forum]:
    wanted = ForumSettings(**msgspec.structs.asdict(data))

    async def once() -> Forum:
        found = await forums.one(who, forum)
        expect(found.version, if_match)
        return await forums.change(who, forum, wanted, found.version)

    return tagged(await insisting(once, if_match))


@get(
    "/forums/{forum:str}/members",
    operation_id="listMembers",
    summary="Who takes part, for those who run the forum",
    **needs("forums:read"),
)
async def list_members(
    who: Who, forums: At, forum: str, limit: Limit, cursor: Cursor = None, search: Search = ""
) -> PageOf[Member]:
    page = await forums.members(who, forum, search, cursor, limit)
    return PageOf(data=list(page.data), next_cursor=page.next_cursor)


@post(
    "/forums/{forum:str}/members",
    operation_id="addMember",
    summary="Let someone take part",
    **needs("forums:write"),
)
async def add_member(who: Who, forums: At, forum: str, data: NewMember) -> Member:
    return await forums.add_member(who, forum, data.email, data.name, data.delivery, data.role)


@patch(
    "/forums/{forum:str}/members/{member:str}",
    operation_id="changeMember",
    summary="Give a member another role or delivery",
    **needs("forums:moderate"),
)
async def change_member(who: Who, forums: At, forum: str, member: str, data: MemberPatch) -> Member:
    return await forums.change_member(who, forum, member, data.role, data.delivery)


@delete(
    "/forums/{forum:str}/members/{member:str}",
    operation_id="removeMember",
    summary="End somebody's part",
    **needs("forums:moderate"),
)
async def remove_member(who: Who, forums: At, forum: str, member: str) -> None:
    await forums.remove_member(who, forum, member)


@get(
    "/me/forums",
    operation_id="listMyForums",
    summary="The forums I take part in",
    **needs("forums:read"),
)
async def list_my_forums(who: Who, forums: At) -> PageOf[Forum]:
    return PageOf(data=await forums.mine(who), next_cursor=None)


@put(
    "/me/forums/{forum:str}",
    operation_id="joinForum",
    summary="Take part, or change what I get",
    **needs("forums:write"),
)
async def join_forum(who: Who, forums: At, forum: str, data: MyPart) -> Forum:
    return await forums.join(who, forum, data.delivery)


@delete(
    "/me/forums/{forum:str}",
    operation_id="leaveForum",
    summary="Take part no more",
    **needs("forums:write"),
)
async def leave_forum(who: Who, forums: At, forum: str) -> None:
    await forums.leave(who, forum)


@patch(
    "/topics/{topic:str}",
    operation_id="changeTopic",
    summary="Close a topic, or open it again",
    **needs("forums:moderate"),
)
async def change_topic(who: Who, forums: At, topic: str, data: TopicPatch) -> Topic:
    return await forums.close(who, topic, closed=data.closed)


@patch(
    "/posts/{post:str}",
    operation_id="moderatePost",
    summary="Remove a post, or show it (again)",
    **needs("forums:moderate"),
)
async def moderate_post(who: Who, forums: At, post: str, data: PostPatch) -> Post:
    return await forums.moderate(who, post, data.state)


HANDLERS: list[Any] = [
    get_forum, change_forum, list_members, add_member, change_member, remove_member,
    list_my_forums, join_forum, leave_forum, change_topic, moderate_post,
]  # fmt: skip
