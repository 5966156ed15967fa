"""`/api/v1`: what everybody may ask about themselves."""

from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, patch, post, put
from litestar.di import NamedDependency

from postroom_api.domain.values import PageOf, Principal
from postroom_api.http.own_desk import Me, NewToken, OwnDesk
from postroom_api.http.scoped import needs, needs_any_token
from postroom_api.http.second_factors import Enrolment
from postroom_api.http.versions import IfMatch, expect, insisting, tagged
from postroom_api.postgres.own import SessionRow
from postroom_api.postgres.tokens import TokenRow

Who = NamedDependency[Principal]
At = NamedDependency[OwnDesk]
Secret = Annotated[str, msgspec.Meta(max_length=1_000)]
Code = Annotated[str, msgspec.Meta(max_length=100)]


class ProfilePatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of one's profile; what is left out stays (RFC 7396)."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    locale: Annotated[str, msgspec.Meta(max_length=20)] | None = None
    """A language tag as `de` or `pt-BR`; empty = as the browser says."""


class NewPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new password, with the current one."""

    current: Secret
    password: Secret


class GivenCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code of the authenticator, or a recovery code."""

    code: Code


class RecoveryCodes(msgspec.Struct, frozen=True):
    """Codes for when the phone is gone, each for one use; never shown again."""

    recovery_codes: list[str]


class TokenWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token to be made; without `expires_in_days` it does not end by itself."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    scopes: Annotated[list[str], msgspec.Meta(min_length=1, max_length=20)]
    expires_in_days: int | None = None


class Ended(msgspec.Struct, frozen=True):
    """How many sessions were ended."""

    ended: int


@get("/me", operation_id="getMe", summary="Who asks", **needs_any_token())
async def get_me(who: Who, own: At) -> Response[Me]:
    return tagged(await own.me(who))


@patch("/me", operation_id="changeMe", summary="Change name and language", **needs("admin"))
async def change_me(
    who: Who, own: At, data: ProfilePatch, if_match: IfMatch = None
) -> Response[Me]:
    async def once() -> Me:
        found = await own.me(who)
        expect(found.version, if_match)
        return await own.change_profile(who, data.name, data.locale, found.version)

    return tagged(await insisting(once, if_match))


@put(
    "/me/password",
    operation_id="changePassword",
    summary="Change the password",
    status_code=204,
    **needs("admin"),
)
async def change_password(who: Who, own: At, data: NewPassword) -> None:
    await own.change_password(who, data.current, data.password)


@post(
    "/me/second-factor",
    operation_id="beginSecondFactor",
    summary="Draw a secret for an authenticator",
    **needs("admin"),
)
async def begin_factor(who: Who, own: At) -> Enrolment:
    return await own.factors.begin(who)


@post(
    "/me/second-factor/confirm",
    operation_id="confirmSecondFactor",
    summary="Switch it on with a first code",
    status_code=200,
    **needs("admin"),
)
async def confirm_factor(who: Who, own: At, data: GivenCode) -> RecoveryCodes:
    return RecoveryCodes(await own.factors.confirm(who, data.code))


@post(
    "/me/second-factor/recovery-codes",
    operation_id="renewRecoveryCodes",
    summary="New recovery codes; the old ones are void",
    **needs("admin"),
)
async def renew_codes(who: Who, own: At, data: GivenCode) -> RecoveryCodes:
    return RecoveryCodes(await own.factors.renew_codes(who, data.code))


@post(
    "/me/second-factor/remove",
    operation_id="removeSecondFactor",
    summary="Switch it off; asks for a code",
    status_code=204,
    **needs("admin"),
)
async def remove_factor(who: Who, own: At, data: GivenCode) -> None:
    await own.factors.remove(who, data.code)


@get(
    "/me/sessions", operation_id="listSessions", summary="Where one is signed in", **needs("admin")
)
async def list_sessions(who: Who, own: At) -> PageOf[SessionRow]:
    return PageOf(data=await own.sessions(who), next_cursor=None)


@post(
    "/me/sessions/end-others",
    operation_id="endOtherSessions",
    summary="End all sessions but this one",
    status_code=200,
    **needs("admin"),
)
async def end_others(who: Who, own: At) -> Ended:
    return Ended(await own.end_other_sessions(who))


@delete(
    "/me/sessions/{session:str}",
    operation_id="endSession",
    summary="End a session",
    **needs("admin"),
)
async def end_session(who: Who, own: At, session: str) -> None:
    await own.end_session(who, session)


@get("/tokens", operation_id="listTokens", summary="One's own tokens", **needs("admin"))
async def list_tokens(who: Who, own: At) -> PageOf[TokenRow]:
    return PageOf(data=await own.tokens(who), next_cursor=None)


@post(
    "/tokens",
    operation_id="createToken",
    summary="Make a token; its secret is shown once",
    **needs("admin"),
)
async def create_token(who: Who, own: At, data: TokenWish) -> NewToken:
    return await own.add_token(who, data.name, data.scopes, data.expires_in_days)


@delete(
    "/tokens/{token:str}", operation_id="revokeToken", summary="Revoke a token", **needs("admin")
)
async def revoke_token(who: Who, own: At, token: str) -> None:
    await own.revoke_token(who, token)


HANDLERS: list[Any] = [
    get_me, change_me, change_password, begin_factor, confirm_factor, renew_codes, remove_factor,
    list_sessions, end_others, end_session, list_tokens, create_token, revoke_token,
]  # fmt: skip
