"""The pages of those who take part in forums, and of those who run them."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Redirect

from postroom_api.domain.values import Principal
from postroom_api.http.forum_desk import ForumDesk, ForumSettings
from postroom_api.http.pages import PAGE, SEE_OTHER, Cursor, Form, Req, Who, page
from postroom_api.http.problems import ProblemError
from postroom_api.ports import ServiceProblemError, StaleError
from postroom_contract.forum import DeliveryMode, Forum, ForumRole, Joining, Member, Visible

At = NamedDependency[ForumDesk]
MODES: dict[str, DeliveryMode] = {"each": "each", "none": "none"}
CHANGED_MEANWHILE = "Somebody changed this forum while you had it open. Compare, and save again."


class MemberForm(msgspec.Struct):
    """The form for a new member."""

    email: str = ""
    name: str = ""
    delivery: DeliveryMode = "each"
    role: Literal["", "member", "moderator"] = ""


class ChangeForm(msgspec.Struct):
    """What a row of the members' list may change."""

    delivery: DeliveryMode | None = None
    role: ForumRole | None = None


class SettingsForm(msgspec.Struct):
    """A forum's settings, and the version that they were read in."""

    name: str = ""
    description: str = ""
    joining: Joining = "open"
    visible: Visible = "account"
    version: int = 0


class PostForm(msgspec.Struct):
    """Remove or show."""

    state: Literal["shown", "removed"]


class TopicForm(msgspec.Struct):
    """Close or open again."""

    closed: bool


class BackForm(msgspec.Struct):
    """Where one goes on: "forum" is the forum itself."""

    to: str = ""


@get("/my/forums", include_in_schema=False)
async def my_forums_page(
    request: Req,
    who: Who,
    forums: At,
    left: Annotated[str, QueryParameter(name="left", max_length=100)] = "",
    saved: Annotated[bool, QueryParameter(name="saved")] = False,
) -> Response[str]:
    found = await forums.all(who)
    gone = next((one for one in found if one.id == left), None)
    return page(
        request, "my_forums.html",
        mine=[one for one in found if one.part],
        others=[one for one in found if not one.part and one.joining == "open"],
        left=left if not (gone and gone.part) else "", gone=gone, saved=saved,
    )  # fmt: skip


@post("/my/forums", include_in_schema=False)
async def save_deliveries(request: Req, who: Who, forums: At) -> Redirect:
    form = await request.form()
    for one in await forums.mine(who):
        chosen = MODES.get(str(form.get(f"delivery-{one.id}", "")))
        if one.part and chosen and chosen != one.part.delivery:
            await forums.join(who, one.id, chosen)
    return Redirect("/my/forums?saved=true", status_code=SEE_OTHER)


@post("/my/forums/{forum:str}/join", include_in_schema=False)
async def join(who: Who, forums: At, forum: str, data: Annotated[BackForm, Form]) -> Redirect:
    joined = await forums.join(who, forum)
    there = f"/forums/{joined.id}" if data.to == "forum" else "/my/forums"
    return Redirect(there, status_code=SEE_OTHER)


@post("/my/forums/{forum:str}/leave", include_in_schema=False)
async def leave(who: Who, forums: At, forum: str) -> Redirect:
    left = await forums.leave(who, forum)
    return Redirect(f"/my/forums?left={left.id}", status_code=SEE_OTHER)


async def _settings(
    request: Req, forum: Forum, form: SettingsForm | None, error: str | None, status: int = 200
) -> Response[str]:
    return page(
        request, "forum_settings.html", status, forum=forum, form=form or forum, error=error
    )


def _refuse_others(forum: Forum) -> Forum:
    if not forum.runs:
        raise ProblemError(403, "forbidden", "Only those who run the forum may do this.")
    return forum


@get("/forums/{forum:str}/settings", include_in_schema=False)
async def settings_page(request: Req, who: Who, forums: At, forum: str) -> Response[str]:
    return await _settings(request, _refuse_others(await forums.one(who, forum)), None, None)


@post("/forums/{forum:str}/settings", include_in_schema=False)
async def save_settings(
    request: Req, who: Who, forums: At, forum: str, data: Annotated[SettingsForm, Form]
) -> Response[Any]:
    wanted = ForumSettings(
        name=data.name, description=data.description, joining=data.joining, visible=data.visible
    )
    try:
        await forums.change(who, forum, wanted, data.version)
    except StaleError:
        found = await forums.one(who, forum)
        return await _settings(request, found, data, CHANGED_MEANWHILE, 412)
    except (ProblemError, ServiceProblemError) as error:
        if not _for_the_form(error):
            raise
        found = await forums.one(who, forum)
        return await _settings(request, found, data, str(error), 422)
    return Redirect(f"/forums/{forum}", status_code=SEE_OTHER)


def _for_the_form(error: ProblemError | ServiceProblemError) -> bool:
    """Return whether somebody can put it right in the form, which is shown again."""
    code = error.code if isinstance(error, ProblemError) else error.problem.code
    return code == "invalid"


async def _members(
    request: Req, who: Principal, forums: ForumDesk, forum: str, *, search: str = "",
    cursor: str | None = None, form: MemberForm | None = None, error: str | None = None,
    removed: Member | None = None,
) -> Response[str]:  # fmt: skip
    found = _refuse_others(await forums.one(who, forum))
    return page(
        request, "members.html", 422 if error else 200,
        forum=found, members=await forums.members(who, forum, search, cursor, PAGE),
        form=form or MemberForm(), error=error, search=search, removed=removed,
    )  # fmt: skip


@get("/forums/{forum:str}/members", include_in_schema=False)
async def members_page(
    request: Req,
    who: Who,
    forums: At,
    forum: str,
    cursor: Cursor = None,
    search: Annotated[str, QueryParameter(name="search", max_length=200)] = "",
) -> Response[str]:
    return await _members(request, who, forums, forum, search=search, cursor=cursor)


@post("/forums/{forum:str}/members", include_in_schema=False)
async def add_member(
    request: Req, who: Who, forums: At, forum: str, data: Annotated[MemberForm, Form]
) -> Response[Any]:
    try:
        await forums.add_member(who, forum, data.email, data.name, data.delivery, data.role or None)
    except (ProblemError, ServiceProblemError) as error:
        if not _for_the_form(error):
            raise
        return await _members(request, who, forums, forum, form=data, error=str(error))
    return Redirect(f"/forums/{forum}/members", status_code=SEE_OTHER)


@post("/forums/{forum:str}/members/{member:str}", include_in_schema=False)
async def change_member(
    who: Who, forums: At, forum: str, member: str, data: Annotated[ChangeForm, Form]
) -> Redirect:
    await forums.change_member(who, forum, member, data.role, data.delivery)
    return Redirect(f"/forums/{forum}/members", status_code=SEE_OTHER)


@post("/forums/{forum:str}/members/{member:str}/remove", include_in_schema=False, status_code=200)
async def remove_member(
    request: Req, who: Who, forums: At, forum: str, member: str
) -> Response[str]:
    # The page itself, and no redirect to it: only here is known whom an undo brings back.
    removed = await forums.remove_member(who, forum, member)
    return await _members(request, who, forums, forum, removed=removed)


@post("/posts/{post:str}/state", include_in_schema=False)
async def moderate(who: Who, forums: At, post: str, data: Annotated[PostForm, Form]) -> Redirect:
    changed = await forums.moderate(who, post, data.state)
    return Redirect(f"/topics/{changed.topic}#{changed.id}", status_code=SEE_OTHER)


@post("/topics/{topic:str}/closed", include_in_schema=False)
async def close(who: Who, forums: At, topic: str, data: Annotated[TopicForm, Form]) -> Redirect:
    changed = await forums.close(who, topic, closed=data.closed)
    return Redirect(f"/topics/{changed.id}", status_code=SEE_OTHER)


def router() -> Router:
    """Return the pages."""
    handlers: list[Any] = [
        my_forums_page, save_deliveries, join, leave, settings_page, save_settings, members_page,
        add_member, change_member, remove_member, moderate, close,
    ]  # fmt: skip
    return Router("/", route_handlers=handlers)
