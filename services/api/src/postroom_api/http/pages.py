"""The pages: readable and usable without JavaScript, a stable URL for everything."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import MediaType, Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, QueryParameter
from litestar.response import Redirect

from postroom_api.domain.values import Principal
from postroom_api.http.api import raw_answer
from postroom_api.http.desk import Desk
from postroom_api.http.forum_desk import ForumDesk
from postroom_api.http.office import Office
from postroom_api.http.problems import PROBLEMS, ProblemError
from postroom_api.ports import ServiceProblemError, TakenError
from postroom_contract.rules import PostToForum
from postroom_runtime.errors import UnavailableError

Who = NamedDependency[Principal]
At = NamedDependency[Desk]
Of = NamedDependency[Office]
Run = NamedDependency[ForumDesk]
Req = Request[Any, Any, Any]
PAGE = 50
SEE_OTHER: Literal[303] = 303
Cursor = Annotated[str | None, QueryParameter(name="cursor")]


class ForumForm(msgspec.Struct):
    """The form for a new forum."""

    name: str = ""
    address: str = ""


class TopicForm(msgspec.Struct):
    """The form for a new topic."""

    subject: str = ""
    text: str = ""


class ReplyForm(msgspec.Struct):
    """The reply box."""

    text: str = ""
    parent: str = ""


URL_ENCODED = RequestEncodingType.URL_ENCODED
Form = Body(media_type=URL_ENCODED)


def page(request: Req, template: str, status: int = 200, **values: Any) -> Response[str]:
    """Return a rendered page."""
    html = request.app.state.pages.render(template, request, **values)
    return Response(html, media_type=MediaType.HTML, status_code=status)


@get("/forums", include_in_schema=False)
async def forums_page(request: Req, who: Who, desk: At) -> Response[str]:
    return page(request, "forums.html", forums=await desk.forums(who), form=ForumForm(), error=None)


@post("/forums", include_in_schema=False)
async def create_forum(
    request: Req, who: Who, desk: At, data: Annotated[ForumForm, Form]
) -> Response[Any]:
    try:
        made = await desk.create_forum(who, data.name, data.address)
    except (ProblemError, TakenError, ServiceProblemError) as error:
        if isinstance(error, ProblemError) and error.status != 422:  # noqa: PLR2004 - the form's own
            raise
        return page(
            request, "forums.html", 422, forums=await desk.forums(who), form=data, error=str(error)
        )
    return Redirect(f"/forums/{made.id}", status_code=SEE_OTHER)


@get("/forums/{forum:str}", include_in_schema=False)
async def forum_page(
    request: Req, who: Who, desk: At, forums: Run, forum: str, cursor: Cursor = None
) -> Response[str]:
    found = await forums.one(who, forum)
    topics = await desk.topics(who, forum, cursor, PAGE)
    return page(request, "forum.html", forum=found, topics=topics)


@get("/forums/{forum:str}/new", include_in_schema=False)
async def new_topic_page(request: Req, who: Who, forums: Run, forum: str) -> Response[str]:
    found = await forums.one(who, forum)
    return page(request, "new_topic.html", forum=found, form=TopicForm(), error=None)


@post("/forums/{forum:str}/new", include_in_schema=False)
async def new_topic(
    request: Req, who: Who, desk: At, forums: Run, forum: str, data: Annotated[TopicForm, Form]
) -> Response[Any]:
    try:
        written = await desk.begin_topic(who, forum, data.subject, data.text)
    except (ProblemError, ServiceProblemError, UnavailableError) as error:
        # What somebody has written is never thrown away: the form comes back with it.
        if isinstance(error, ServiceProblemError) and error.problem.code == "not_found":
            raise
        status = 503 if isinstance(error, UnavailableError) else 422
        found = await forums.one(who, forum) if status != 503 else None  # noqa: PLR2004
        return page(request, "new_topic.html", status, forum=found, form=data, error=_words(error))
    return Redirect(f"/topics/{written.topic}", status_code=SEE_OTHER)


def _words(error: Exception) -> str:
    if isinstance(error, UnavailableError):
        return (
            "The forum service does not answer at the moment. Your text is kept here: send again."
        )
    return str(error)


@get("/topics/{topic:str}", include_in_schema=False)
async def topic_page(
    request: Req, who: Who, desk: At, topic: str, cursor: Cursor = None
) -> Response[Any]:
    found = await desk.posts(who, topic, cursor, PAGE)
    if found.topic.id != topic:
        return Redirect(f"/topics/{found.topic.id}", status_code=301)
    return page(request, "topic.html", page=found, form=ReplyForm(), error=None)


@post("/topics/{topic:str}", include_in_schema=False)
async def reply(
    request: Req, who: Who, desk: At, topic: str, data: Annotated[ReplyForm, Form]
) -> Response[Any]:
    try:
        written = await desk.reply(who, topic, data.text, data.parent or None)
    except ProblemError as error:
        found = await desk.posts(who, topic, None, PAGE)
        return page(request, "topic.html", 422, page=found, form=data, error=str(error))
    except UnavailableError as error:
        return page(request, "unsent.html", 503, topic=topic, form=data, error=_words(error))
    return Redirect(f"/topics/{written.topic}#{written.id}", status_code=SEE_OTHER)


@post("/messages/{message:str}/restore", include_in_schema=False)
async def restore_message(who: Who, desk: At, message: str) -> Redirect:
    await desk.restore(who, message)
    return Redirect(f"/messages/{message}", status_code=SEE_OTHER)


@get("/messages/{message:str}", include_in_schema=False)
async def message_page(request: Req, who: Who, desk: At, message: str) -> Response[str]:
    found = await desk.message(who, message)
    actions = [action for action in found.event.decision.actions if isinstance(action, PostToForum)]
    return page(
        request,
        "message.html",
        row=found.row,
        event=found.event,
        decision=found.event.decision,
        posts=actions,
        managed=found.managed,
    )


@get("/messages/{message:str}/raw", include_in_schema=False)
async def raw_message(who: Who, desk: At, message: str) -> Response[bytes]:
    return raw_answer(await desk.raw(who, message), message)


@get("/outbox", include_in_schema=False)
async def outbox_page(request: Req, who: Who, desk: At, cursor: Cursor = None) -> Response[str]:
    found = await desk.deliveries(who, cursor, PAGE)
    return page(request, "outbox.html", page=found)


@get("/outbox/{serial:int}", include_in_schema=False)
async def copy_page(request: Req, who: Who, desk: At, serial: int) -> Response[str]:
    copy = await desk.copy(who, serial)
    text = copy.raw[:200_000].decode("utf-8", "replace")
    return page(request, "copy.html", copy=copy, text=text, serial=serial)


@get("/set-aside", include_in_schema=False)
async def set_aside_page(request: Req, who: Who, desk: At, cursor: Cursor = None) -> Response[str]:
    found = await desk.set_aside(who, cursor, PAGE)
    return page(request, "set_aside.html", page=found)


@post("/set-aside/{entry:str}/discard", include_in_schema=False)
async def discard(who: Who, desk: At, entry: str) -> Redirect:
    await desk.discard(who, entry)
    return Redirect("/set-aside", status_code=SEE_OTHER)


@post("/set-aside/{entry:str}/redo", include_in_schema=False)
async def redo(who: Who, desk: At, entry: str) -> Redirect:
    await desk.redo(who, entry)
    return Redirect("/set-aside", status_code=SEE_OTHER)


@get("/docs", exclude_from_auth=True, include_in_schema=False)
async def docs_page(request: Req) -> Response[str]:
    return page(request, "docs.html")


@get("/docs/problems/{code:str}", exclude_from_auth=True, include_in_schema=False)
async def problem_page(request: Req, code: str) -> Response[str]:
    if code not in PROBLEMS:
        raise ProblemError(404, "not_found", "There is no such problem type.")
    return page(request, "problem_type.html", code=code, meaning=PROBLEMS[code])


@get("/unsubscribe/{token:str}", exclude_from_auth=True, include_in_schema=False)
async def unsubscribe_page(request: Req, desk: At, token: str) -> Response[str]:
    member = await desk.find_leaver(token)
    return page(request, "unsubscribe.html", member=member, done=member.state == "left")


@post("/unsubscribe/{token:str}", exclude_from_auth=True, include_in_schema=False, status_code=200)
async def unsubscribe(request: Req, desk: At, token: str) -> Response[str]:
    # RFC 8058: a POST from the mail program, without cookie and without a question.
    member = await desk.leave(token)
    return page(request, "unsubscribe.html", member=member, done=True)


def router() -> Router:
    """Return the pages."""
    handlers: list[Any] = [
        forums_page, create_forum, forum_page, new_topic_page, new_topic, topic_page, reply,
        restore_message, message_page,
        raw_message, outbox_page, copy_page, set_aside_page, redo, discard, docs_page, problem_page,
        unsubscribe_page, unsubscribe,
    ]  # fmt: skip
    return Router("/", route_handlers=handlers)
