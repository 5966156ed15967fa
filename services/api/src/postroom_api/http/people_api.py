"""`/api/v1`: users, accounts and the audit, for those who manage."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from postroom_api.domain.people import User, UserChange
from postroom_api.domain.values import PageOf, Principal, Role
from postroom_api.http.paging import Cursor, Limit
from postroom_api.http.scoped import needs
from postroom_api.http.staff import NewLink, Staff
from postroom_api.http.versions import IfMatch, expect, insisting, tagged
from postroom_api.postgres.accounts import Account
from postroom_api.postgres.audit import AuditEntry, AuditFilter
from postroom_api.postgres.tokens import OwnedToken
from postroom_api.postgres.users import Orphan

Who = NamedDependency[Principal]
At = NamedDependency[Staff]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody to be invited."""

    email: Annotated[str, msgspec.Meta(min_length=3, max_length=254)]
    name: Name
    role: Role = "user"
    send: bool = False
    """Mail the link to them."""


class UserPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a user; what is left out stays (RFC 7396)."""

    name: Name | None = None
    role: Role | None = None
    state: Literal["active", "deactivated"] | None = None


class NewOwner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who shall own a mailbox; `resume` switches it on again."""

    owner: str
    resume: bool = False


class AccountName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The name of an account; typed again where it is to be removed."""

    name: Name


@get("/users", operation_id="listUsers", summary="The people here", **needs("users:read"))
async def list_users(
    who: Who,
    staff: At,
    limit: Limit,
    cursor: Cursor = None,
    search: Annotated[
        str, QueryParameter(name="search", description="A part of name or address")
    ] = "",
) -> PageOf[User]:
    return await staff.users(who, search, cursor, limit)


@post(
    "/users",
    operation_id="inviteUser",
    summary="Invite somebody; the link is for them",
    **needs("users:write"),
)
async def invite_user(who: Who, staff: At, data: NewUser) -> NewLink:
    return await staff.invite(who, data.email, data.name, data.role, send=data.send)


@get("/users/{user:str}", operation_id="getUser", summary="One user", **needs("users:read"))
async def get_user(who: Who, staff: At, user: str) -> Response[User]:
    return tagged(await staff.user(who, user))


@patch(
    "/users/{user:str}",
    operation_id="changeUser",
    summary="Change, deactivate or reactivate a user",
    **needs("users:write"),
)
async def change_user(
    who: Who, staff: At, user: str, data: UserPatch, if_match: IfMatch = None
) -> Response[User]:
    async def once() -> User:
        found = await staff.user(who, user)
        expect(found.version, if_match)
        change = UserChange(**msgspec.structs.asdict(data))
        return await staff.change_user(who, user, change, found.version)

    return tagged(await insisting(once, if_match))


@post(
    "/users/{user:str}/link",
    operation_id="makeUserLink",
    summary="A new link: invitation, or to choose a new password",
    **needs("users:write"),
)
async def make_link(
    who: Who,
    staff: At,
    user: str,
    by_mail: Annotated[bool, QueryParameter(name="send", description="Mail it to them")] = False,
) -> NewLink:
    return await staff.new_link(who, user, send=by_mail)


@delete(
    "/users/{user:str}/second-factor",
    operation_id="resetSecondFactor",
    summary="Take a lost second factor away",
    **needs("users:write"),
)
async def reset_second_factor(who: Who, staff: At, user: str) -> None:
    await staff.reset_second_factor(who, user)


@get(
    "/orphaned-mailboxes",
    operation_id="listOrphanedMailboxes",
    summary="Mailboxes of deactivated users",
    **needs("users:read"),
)
async def list_orphans(who: Who, staff: At) -> PageOf[Orphan]:
    return PageOf(data=await staff.orphans(who), next_cursor=None)


@post(
    "/mailboxes/{mailbox:str}/owner",
    operation_id="handOverMailbox",
    summary="Give a user's mailbox to another user",
    status_code=200,
    **needs("users:write"),
)
async def hand_over(who: Who, staff: At, mailbox: str, data: NewOwner) -> User:
    return await staff.hand_over(who, mailbox, data.owner, resume=data.resume)


@get(
    "/users/tokens",
    operation_id="listEverybodysTokens",
    summary="The tokens of everybody here",
    **needs("admin"),
)
async def list_all_tokens(who: Who, staff: At) -> PageOf[OwnedToken]:
    return PageOf(data=await staff.tokens(who), next_cursor=None)


@delete(
    "/users/tokens/{token:str}",
    operation_id="revokeSomebodysToken",
    summary="Revoke anybody's token",
    **needs("admin"),
)
async def revoke_any_token(who: Who, staff: At, token: str) -> None:
    await staff.revoke_token(who, token)


@get("/accounts", operation_id="listAccounts", summary="All accounts", **needs("admin"))
async def list_accounts(who: Who, staff: At) -> PageOf[Account]:
    return PageOf(data=await staff.accounts(who), next_cursor=None)


@post("/accounts", operation_id="createAccount", summary="Make an account", **needs("admin"))
async def create_account(who: Who, staff: At, data: AccountName) -> Account:
    return await staff.add_account(who, data.name)


@patch(
    "/accounts/{account:str}",
    operation_id="renameAccount",
    summary="Give an account another name",
    **needs("admin"),
)
async def rename_account(
    who: Who, staff: At, account: str, data: AccountName, if_match: IfMatch = None
) -> Response[Account]:
    async def once() -> Account:
        found = await staff.account(who, account)
        expect(found.version, if_match)
        return await staff.rename_account(who, account, data.name, found.version)

    return tagged(await insisting(once, if_match))


@get("/accounts/{account:str}", operation_id="getAccount", summary="One account", **needs("admin"))
async def get_account(who: Who, staff: At, account: str) -> Response[Account]:
    return tagged(await staff.account(who, account))


@post(
    "/accounts/{account:str}/enter",
    operation_id="enterAccount",
    summary="Be at work there with this session",
    status_code=204,
    **needs("admin"),
)
async def enter_account(who: Who, staff: At, account: str) -> None:
    await staff.enter_account(who, account)


@post(
    "/accounts/{account:str}/remove",
    operation_id="removeAccount",
    summary="Remove an account and all that is in it; asks for its name",
    status_code=202,
    **needs("admin"),
)
async def remove_account(who: Who, staff: At, account: str, data: AccountName) -> None:
    await staff.remove_account(who, account, data.name)


@get("/audit", operation_id="listAudit", summary="Who changed what", **needs("admin"))
async def list_audit(
    who: Who,
    staff: At,
    limit: Limit,
    cursor: Cursor = None,
    person: Annotated[
        str, QueryParameter(name="person", description="Id, or a part of the name")
    ] = "",
    action: Annotated[
        str, QueryParameter(name="action", description="As user.invited, or a family as user")
    ] = "",
    about: Annotated[
        str, QueryParameter(name="about", description="The id of what was changed")
    ] = "",
) -> PageOf[AuditEntry]:
    return await staff.audit(who, AuditFilter(person, action, about), cursor, limit)


HANDLERS: list[Any] = [
    list_users, invite_user, get_user, change_user, make_link, reset_second_factor, list_orphans,
    hand_over, list_all_tokens, revoke_any_token, list_accounts, create_account, get_account,
    rename_account,
    enter_account, remove_account, list_audit,
]  # fmt: skip
