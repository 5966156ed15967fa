"""The pages before one is in: signing in, the second step, and one-time links.

Law: none of them is reached by a session, so each that acts asks where the form came from itself.
"""

from typing import Annotated, Any, Final
from urllib.parse import quote, urlsplit

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Redirect

from postroom_api.http.cookies import cookie
from postroom_api.http.door import Door
from postroom_api.http.pages import SEE_OTHER, Form, Req, Who, page
from postroom_api.http.problems import ProblemError
from postroom_api.http.security import COOKIE, refuse_foreign, visit_of
from postroom_api.postgres.people import CODE_TIME, SESSION_DAYS, SignedIn

STEP_COOKIE: Final = "postroom_step"
"""Of a session that waits for its code."""
AWAY_COOKIE: Final = "postroom_away"
"""Of somebody who is proving elsewhere who they are."""
STEP_PATH: Final = "/sign-in"
NOT_SIGNED_IN: Final = 401
NOT_FOUND: Final = 404
In = NamedDependency[Door]


class SignIn(msgspec.Struct):
    """The sign-in form."""

    email: str = ""
    password: str = ""
    next: str = "/"


class CodeForm(msgspec.Struct):
    """The form of the second step."""

    code: str = ""
    next: str = "/"


class WelcomeForm(msgspec.Struct):
    """The form behind a one-time link."""

    name: str = ""
    password: str = ""
    again: str = ""


def local(path: str) -> str:
    """Return where to go after signing in: only ever a place of this site."""
    parts = urlsplit(path)
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc
    return path if safe else "/"


def enter(request: Req, signed_in: SignedIn, where: str) -> Redirect:
    """Return the way on: in, or to the second step."""
    if signed_in.awaiting_code:
        seconds = CODE_TIME.total_seconds()
        step = cookie(request, STEP_COOKIE, signed_in.secret, seconds, STEP_PATH)
        to = f"{STEP_PATH}/code?next={quote(local(where))}"
        return Redirect(to, status_code=SEE_OTHER, cookies=[step])
    cookies = [
        cookie(request, COOKIE, signed_in.secret, SESSION_DAYS * 86_400, "/"),
        cookie(request, STEP_COOKIE, "", 0, STEP_PATH),
    ]
    return Redirect(local(where), status_code=SEE_OTHER, cookies=cookies)


def _door(
    request: Req, door: Door, status: int, where: str, email: str, error: str | None
) -> Response[str]:
    return page(
        request,
        "sign_in.html",
        status,
        next=local(where),
        email=email,
        error=error,
        elsewhere=door.elsewhere.name if door.elsewhere else None,
    )


@get("/sign-in", exclude_from_auth=True, include_in_schema=False)
async def sign_in_page(
    request: Req,
    door: In,
    next_path: Annotated[str, QueryParameter(name="next")] = "/",
    email: Annotated[str, QueryParameter(name="email")] = "",
) -> Response[str]:
    return _door(request, door, 200, next_path, email, None)


@post("/sign-in", exclude_from_auth=True, include_in_schema=False)
async def sign_in(request: Req, door: In, data: Annotated[SignIn, Form]) -> Response[Any]:
    refuse_foreign(request)
    try:
        found = await door.sign_in(data.email, data.password, visit_of(request))
    except ProblemError as error:
        return _door(request, door, error.status, data.next, data.email, error.detail)
    return enter(request, found, data.next)


@get("/sign-in/code", exclude_from_auth=True, include_in_schema=False)
async def code_page(
    request: Req, door: In, next_path: Annotated[str, QueryParameter(name="next")] = "/"
) -> Response[Any]:
    if await door.awaiting(request.cookies.get(STEP_COOKIE, "")) is None:
        return Redirect(f"{STEP_PATH}?next={quote(local(next_path))}", status_code=SEE_OTHER)
    return page(request, "sign_in_code.html", next=local(next_path), error=None)


@post("/sign-in/code", exclude_from_auth=True, include_in_schema=False)
async def give_code(request: Req, door: In, data: Annotated[CodeForm, Form]) -> Response[Any]:
    refuse_foreign(request)
    secret = request.cookies.get(STEP_COOKIE, "")
    try:
        found = await door.give_code(secret, data.code, visit_of(request))
    except ProblemError as error:
        if error.status == NOT_SIGNED_IN:
            return _door(request, door, NOT_SIGNED_IN, data.next, "", error.detail)
        where = local(data.next)
        return page(request, "sign_in_code.html", error.status, next=where, error=error.detail)
    return enter(request, found, data.next)


@get("/sign-in/oidc", exclude_from_auth=True, include_in_schema=False)
async def leave(
    request: Req, door: In, next_path: Annotated[str, QueryParameter(name="next")] = "/"
) -> Response[Any]:
    if door.elsewhere is None:
        raise ProblemError(NOT_FOUND, "not_found", "Nobody vouches for anybody here.")
    try:
        address, sealed = await door.elsewhere.leave(local(next_path))
    except ProblemError as error:
        return _door(request, door, error.status, next_path, "", error.detail)
    kept = cookie(request, AWAY_COOKIE, sealed, door.elsewhere.seconds, STEP_PATH)
    return Redirect(address, status_code=SEE_OTHER, cookies=[kept])


@get("/sign-in/oidc/back", exclude_from_auth=True, include_in_schema=False)
async def come_back(
    request: Req,
    door: In,
    given_state: Annotated[str, QueryParameter(name="state")] = "",
    code: Annotated[str, QueryParameter(name="code")] = "",
) -> Response[Any]:
    sealed = request.cookies.get(AWAY_COOKIE, "")
    gone = cookie(request, AWAY_COOKIE, "", 0, STEP_PATH)
    answer: Response[Any]
    try:
        back = await door.come_back(sealed, given_state, code, visit_of(request))
    except ProblemError as error:
        answer = _door(request, door, error.status, "/", "", error.detail)
    else:
        answer = enter(request, back.signed_in, back.next)
    answer.cookies.append(gone)
    return answer


@post("/sign-out", include_in_schema=False)
async def sign_out(request: Req, who: Who) -> Redirect:
    await request.app.state.people.sign_out(who, request.cookies.get(COOKIE, ""))
    gone = cookie(request, COOKIE, "", 0, "/")
    return Redirect("/sign-in", status_code=SEE_OTHER, cookies=[gone])


@get("/welcome/{secret:str}", exclude_from_auth=True, include_in_schema=False)
async def welcome_page(request: Req, door: In, secret: str) -> Response[str]:
    link = await door.link(secret)
    return page(request, "welcome.html", link=link, form=WelcomeForm(name=link.name), error=None)


@post("/welcome/{secret:str}", exclude_from_auth=True, include_in_schema=False)
async def welcome(
    request: Req, door: In, secret: str, data: Annotated[WelcomeForm, Form]
) -> Response[Any]:
    refuse_foreign(request)
    link = await door.link(secret)
    try:
        used = await door.use_link(secret, data.name, data.password, data.again)
    except ProblemError as error:
        if error.status == NOT_FOUND:
            raise
        return page(request, "welcome.html", error.status, link=link, form=data, error=error.detail)
    return Redirect(f"/sign-in?email={quote(used.email)}", status_code=SEE_OTHER)


def router() -> Router:
    """Return the pages."""
    handlers: list[Any] = [
        sign_in_page, sign_in, code_page, give_code, leave, come_back, sign_out, welcome_page,
        welcome,
    ]  # fmt: skip
    return Router("/", route_handlers=handlers)
