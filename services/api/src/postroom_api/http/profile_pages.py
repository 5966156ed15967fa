"""The pages of everybody: profile, password, second factor, tokens, sessions."""

from typing import Annotated, Any

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect
from markupsafe import Markup

from postroom_api.domain import scopes, second_factor
from postroom_api.domain.values import Principal
from postroom_api.http.own_desk import OwnDesk
from postroom_api.http.pages import SEE_OTHER, Form, Req, Who, page
from postroom_api.http.people_pages import FOR_THE_FORM
from postroom_api.http.problems import ProblemError, invalid
from postroom_api.http.submission import Submission

At = NamedDependency[OwnDesk]
Sub = NamedDependency[Submission]
TOO_MANY = 429
SHOWN = FOR_THE_FORM | {TOO_MANY}
DAYS = (30, 90, 365)


class ProfileForm(msgspec.Struct):
    """Name and language."""

    name: str = ""
    locale: str = ""


class PasswordForm(msgspec.Struct):
    """The current password, and a new one twice."""

    current: str = ""
    password: str = ""
    again: str = ""


class CodeForm(msgspec.Struct):
    """A code of the authenticator, or a recovery code."""

    code: str = ""


async def _profile(
    request: Req, who: Principal, own: OwnDesk,
    errors: dict[str, str] | None = None, status: int = 200,
) -> Response[str]:  # fmt: skip
    return page(
        request,
        "profile.html",
        status,
        me=await own.me(who),
        tokens=await own.tokens(who),
        sessions=await own.sessions(who),
        scopes=[one for one in scopes.SCOPES if not scopes.refused([one], who.role, None)],
        meanings=scopes.MEANINGS,
        days=DAYS,
        errors=errors or {},
    )


async def _again(
    request: Req, who: Principal, own: OwnDesk, section: str, error: ProblemError
) -> Response[str]:
    if error.status not in SHOWN:
        raise error
    return await _profile(request, who, own, {section: error.detail}, error.status)


def _back(section: str = "") -> Redirect:
    return Redirect(f"/profile{section}", status_code=SEE_OTHER)


@get("/profile", include_in_schema=False)
async def profile_page(request: Req, who: Who, own: At) -> Response[str]:
    return await _profile(request, who, own)


@post("/profile", include_in_schema=False)
async def change_profile(
    request: Req, who: Who, own: At, data: Annotated[ProfileForm, Form]
) -> Response[Any]:
    try:
        await own.change_profile(who, data.name, data.locale)
    except ProblemError as error:
        return await _again(request, who, own, "profile", error)
    return _back()


@post("/profile/password", include_in_schema=False)
async def change_password(
    request: Req, who: Who, own: At, data: Annotated[PasswordForm, Form]
) -> Response[Any]:
    try:
        if data.password != data.again:
            raise invalid("again", "differs", "The two passwords differ: type it twice the same.")
        await own.change_password(who, data.current, data.password)
    except ProblemError as error:
        return await _again(request, who, own, "password", error)
    return _back("#password")


@post("/profile/second-factor", include_in_schema=False)
async def begin_factor(who: Who, own: At) -> Redirect:
    await own.factors.begin(who)
    return _back("/second-factor")


async def _enrol(
    request: Req, who: Principal, own: OwnDesk, error: ProblemError | None
) -> Response[Any]:
    begun = await own.factors.begun(who)
    if begun is None:
        return _back("#second-factor")
    drawing = Markup(second_factor.picture(begun.address))  # noqa: S704 - our own drawing
    return page(
        request,
        "second_factor.html",
        error.status if error else 200,
        begun=begun,
        drawing=drawing,
        error=error.detail if error else None,
    )


@get("/profile/second-factor", include_in_schema=False)
async def factor_page(request: Req, who: Who, own: At) -> Response[Any]:
    return await _enrol(request, who, own, None)


@post("/profile/second-factor/confirm", include_in_schema=False, status_code=200)
async def confirm_factor(
    request: Req, who: Who, own: At, data: Annotated[CodeForm, Form]
) -> Response[Any]:
    try:
        codes = await own.factors.confirm(who, data.code)
    except ProblemError as error:
        if error.status not in SHOWN:
            raise
        return await _enrol(request, who, own, error)
    return page(request, "recovery_codes.html", codes=codes)


@post("/profile/second-factor/codes", include_in_schema=False, status_code=200)
async def renew_codes(
    request: Req, who: Who, own: At, data: Annotated[CodeForm, Form]
) -> Response[Any]:
    try:
        codes = await own.factors.renew_codes(who, data.code)
    except ProblemError as error:
        return await _again(request, who, own, "factor", error)
    return page(request, "recovery_codes.html", codes=codes)


@post("/profile/second-factor/remove", include_in_schema=False)
async def remove_factor(
    request: Req, who: Who, own: At, data: Annotated[CodeForm, Form]
) -> Response[Any]:
    try:
        await own.factors.remove(who, data.code)
    except ProblemError as error:
        return await _again(request, who, own, "factor", error)
    return _back("#second-factor")


@post("/profile/tokens", include_in_schema=False, status_code=200)
async def add_token(request: Req, who: Who, own: At) -> Response[Any]:
    fields = await request.form()
    days = str(fields.get("days", ""))
    try:
        made = await own.add_token(
            who,
            str(fields.get("name", "")),
            [str(one) for one in fields.getall("scope", [])],
            int(days) if days.isdigit() else None,
        )
    except ProblemError as error:
        return await _again(request, who, own, "tokens", error)
    return page(request, "token.html", made=made)


@post("/profile/tokens/{token:str}/revoke", include_in_schema=False)
async def revoke_token(who: Who, own: At, token: str) -> Redirect:
    await own.revoke_token(who, token)
    return _back("#tokens")


@get("/profile/mail-programs", include_in_schema=False)
async def submission_page(request: Req, who: Who, submission: Sub) -> Response[str]:
    return await _submission(request, who, submission, None)


async def _submission(
    request: Req, who: Principal, submission: Submission, error: ProblemError | None
) -> Response[str]:
    return page(
        request,
        "submission.html",
        error.status if error else 200,
        passwords=await submission.own(who),
        error=error.detail if error else None,
        made=None,
    )


@post("/profile/mail-programs", include_in_schema=False, status_code=200)
async def add_submission_password(request: Req, who: Who, submission: Sub) -> Response[str]:
    try:
        made = await submission.add(who, str((await request.form()).get("name", ""))[:100])
    except ProblemError as error:
        if error.status not in SHOWN:
            raise
        return await _submission(request, who, submission, error)
    passwords = await submission.own(who)
    return page(request, "submission.html", passwords=passwords, made=made, error=None)


@post("/profile/mail-programs/{password:str}/remove", include_in_schema=False)
async def remove_submission_password(who: Who, submission: Sub, password: str) -> Redirect:
    await submission.remove(who, password)
    return _back("/mail-programs")


@post("/profile/sessions/end-others", include_in_schema=False)
async def end_others(who: Who, own: At) -> Redirect:
    await own.end_other_sessions(who)
    return _back("#sessions")


@post("/profile/sessions/{session:str}/end", include_in_schema=False)
async def end_session(who: Who, own: At, session: str) -> Redirect:
    await own.end_session(who, session)
    return _back("#sessions")


def router() -> Router:
    """Return the pages."""
    handlers: list[Any] = [
        profile_page, change_profile, change_password, begin_factor, factor_page, confirm_factor,
        renew_codes, remove_factor, add_token, revoke_token, end_others, end_session,
        submission_page, add_submission_password, remove_submission_password,
    ]  # fmt: skip
    return Router("/", route_handlers=handlers)
