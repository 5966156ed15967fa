"""The page that takes rules in and out."""

from typing import Annotated, Any

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from postroom_api.domain.rules_elsewhere import FORMATS_IN, FORMATS_OUT
from postroom_api.domain.values import Principal
from postroom_api.http.office import Office
from postroom_api.http.pages import Form, Req, Who, page
from postroom_api.http.people_pages import FOR_THE_FORM
from postroom_api.http.problems import ProblemError
from postroom_api.http.rules_elsewhere import NewRules, RulesIn, RulesOut, rules_in, rules_out

Of = NamedDependency[Office]


class FileForm(msgspec.Struct):
    """A file of rules, pasted; without `make` it is only looked at."""

    format: str = "json"
    text: str = ""
    make: str = ""


async def _shown(
    request: Req, form: FileForm, out: RulesOut | None, found: RulesIn | None = None,
    error: ProblemError | None = None,
) -> Response[str]:  # fmt: skip
    return page(
        request,
        "rules_elsewhere.html",
        error.status if error else 200,
        form=form,
        out=out,
        found=found,
        error=error.detail if error else None,
    )


@get("/rules/elsewhere", include_in_schema=False)
async def rules_elsewhere(
    request: Req,
    who: Who,
    office: Of,
    form: Annotated[str, QueryParameter(name="format")] = "",
) -> Response[str]:
    wanted = next((one for one in FORMATS_OUT if one == form), None)
    out = await rules_out(who, office, wanted, None) if wanted else None  # type: ignore[arg-type]  # one of them
    return await _shown(request, FileForm(), out)


async def _taken(who: Principal, office: Office, data: FileForm) -> RulesIn:
    form: Any = data.format if data.format in FORMATS_IN else "json"
    return await rules_in(who, office, NewRules(form, data.text, None, dry_run=not data.make))


@post("/rules/elsewhere", include_in_schema=False, status_code=200)
async def take_in(
    request: Req, who: Who, office: Of, data: Annotated[FileForm, Form]
) -> Response[Any]:
    try:
        found = await _taken(who, office, data)
    except ProblemError as error:
        if error.status not in FOR_THE_FORM:
            raise
        return await _shown(request, data, None, None, error)
    return await _shown(request, data, None, found)


def router() -> Router:
    """Return the routes."""
    return Router("", route_handlers=[rules_elsewhere, take_in])
