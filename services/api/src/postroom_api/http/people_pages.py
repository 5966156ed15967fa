"""The pages of those who manage: users, orphaned mailboxes, everybody's tokens, the audit."""

from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Redirect

from postroom_api.domain.people import UserChange
from postroom_api.domain.values import Principal, Role
from postroom_api.http.pages import PAGE, SEE_OTHER, Cursor, Form, Req, Who, page
from postroom_api.http.problems import ProblemError
from postroom_api.http.staff import Staff
from postroom_api.postgres.audit import AuditFilter

At = NamedDependency[Staff]
FOR_THE_FORM = frozenset({409, 422})
"""What somebody can put right in the form, which is shown again."""


class InviteForm(msgspec.Struct):
    """The form for somebody new."""

    email: str = ""
    name: str = ""
    role: Role = "user"
    send: str = ""


class SendForm(msgspec.Struct):
    """The buttons that make a link."""

    send: str = ""


class UserForm(msgspec.Struct):
    """The form that changes somebody."""

    name: str = ""
    role: Role = "user"


class StateForm(msgspec.Struct):
    """The button that closes or opens."""

    state: Literal["active", "deactivated"]


class HandOverForm(msgspec.Struct):
    """Who gets a mailbox."""

    mailbox: str = ""
    owner: str = ""
    resume: str = ""


async def _users(
    request: Req, who: Principal, staff: Staff, search: str, cursor: str | None,
    form: InviteForm, error: ProblemError | None,
) -> Response[str]:  # fmt: skip
    return page(
        request,
        "users.html",
        error.status if error else 200,
        page=await staff.users(who, search, cursor, PAGE),
        orphans=await staff.orphans(who),
        search=search,
        query=f"&{urlencode({'search': search})}" if search else "",
        form=form,
        error=error.detail if error else None,
    )


@get("/users", include_in_schema=False)
async def users_page(
    request: Req,
    who: Who,
    staff: At,
    cursor: Cursor = None,
    search: Annotated[str, QueryParameter(name="search")] = "",
) -> Response[str]:
    return await _users(request, who, staff, search, cursor, InviteForm(), None)


@post("/users", include_in_schema=False, status_code=200)
async def invite(
    request: Req, who: Who, staff: At, data: Annotated[InviteForm, Form]
) -> Response[str]:
    try:
        made = await staff.invite(who, data.email, data.name, data.role, send=bool(data.send))
    except ProblemError as error:
        if error.status not in FOR_THE_FORM:
            raise
        return await _users(request, who, staff, "", None, data, error)
    return page(request, "user_link.html", made=made)


async def _user(
    request: Req, who: Principal, staff: Staff, user: str, error: ProblemError | None
) -> Response[str]:
    return page(
        request,
        "user.html",
        error.status if error else 200,
        user=await staff.user(who, user),
        error=error.detail if error else None,
    )


@get("/users/{user:str}", include_in_schema=False)
async def user_page(request: Req, who: Who, staff: At, user: str) -> Response[str]:
    return await _user(request, who, staff, user, None)


async def _change(
    request: Req, who: Principal, staff: Staff, user: str, change: UserChange
) -> Response[Any]:
    try:
        await staff.change_user(who, user, change)
    except ProblemError as error:
        if error.status not in FOR_THE_FORM:
            raise
        return await _user(request, who, staff, user, error)
    return Redirect(f"/users/{user}", status_code=SEE_OTHER)


@post("/users/{user:str}", include_in_schema=False)
async def change_user(
    request: Req, who: Who, staff: At, user: str, data: Annotated[UserForm, Form]
) -> Response[Any]:
    change = UserChange(name=data.name, role=data.role)
    return await _change(request, who, staff, user, change)


@post("/users/{user:str}/state", include_in_schema=False)
async def change_state(
    request: Req, who: Who, staff: At, user: str, data: Annotated[StateForm, Form]
) -> Response[Any]:
    return await _change(request, who, staff, user, UserChange(state=data.state))


@post("/users/{user:str}/link", include_in_schema=False, status_code=200)
async def make_link(
    request: Req, who: Who, staff: At, user: str, data: Annotated[SendForm, Form]
) -> Response[str]:
    made = await staff.new_link(who, user, send=bool(data.send))
    return page(request, "user_link.html", made=made)


@post("/users/{user:str}/second-factor", include_in_schema=False)
async def reset_second_factor(who: Who, staff: At, user: str) -> Redirect:
    await staff.reset_second_factor(who, user)
    return Redirect(f"/users/{user}", status_code=SEE_OTHER)


async def _orphans(
    request: Req, who: Principal, staff: Staff, error: ProblemError | None
) -> Response[str]:
    return page(
        request,
        "orphans.html",
        error.status if error else 200,
        orphans=await staff.orphans(who),
        users=await staff.choices(who),
        error=error.detail if error else None,
    )


@get("/users/orphaned", include_in_schema=False)
async def orphans_page(request: Req, who: Who, staff: At) -> Response[str]:
    return await _orphans(request, who, staff, None)


@post("/users/orphaned", include_in_schema=False)
async def hand_over(
    request: Req, who: Who, staff: At, data: Annotated[HandOverForm, Form]
) -> Response[Any]:
    try:
        await staff.hand_over(who, data.mailbox, data.owner, resume=bool(data.resume))
    except ProblemError as error:
        if error.status not in FOR_THE_FORM:
            raise
        return await _orphans(request, who, staff, error)
    return Redirect("/users/orphaned", status_code=SEE_OTHER)


@get("/tokens", include_in_schema=False)
async def tokens_page(request: Req, who: Who, staff: At) -> Response[str]:
    return page(request, "tokens.html", tokens=await staff.tokens(who))


@post("/tokens/{token:str}/revoke", include_in_schema=False)
async def revoke_token(who: Who, staff: At, token: str) -> Redirect:
    await staff.revoke_token(who, token)
    return Redirect("/tokens", status_code=SEE_OTHER)


@get("/audit", include_in_schema=False)
async def audit_page(
    request: Req,
    who: Who,
    staff: At,
    cursor: Cursor = None,
    person: Annotated[str, QueryParameter(name="person")] = "",
    action: Annotated[str, QueryParameter(name="action")] = "",
    about: Annotated[str, QueryParameter(name="about")] = "",
) -> Response[str]:
    wanted = AuditFilter(person, action, about)
    found = await staff.audit(who, wanted, cursor, PAGE)
    plain = {name: value for name, value in msgspec.structs.asdict(wanted).items() if value}
    query = f"&{urlencode(plain)}" if plain else ""
    return page(request, "audit.html", page=found, wanted=wanted, query=query)


def router() -> Router:
    """Return the pages."""
    handlers: list[Any] = [
        users_page, invite, user_page, change_user, change_state, make_link, reset_second_factor,
        orphans_page, hand_over, tokens_page, revoke_token, audit_page,
    ]  # fmt: skip
    return Router("/", route_handlers=handlers)
