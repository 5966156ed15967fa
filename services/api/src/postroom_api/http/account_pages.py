"""The pages for accounts, for administrators of all of them."""

from typing import Annotated, Any

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from postroom_api.domain.values import Principal
from postroom_api.http.pages import SEE_OTHER, Form, Req, Who, page
from postroom_api.http.people_pages import FOR_THE_FORM
from postroom_api.http.problems import ProblemError
from postroom_api.http.staff import Staff

At = NamedDependency[Staff]


class AccountForm(msgspec.Struct):
    """The name of an account."""

    name: str = ""


async def _list(
    request: Req, who: Principal, staff: Staff, form: AccountForm, error: ProblemError | None
) -> Response[str]:
    return page(
        request,
        "accounts.html",
        error.status if error else 200,
        accounts=await staff.accounts(who),
        form=form,
        error=error.detail if error else None,
    )


@get("/accounts", include_in_schema=False)
async def accounts_page(request: Req, who: Who, staff: At) -> Response[str]:
    return await _list(request, who, staff, AccountForm(), None)


@post("/accounts", include_in_schema=False)
async def add_account(
    request: Req, who: Who, staff: At, data: Annotated[AccountForm, Form]
) -> Response[Any]:
    try:
        await staff.add_account(who, data.name)
    except ProblemError as error:
        if error.status not in FOR_THE_FORM:
            raise
        return await _list(request, who, staff, data, error)
    return Redirect("/accounts", status_code=SEE_OTHER)


async def _one(
    request: Req, who: Principal, staff: Staff, account: str, error: ProblemError | None
) -> Response[str]:
    return page(
        request,
        "account.html",
        error.status if error else 200,
        account=await staff.account(who, account),
        error=error.detail if error else None,
    )


@get("/accounts/{account:str}", include_in_schema=False)
async def account_page(request: Req, who: Who, staff: At, account: str) -> Response[str]:
    return await _one(request, who, staff, account, None)


@post("/accounts/{account:str}", include_in_schema=False)
async def rename_account(
    request: Req, who: Who, staff: At, account: str, data: Annotated[AccountForm, Form]
) -> Response[Any]:
    try:
        await staff.rename_account(who, account, data.name)
    except ProblemError as error:
        if error.status not in FOR_THE_FORM:
            raise
        return await _one(request, who, staff, account, error)
    return Redirect(f"/accounts/{account}", status_code=SEE_OTHER)


@post("/accounts/{account:str}/remove", include_in_schema=False)
async def remove_account(
    request: Req, who: Who, staff: At, account: str, data: Annotated[AccountForm, Form]
) -> Response[Any]:
    try:
        await staff.remove_account(who, account, data.name)
    except ProblemError as error:
        if error.status not in FOR_THE_FORM:
            raise
        return await _one(request, who, staff, account, error)
    return Redirect("/accounts", status_code=SEE_OTHER)


@post("/accounts/{account:str}/enter", include_in_schema=False)
async def enter_account(who: Who, staff: At, account: str) -> Redirect:
    await staff.enter_account(who, account)
    return Redirect("/", status_code=SEE_OTHER)


@post("/accounts/leave", include_in_schema=False)
async def leave_account(who: Who, staff: At) -> Redirect:
    await staff.enter_account(who, None)
    return Redirect("/accounts", status_code=SEE_OTHER)


def router() -> Router:
    """Return the pages."""
    handlers: list[Any] = [
        accounts_page, add_account, account_page, rename_account, remove_account, enter_account,
        leave_account,
    ]  # fmt: skip
    return Router("/", route_handlers=handlers)
