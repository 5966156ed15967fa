"""What everybody may ask about themselves: profile, password, second factor, sessions, tokens."""

import asyncio
import secrets
from datetime import datetime, timedelta
from typing import Final

import msgspec

from postroom_api.domain import passwords, scopes
from postroom_api.domain.values import Principal, Role
from postroom_api.http.attempts import Attempts
from postroom_api.http.problems import FieldError, ProblemError, invalid, not_found
from postroom_api.http.second_factors import SecondFactors
from postroom_api.postgres.own import Own, SessionRow
from postroom_api.postgres.tokens import TokenRow, Tokens
from postroom_mail.text import one_line
from postroom_runtime.clock import Clock

LONGEST_DAYS: Final = 3_650


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """The one who asks."""

    id: str
    email: str
    name: str
    role: Role
    locale: str
    account: str
    """Where they are at work."""
    home: str
    """Where they belong."""
    scopes: list[str] | None
    """Of the token they ask with; null = they are here themselves."""
    second_factor: bool
    recovery_codes_left: int
    version: int
    """Grows with each change of the profile; what `ETag` says."""


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token with its secret, which is never shown again."""

    token: TokenRow
    secret: str


class OwnDesk:
    """Everything that somebody may ask about themselves."""

    def __init__(self, own: Own, tokens: Tokens, factors: SecondFactors, clock: Clock) -> None:
        self._own = own
        self._tokens = tokens
        self.factors = factors
        self._clock = clock
        self._attempts = Attempts()

    async def me(self, who: Principal) -> Me:
        """Return the one who asks."""
        on, left = await self.factors.state(who)
        return Me(
            id=who.id, email=who.email, name=who.name, role=who.role, locale=who.locale,
            account=who.account, home=who.belongs_to,
            scopes=None if who.scopes is None else list(who.scopes),
            second_factor=on, recovery_codes_left=left, version=await self._own.version(who),
        )  # fmt: skip

    async def change_profile(
        self, who: Principal, name: str | None, locale: str | None, version: int | None = None
    ) -> Me:
        """Write name and language; None = as it is.

        StaleError when `version` is given and the profile has another by now.
        """
        name = who.name if name is None else one_line(name).strip()
        if not name:
            raise invalid("name", "empty", "You need a name: it stands under what you write.")
        locale = who.locale if locale is None else locale.strip()
        if locale and not locale.replace("-", "").replace("_", "").isalnum():
            raise invalid("locale", "bad_locale", "A language looks like “en” or “pt-BR”.")
        await self._own.set_profile(who, name, locale, version)
        return await self.me(msgspec.structs.replace(who, name=name, locale=locale))

    async def change_password(self, who: Principal, current: str, password: str) -> None:
        """Write a new password; asks for the current one, and ends all other sessions."""
        if not self._attempts.allowed(who.id):
            raise ProblemError(429, "too_many_attempts", "Too many attempts. Wait a minute.")
        stored = await self._own.password_hash(who)
        right = await asyncio.to_thread(
            passwords.verify_password, stored or None, current[: passwords.LONGEST]
        )
        if stored and not right:
            raise invalid("current", "wrong_password", "This is not your current password.")
        if not stored:
            words = "You have no password yet: ask your administrator for a link to set one."
            raise ProblemError(409, "conflict", words)
        if (weak := passwords.weakness(password, who.email)) is not None:
            raise invalid("password", "weak_password", weak)
        hashed = await asyncio.to_thread(passwords.hash_password, password)
        await self._own.set_password(who, hashed, self._clock.now())

    async def sessions(self, who: Principal) -> list[SessionRow]:
        """Return where one is signed in."""
        return await self._own.sessions(who, self._clock.now())

    async def end_session(self, who: Principal, session: str) -> None:
        """End one session."""
        if not await self._own.end_session(who, session):
            raise not_found("session")

    async def end_other_sessions(self, who: Principal) -> int:
        """End all but this one."""
        return await self._own.end_other_sessions(who)

    async def tokens(self, who: Principal) -> list[TokenRow]:
        """Return one's tokens."""
        return await self._tokens.own(who)

    async def add_token(
        self, who: Principal, name: str, wanted: list[str], days: int | None
    ) -> NewToken:
        """Make a token; its secret is in the answer and nowhere else."""
        name = one_line(name).strip()
        if not name:
            raise invalid("name", "empty", "A token needs a name: what is it for?")
        if not wanted:
            raise invalid("scopes", "empty", "Choose what the token may be used for.")
        if refused := scopes.refused(wanted, who.role, who.scopes):
            allowed = ", ".join(s for s in scopes.SCOPES if not _refused(s, who))
            words = f"You cannot give {', '.join(map(repr, refused))}. Possible: {allowed}."
            raise ProblemError(422, "invalid", words, [FieldError("/scopes", "not_yours", words)])
        if days is not None and not 1 <= days <= LONGEST_DAYS:
            raise invalid("expires_in_days", "out_of_range", f"From 1 to {LONGEST_DAYS} days.")
        until = self._until(days)
        secret = passwords.TOKEN_PREFIX + secrets.token_urlsafe(32)
        token = self._clock.new_id("tok")
        made = sorted(set(wanted), key=scopes.SCOPES.index)
        row = await self._tokens.add(who, token, secret, name, made, until)
        return NewToken(token=row, secret=secret)

    def _until(self, days: int | None) -> datetime | None:
        return None if days is None else self._clock.now() + timedelta(days=days)

    async def revoke_token(self, who: Principal, token: str) -> None:
        """Take a token away; what uses it is out at once."""
        if not await self._tokens.revoke(who, token):
            raise not_found("token")


def _refused(scope: str, who: Principal) -> bool:
    return bool(scopes.refused([scope], who.role, who.scopes))
