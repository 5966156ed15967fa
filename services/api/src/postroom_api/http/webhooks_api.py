"""`/api/v1/webhooks`: programs that rules tell of mails."""

from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from postroom_api.domain.values import PageOf, Principal
from postroom_api.domain.webhooks import CallState, MadeWebhook, Webhook, WebhookCall
from postroom_api.http.paging import Cursor, Limit
from postroom_api.http.scoped import needs
from postroom_api.http.versions import IfMatch, tagged
from postroom_api.http.webhooks import WebhookDesk

Who = NamedDependency[Principal]
At = NamedDependency[WebhookDesk]


class NewWebhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is called, and its name."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]


class WebhookPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; what is left out stays (RFC 7396)."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)] | None = None
    active: bool | None = None


class WebhookList(msgspec.Struct, frozen=True):
    """All of them, the oldest first."""

    data: list[Webhook]


@get("/webhooks", operation_id="listWebhooks", summary="All webhooks", **needs("admin"))
async def list_webhooks(who: Who, webhooks: At) -> WebhookList:
    return WebhookList(await webhooks.all(who))


@post("/webhooks", operation_id="createWebhook", summary="Make a webhook", **needs("admin"))
async def create_webhook(who: Who, webhooks: At, data: NewWebhook) -> MadeWebhook:
    """The secret that calls are signed with (Standard Webhooks) is in this answer alone."""
    return await webhooks.add(who, data.name, data.url)


@get(
    "/webhooks/{webhook:str}",
    operation_id="getWebhook",
    summary="One webhook",
    **needs("admin"),
)
async def get_webhook(who: Who, webhooks: At, webhook: str) -> Response[Webhook]:
    return tagged(await webhooks.one(who, webhook))


@patch(
    "/webhooks/{webhook:str}",
    operation_id="changeWebhook",
    summary="Change a webhook",
    **needs("admin"),
)
async def change_webhook(
    who: Who, webhooks: At, webhook: str, data: WebhookPatch, if_match: IfMatch = None
) -> Response[Webhook]:
    return tagged(
        await webhooks.change(
            who, webhook, name=data.name, url=data.url, active=data.active, if_match=if_match
        )
    )


@delete(
    "/webhooks/{webhook:str}",
    operation_id="deleteWebhook",
    summary="Forget a webhook and its calls",
    **needs("admin"),
)
async def delete_webhook(who: Who, webhooks: At, webhook: str) -> None:
    await webhooks.remove(who, webhook)


@post(
    "/webhooks/{webhook:str}/secret",
    operation_id="renewWebhookSecret",
    summary="Sign its calls with another secret",
    status_code=200,
    **needs("admin"),
)
async def renew_secret(who: Who, webhooks: At, webhook: str) -> MadeWebhook:
    return await webhooks.new_secret(who, webhook)


@get(
    "/webhooks/{webhook:str}/calls",
    operation_id="listWebhookCalls",
    summary="Its calls of the last 30 days, the newest first",
    **needs("admin"),
)
async def list_calls(
    who: Who,
    webhooks: At,
    webhook: str,
    cursor: Cursor = None,
    limit: Limit = 50,
    only: Annotated[CallState | None, QueryParameter(name="state")] = None,
) -> PageOf[WebhookCall]:
    return await webhooks.calls(who, webhook, only, cursor, limit)


@post(
    "/webhooks/{webhook:str}/calls/{call:str}/again",
    operation_id="callWebhookAgain",
    summary="Make a call once more",
    status_code=200,
    **needs("admin"),
)
async def call_again(who: Who, webhooks: At, webhook: str, call: str) -> Webhook:
    await webhooks.call_again(who, webhook, call)
    return await webhooks.one(who, webhook)


HANDLERS: list[Any] = [
    list_webhooks, create_webhook, get_webhook, change_webhook, delete_webhook, renew_secret,
    list_calls, call_again,
]  # fmt: skip
