"""Coming in: password, second factor, one-time links.

Laws: nobody learns whether an address is known; what may be tried is limited by peer and address,
and for codes by the session that waits for one.
"""

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from postroom_api.domain import passwords
from postroom_api.domain.values import Principal
from postroom_api.http.attempts import Attempts
from postroom_api.http.problems import ProblemError, invalid
from postroom_api.http.second_factors import BLOCKED, WRONG, SecondFactors
from postroom_api.postgres.links import Link, Links
from postroom_api.postgres.people import People, SignedIn, Visit
from postroom_mail.text import one_line
from postroom_runtime.clock import Clock

if TYPE_CHECKING:  # its libraries are loaded where a provider is set
    from postroom_api.http.elsewhere import Elsewhere

TOO_MANY: Final = "Too many attempts. Wait a minute, then try again."
NO_MATCH: Final = "This e-mail address and password do not go together."
GONE: Final = "This link was used, replaced or is too old. Ask your administrator for a new one."
AGAIN: Final = "That took too long, or too many codes were wrong. Sign in again."
UNKNOWN: Final = "There is no active user with the address {}. Ask your administrator."


class Back(msgspec.Struct, frozen=True):
    """Somebody who came back from elsewhere, and where they were going."""

    signed_in: SignedIn
    next: str


class Door:
    """Everything that somebody may do who is not in yet."""

    def __init__(
        self,
        people: People,
        links: Links,
        factors: SecondFactors,
        clock: Clock,
        elsewhere: "Elsewhere | None" = None,
    ) -> None:
        self.elsewhere = elsewhere
        self._people = people
        self._links = links
        self._factors = factors
        self._clock = clock
        self._attempts = Attempts()

    async def sign_in(self, email: str, password: str, visit: Visit) -> SignedIn:
        """Begin a session; 401 with one sentence for everything that is wrong."""
        if not self._attempts.allowed(f"{visit.peer} {email.lower()[:254]}"):
            raise ProblemError(429, "too_many_attempts", TOO_MANY)
        found = await self._people.sign_in(
            email, password[: passwords.LONGEST], self._clock.now(), visit
        )
        if found is None:
            raise ProblemError(401, "http", NO_MATCH)
        return found

    async def awaiting(self, secret: str) -> Principal | None:
        """Return whose code is awaited."""
        return await self._people.awaiting(secret, self._clock.now()) if secret else None

    async def give_code(self, secret: str, code: str, visit: Visit) -> SignedIn:
        """Finish signing in; 401 when it has to begin again, 422 for a wrong code."""
        who = await self.awaiting(secret)
        if who is None:
            raise ProblemError(401, "http", AGAIN)
        if not self._attempts.allowed(f"code {who.id}"):
            raise ProblemError(429, "too_many_attempts", TOO_MANY)
        outcome = await self._factors.attempt(who, code)
        if outcome == "right":
            return await self._people.complete(who, secret, self._clock.now(), visit)
        if not await self._people.miss(who, secret, visit):
            raise ProblemError(401, "http", AGAIN)
        if outcome == "blocked":
            raise ProblemError(429, "too_many_attempts", BLOCKED)
        raise invalid("code", "wrong_code", WRONG)

    async def come_back(self, sealed: str, state: str, code: str, visit: Visit) -> Back:
        """Begin a session for whom the provider vouches; 401 for everybody else."""
        if self.elsewhere is None:
            raise ProblemError(404, "not_found", "Nobody vouches for anybody here.")
        vouched, where = await self.elsewhere.come_back(sealed, state, code)
        who = await self._people.by_email(vouched.email)
        if who is None and self.elsewhere.provision:
            who = await self._people.provision(
                self._clock.new_id("usr"), vouched.email, one_line(vouched.name).strip()[:100]
            )
        if who is None:
            raise ProblemError(401, "http", UNKNOWN.format(vouched.email))
        return Back(await self._people.admit(who, self._clock.now(), visit, "oidc"), where)

    async def link(self, secret: str) -> Link:
        """Return whom a link is for, or 404."""
        found = await self._links.find(secret, self._clock.now())
        if found is None:
            raise ProblemError(404, "not_found", GONE)
        return found

    async def use_link(self, secret: str, name: str, password: str, again: str) -> Link:
        """Take up an invitation, or choose a new password; then one may sign in."""
        link = await self.link(secret)
        name = one_line(name).strip()[:100] or link.name
        if password != again:
            raise invalid("again", "differs", "The two passwords differ: type it twice the same.")
        if (weak := passwords.weakness(password, link.email)) is not None:
            raise invalid("password", "weak_password", weak)
        hashed = await asyncio.to_thread(passwords.hash_password, password)
        used = await self._links.use(secret, name, hashed, self._clock.now())
        if used is None:
            raise ProblemError(404, "not_found", GONE)
        return used
