"""The pages of webhooks."""

from typing import Annotated, Any

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from postroom_api.domain.values import Principal
from postroom_api.domain.webhooks import MadeWebhook
from postroom_api.http.pages import PAGE, SEE_OTHER, Cursor, Form, Req, Who, page
from postroom_api.http.people_pages import FOR_THE_FORM
from postroom_api.http.problems import ProblemError, not_found
from postroom_api.http.webhooks import WebhookDesk

At = NamedDependency[WebhookDesk]


class WebhookForm(msgspec.Struct):
    """The form for another webhook."""

    name: str = ""
    url: str = ""


async def _all(
    request: Req, who: Principal, webhooks: WebhookDesk, form: WebhookForm,
    error: ProblemError | None = None,
) -> Response[str]:  # fmt: skip
    return page(
        request,
        "webhooks.html",
        error.status if error else 200,
        webhooks=await webhooks.all(who),
        form=form,
        error=error.detail if error else None,
    )


async def _one(
    request: Req, who: Principal, webhooks: WebhookDesk, webhook: str, cursor: str | None,
    made: MadeWebhook | None = None,
) -> Response[str]:  # fmt: skip
    return page(
        request,
        "webhook.html",
        webhook=await webhooks.one(who, webhook),
        page=await webhooks.calls(who, webhook, None, cursor, PAGE),
        secret=made.secret if made else "",
    )


@get("/webhooks", include_in_schema=False)
async def webhooks_page(request: Req, who: Who, webhooks: At) -> Response[str]:
    return await _all(request, who, webhooks, WebhookForm())


@post("/webhooks", include_in_schema=False, status_code=200)
async def add(
    request: Req, who: Who, webhooks: At, data: Annotated[WebhookForm, Form]
) -> Response[Any]:
    try:
        made = await webhooks.add(who, data.name, data.url)
    except ProblemError as error:
        if error.status not in FOR_THE_FORM:
            raise
        return await _all(request, who, webhooks, data, error)
    return await _one(request, who, webhooks, made.webhook.id, None, made)


@get("/webhooks/{webhook:str}", include_in_schema=False)
async def webhook_page(
    request: Req, who: Who, webhooks: At, webhook: str, cursor: Cursor = None
) -> Response[str]:
    return await _one(request, who, webhooks, webhook, cursor)


@post("/webhooks/{webhook:str}/{what:str}", include_in_schema=False, status_code=200)
async def change(request: Req, who: Who, webhooks: At, webhook: str, what: str) -> Response[Any]:
    match what:
        case "on" | "off":
            await webhooks.change(who, webhook, active=what == "on")
        case "secret":
            made = await webhooks.new_secret(who, webhook)
            return await _one(request, who, webhooks, webhook, None, made)
        case "remove":
            await webhooks.remove(who, webhook)
            return Redirect("/webhooks", status_code=SEE_OTHER)
        case _:
            raise not_found("page")
    return Redirect(f"/webhooks/{webhook}", status_code=SEE_OTHER)


@post("/webhooks/{webhook:str}/calls/{call:str}/again", include_in_schema=False)
async def again(who: Who, webhooks: At, webhook: str, call: str) -> Redirect:
    await webhooks.call_again(who, webhook, call)
    return Redirect(f"/webhooks/{webhook}", status_code=SEE_OTHER)


def router() -> Router:
    """Return the routes."""
    return Router("", route_handlers=[webhooks_page, add, webhook_page, change, again])
