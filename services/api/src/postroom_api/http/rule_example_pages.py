"""The page of the mails that are kept with a rule."""

from typing import Annotated, Any, Final

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from postroom_api.domain.rule_examples import MOST_BYTES, NAME
from postroom_api.domain.values import Principal
from postroom_api.http.office import Office
from postroom_api.http.pages import SEE_OTHER, Form, Of, Req, Who, page
from postroom_api.http.people_pages import FOR_THE_FORM
from postroom_api.http.problems import ProblemError, invalid
from postroom_api.http.rule_examples import ExampleDesk, NewExample
from postroom_contract.ruling import EXAMPLES

At = NamedDependency[ExampleDesk]
YES: Final = "yes"


class ExampleForm(msgspec.Struct):
    """A mail, pasted, or (`message`) one of the log."""

    raw: str = ""
    name: str = ""
    message: str = ""
    expects: str = YES


async def _shown(
    request: Req, who: Principal, office: Office, examples: ExampleDesk, rule: str,
    form: ExampleForm, error: ProblemError | None = None,
) -> Response[str]:  # fmt: skip
    found = await office.rule(who, rule)
    writing = who.administrator
    if not writing and found.scope != who.account:
        writing = (await office.mailbox(who, found.scope)).access != "read"
    return page(
        request,
        "rule_examples.html",
        error.status if error else 200,
        rule=found,
        examples=await examples.all(who, rule),
        writing=writing,
        most=EXAMPLES,
        form=form,
        error=error.detail if error else None,
    )


@get("/rules/{rule:str}/examples", include_in_schema=False)
async def examples_page(
    request: Req, who: Who, office: Of, examples: At, rule: str
) -> Response[str]:
    return await _shown(request, who, office, examples, rule, ExampleForm())


@post("/rules/{rule:str}/examples", include_in_schema=False)
async def keep_example(
    request: Req, who: Who, office: Of, examples: At, rule: str, data: Annotated[ExampleForm, Form]
) -> Response[Any]:
    try:
        await examples.add(who, rule, _new(data))
    except ProblemError as error:
        if error.status not in FOR_THE_FORM:
            raise
        return await _shown(request, who, office, examples, rule, data, error)
    return Redirect(f"/rules/{rule}/examples", status_code=SEE_OTHER)


def _new(data: ExampleForm) -> NewExample:
    if len(data.raw) > MOST_BYTES:
        raise invalid("raw", "too_large", f"An example may have {MOST_BYTES // 1024} KB.")
    return NewExample(
        expects=data.expects == YES,
        message=data.message or None,
        raw=None if data.message else data.raw,
        name=data.name[:NAME],
    )


@post("/rules/{rule:str}/examples/{example:str}/delete", include_in_schema=False)
async def delete_example(who: Who, examples: At, rule: str, example: str) -> Redirect:
    await examples.delete(who, rule, example)
    return Redirect(f"/rules/{rule}/examples", status_code=SEE_OTHER)


def router() -> Router:
    """Return the routes."""
    return Router("", route_handlers=[examples_page, keep_example, delete_example])
