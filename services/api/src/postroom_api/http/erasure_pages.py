"""Erasing from the pages: one mail, or all of a person; the answer says what remains."""

from typing import Annotated, Any

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency

from postroom_api.domain.erasing import Erasure
from postroom_api.http.entries import require_administrator
from postroom_api.http.erasures import Erasures
from postroom_api.http.pages import Form, Req, Who, page
from postroom_api.http.problems import ProblemError

Erase = NamedDependency[Erasures]


class PersonForm(msgspec.Struct):
    """Whose mail is erased."""

    address: str = ""


def _shown(
    request: Req, found: Erasure | None, form: PersonForm, error: ProblemError | None = None
) -> Response[str]:
    status = error.status if error else 200
    words = error.detail if error else None
    return page(request, "erasures.html", status, found=found, form=form, error=words)


@post("/messages/{message:str}/erase", include_in_schema=False, status_code=200)
async def erase_message(request: Req, who: Who, erasures: Erase, message: str) -> Response[str]:
    return _shown(request, await erasures.mail(who, message), PersonForm())


@get("/erasures", include_in_schema=False)
async def erasures_page(request: Req, who: Who) -> Response[str]:
    require_administrator(who)
    return _shown(request, None, PersonForm())


@post("/erasures", include_in_schema=False, status_code=200)
async def erase_person(
    request: Req, who: Who, erasures: Erase, data: Annotated[PersonForm, Form]
) -> Response[str]:
    try:
        return _shown(request, await erasures.person(who, data.address.strip()), data)
    except ProblemError as error:
        if error.status != 422:  # noqa: PLR2004 - the form's own
            raise
        return _shown(request, None, data, error)


def router() -> Router:
    """Return the routes."""
    handlers: list[Any] = [erase_message, erasures_page, erase_person]
    return Router("", route_handlers=handlers)
