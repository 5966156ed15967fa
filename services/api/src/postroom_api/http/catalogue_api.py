"""`/api/v1`: the catalogue of e-mail services."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.di import NamedDependency

from postroom_api.domain.mail_services import Impact, MailService, ServiceSettings
from postroom_api.domain.values import PageOf, Principal
from postroom_api.http.catalogue import Catalogue, MailboxPolicy
from postroom_api.http.entries import merge, settings_from
from postroom_api.http.scoped import needs
from postroom_api.http.versions import IfMatch, expect, insisting, tagged

Who = NamedDependency[Principal]
Shelf = NamedDependency[Catalogue]


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Services in the order they shall have; those left out follow."""

    services: Annotated[list[str], msgspec.Meta(max_length=1_000)]


class Restriction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Until when its mailboxes go on; without a date they pause at once."""

    grace_until: datetime | None = None


class MailboxPolicyPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What users may connect, as it shall be."""

    mailboxes_per_user: Annotated[int, msgspec.Meta(ge=0, le=10_000)]


@get(
    "/services",
    operation_id="listServices",
    summary="E-mail services; to users: to choose from",
    **needs("mailboxes:read"),
)
async def list_services(who: Who, catalogue: Shelf) -> PageOf[MailService]:
    return PageOf(data=await catalogue.services(who), next_cursor=None)


@post(
    "/services",
    operation_id="createService",
    summary="Add an e-mail service",
    **needs("mailboxes:write"),
)
async def create_service(who: Who, catalogue: Shelf, data: ServiceSettings) -> MailService:
    return await catalogue.add(who, data)


@get(
    "/services/{service:str}",
    operation_id="getService",
    summary="One e-mail service",
    **needs("mailboxes:read"),
)
async def get_service(who: Who, catalogue: Shelf, service: str) -> Response[MailService]:
    return tagged(await catalogue.service(who, service))


@patch(
    "/services/{service:str}",
    operation_id="changeService",
    summary="Change an e-mail service",
    **needs("mailboxes:write"),
)
async def change_service(
    who: Who, catalogue: Shelf, service: str, data: dict[str, Any], if_match: IfMatch = None
) -> Response[MailService]:
    """Merge the patch (RFC 7396) into what is there; the secret is left alone unless given."""

    async def once() -> MailService:
        found = await catalogue.service(who, service)
        expect(found.version, if_match)
        settings = settings_from("service", merge(editable(found), data), ServiceSettings)
        return await catalogue.change(who, service, settings, found.version)

    return tagged(await insisting(once, if_match))


@delete(
    "/services/{service:str}",
    operation_id="deleteService",
    summary="Take a service away",
    **needs("mailboxes:write"),
)
async def delete_service(who: Who, catalogue: Shelf, service: str) -> None:
    await catalogue.delete(who, service)


@post(
    "/services/order",
    operation_id="orderServices",
    summary="Put in order",
    status_code=200,
    **needs("mailboxes:write"),
)
async def order_services(who: Who, catalogue: Shelf, data: Order) -> PageOf[MailService]:
    return PageOf(data=await catalogue.order(who, data.services), next_cursor=None)


@post(
    "/services/{service:str}/restriction/preview",
    operation_id="previewRestriction",
    summary="Who would be affected by a restriction?",
    status_code=200,
    **needs("mailboxes:read"),
)
async def preview_restriction(who: Who, catalogue: Shelf, service: str) -> Impact:
    return await catalogue.preview_restriction(who, service)


@post(
    "/services/{service:str}/restriction",
    operation_id="restrictService",
    summary="Permit it no longer, from a grace date on for the mailboxes there are",
    status_code=200,
    **needs("mailboxes:write"),
)
async def restrict_service(
    who: Who, catalogue: Shelf, service: str, data: Restriction
) -> MailService:
    return await catalogue.restrict(who, service, data.grace_until)


@post(
    "/services/{service:str}/permission",
    operation_id="permitService",
    summary="Let users choose it; undoes a restriction",
    status_code=200,
    **needs("mailboxes:write"),
)
async def permit_service(who: Who, catalogue: Shelf, service: str) -> MailService:
    return await catalogue.permit(who, service)


@post(
    "/services/{service:str}/push/preview",
    operation_id="previewPush",
    summary="Which mailboxes differ from their service?",
    status_code=200,
    **needs("mailboxes:read"),
)
async def preview_push(who: Who, catalogue: Shelf, service: str) -> Impact:
    return await catalogue.preview_push(who, service)


@post(
    "/services/{service:str}/push",
    operation_id="pushService",
    summary="Give its server to its mailboxes; passwords do not move with it",
    status_code=200,
    **needs("mailboxes:write", feed=True),
)
async def push_service(who: Who, catalogue: Shelf, service: str) -> Impact:
    return await catalogue.push(who, service)


@get(
    "/mailbox-policy",
    operation_id="getMailboxPolicy",
    summary="What users may connect",
    **needs("mailboxes:read"),
)
async def get_policy(who: Who, catalogue: Shelf) -> Response[MailboxPolicy]:
    return tagged(await catalogue.policy(who))


@patch(
    "/mailbox-policy",
    operation_id="changeMailboxPolicy",
    summary="Change what they may",
    **needs("mailboxes:write"),
)
async def change_policy(
    who: Who, catalogue: Shelf, data: MailboxPolicyPatch, if_match: IfMatch = None
) -> Response[MailboxPolicy]:
    async def once() -> MailboxPolicy:
        found = await catalogue.policy(who)
        expect(found.version, if_match)
        await catalogue.set_per_user(who, data.mailboxes_per_user, found.version)
        return await catalogue.policy(who)

    return tagged(await insisting(once, if_match))


def editable(service: MailService) -> dict[str, Any]:
    """Return a service as `ServiceSettings` would be written, without its secret."""
    plain: dict[str, Any] = msgspec.to_builtins(service)
    oauth = {name: value for name, value in plain["oauth"].items() if name != "client_secret"}
    names = ("name", "domains", "imap", "smtp", "web_link", "free", "active")
    return {**{name: plain[name] for name in names}, "oauth": oauth}


HANDLERS: list[Any] = [
    list_services, create_service, get_service, change_service, delete_service, order_services,
    preview_restriction, restrict_service, permit_service, preview_push, push_service,
    get_policy, change_policy,
]  # fmt: skip
