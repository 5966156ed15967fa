"""`/api/v1`: mailboxes and rules."""

from datetime import date
from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from postroom_api.domain.mailbox_settings import Mailbox, MailboxSettings
from postroom_api.domain.values import PageOf, Principal, Rule
from postroom_api.http.entries import merge, settings_from
from postroom_api.http.office import Office
from postroom_api.http.scoped import needs
from postroom_api.http.versions import IfMatch, expect, insisting, tagged
from postroom_api.postgres.deleted_mailboxes import DeletedMailbox
from postroom_contract.rules import Action, Condition, Layer
from postroom_contract.ruling import Trial

Who = NamedDependency[Principal]
At = NamedDependency[Office]


class NewRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule to be appended to a mailbox's rules, or without a mailbox to the account's."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    condition: Condition
    actions: Annotated[list[Action], msgspec.Meta(min_length=1, max_length=32)]
    mailbox: str | None = None
    layer: Layer = "before"
    shadow: bool = False


class RulePatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a rule; what is left out stays (RFC 7396)."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    active: bool | msgspec.UnsetType = msgspec.UNSET
    position: int | msgspec.UnsetType = msgspec.UNSET
    layer: Layer | msgspec.UnsetType = msgspec.UNSET
    shadow: bool | msgspec.UnsetType = msgspec.UNSET
    condition: Condition | msgspec.UnsetType = msgspec.UNSET
    actions: (
        Annotated[list[Action], msgspec.Meta(min_length=1, max_length=32)] | msgspec.UnsetType
    ) = msgspec.UNSET


class TrialMail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mail to try rules on, as text."""

    mailbox: str
    raw: Annotated[str, msgspec.Meta(max_length=900_000)]


class Receiving(msgspec.Struct, frozen=True):
    """What became of "receive now"."""

    mailbox: str
    started: bool
    """False: a check was under way already."""


@post(
    "/mailboxes", operation_id="createMailbox", summary="Make a mailbox", **needs("mailboxes:write")
)
async def create_mailbox(who: Who, office: At, data: MailboxSettings) -> Mailbox:
    return await office.add_mailbox(who, data)


@get(
    "/mailboxes/{mailbox:str}",
    operation_id="getMailbox",
    summary="One mailbox",
    **needs("mailboxes:read"),
)
async def get_mailbox(who: Who, office: At, mailbox: str) -> Response[Mailbox]:
    return tagged(await office.mailbox(who, mailbox))


@patch(
    "/mailboxes/{mailbox:str}",
    operation_id="changeMailbox",
    summary="Change a mailbox",
    **needs("mailboxes:write"),
)
async def change_mailbox(
    who: Who, office: At, mailbox: str, data: dict[str, Any], if_match: IfMatch = None
) -> Response[Mailbox]:
    """Merge the patch (RFC 7396) into what is there; the password is left alone unless given."""

    async def once() -> Mailbox:
        found = await office.mailbox(who, mailbox)
        expect(found.version, if_match)
        settings = patched(found, data)
        return await office.change_mailbox(who, mailbox, settings, found.version)

    return tagged(await insisting(once, if_match))


def patched(found: Mailbox, data: dict[str, Any]) -> MailboxSettings:
    """Return a mailbox's settings as a merge patch makes them; 422 names what does not fit."""
    return settings_from("mailbox", merge(editable(found), data), MailboxSettings)


@delete(
    "/mailboxes/{mailbox:str}",
    operation_id="deleteMailbox",
    summary="Take a mailbox away",
    **needs("mailboxes:write"),
)
async def delete_mailbox(who: Who, office: At, mailbox: str) -> None:
    await office.delete_mailbox(who, mailbox)


@get(
    "/deleted-mailboxes",
    operation_id="listDeletedMailboxes",
    summary="Mailboxes that can be brought back for seven days",
    **needs("mailboxes:read"),
)
async def list_deleted(who: Who, office: At) -> PageOf[DeletedMailbox]:
    return PageOf(data=await office.deleted(who), next_cursor=None)


@post(
    "/deleted-mailboxes/{deleted:str}/restore",
    operation_id="restoreMailbox",
    summary="Bring a mailbox back, with its addresses, rules and shares",
    status_code=200,
    **needs("mailboxes:write"),
)
async def restore_mailbox(who: Who, office: At, deleted: str) -> Mailbox:
    return await office.restore(who, deleted)


@post(
    "/mailboxes/{mailbox:str}/receive",
    operation_id="receiveNow",
    summary="Look for new mail now; with `since`, also what is not here from that day on",
    status_code=202,
    **needs("mailboxes:write"),
)
async def receive_now(
    who: Who,
    office: At,
    mailbox: str,
    since: Annotated[
        date | None,
        QueryParameter(description="A day (YYYY-MM-DD): backfill; POP3 tells no dates, so all"),
    ] = None,
) -> Receiving:
    return Receiving(mailbox, started=await office.receive_now(who, mailbox, since))


def editable(mailbox: Mailbox) -> dict[str, Any]:
    """Return a mailbox as `MailboxSettings` would be written, without its password."""
    plain: dict[str, Any] = msgspec.to_builtins(mailbox)
    shown = {"password", "auth"}
    source = {name: value for name, value in plain["source"].items() if name not in shown}
    names = ("name", "kind", "description", "active", "limits", "privacy", "web_link")
    references = {name: plain[name]["id"] for name in ("owner", "service") if plain[name]}
    return {**{name: plain[name] for name in names}, **references, "source": source}


@get(
    "/rules",
    operation_id="listRules",
    summary="All rules, in the order they are tried",
    **needs("rules:read"),
)
async def list_rules(who: Who, office: At) -> PageOf[Rule]:
    return PageOf(data=list(await office.rules(who)), next_cursor=None)


@post(
    "/rules",
    operation_id="createRule",
    summary="Append a rule to a mailbox",
    **needs("rules:write"),
)
async def create_rule(who: Who, office: At, data: NewRule) -> Rule:
    return await office.add_rule(
        who, data.mailbox, data.name, data.condition, data.actions, data.layer, shadow=data.shadow
    )


@patch(
    "/rules/{rule:str}", operation_id="changeRule", summary="Change a rule", **needs("rules:write")
)
async def change_rule(
    who: Who, office: At, rule: str, data: RulePatch, if_match: IfMatch = None
) -> Response[Rule]:
    changes = {
        name: value
        for name in data.__struct_fields__
        if (value := getattr(data, name)) is not msgspec.UNSET
    }

    async def once() -> Rule:
        found = await office.rule(who, rule)
        expect(found.version, if_match)
        return await office.change_rule(who, msgspec.structs.replace(found, **changes))

    return tagged(await insisting(once, if_match))


@post(
    "/rules/try",
    operation_id="tryRules",
    summary="What would the rules say of this mail?",
    status_code=200,
    **needs("rules:read"),
)
async def try_rules(who: Who, office: At, data: TrialMail) -> Trial:
    return await office.try_mail(who, data.mailbox, data.raw.encode())


@delete(
    "/rules/{rule:str}",
    operation_id="deleteRule",
    summary="Take a rule away",
    **needs("rules:write"),
)
async def delete_rule(who: Who, office: At, rule: str) -> None:
    await office.delete_rule(who, rule)


HANDLERS: list[Any] = [
    create_mailbox, get_mailbox, change_mailbox, delete_mailbox, receive_now,
    list_deleted, restore_mailbox,
    list_rules, create_rule, change_rule, try_rules, delete_rule,
]  # fmt: skip
