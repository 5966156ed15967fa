"""The second factor of the one who asks: switched on with a first code, asked for at the door."""

import os
from typing import Final

import msgspec

from postroom_api.domain import passwords, second_factor
from postroom_api.domain.values import Principal
from postroom_api.http.problems import ProblemError, invalid
from postroom_api.postgres.factors import FactorRow, Factors, Judge, Outcome
from postroom_api.sealing import OwnSeal
from postroom_runtime.clock import Clock

WRONG: Final = "This code does not fit, or was used before. Wait for the next one."
BLOCKED: Final = "Too many wrong codes. Wait a quarter of an hour, then try again."


class Enrolment(msgspec.Struct, frozen=True):
    """What an authenticator needs; shown while the second factor is being switched on."""

    secret: str
    address: str


class SecondFactors:
    """Everything about the second factor of the one who asks."""

    def __init__(self, rows: Factors, seal: OwnSeal, clock: Clock, console: str) -> None:
        self._rows = rows
        self._seal = seal
        self._clock = clock
        self._console = console

    async def state(self, who: Principal) -> tuple[bool, int]:
        """Return whether it is on, and how many recovery codes are left."""
        row = await self._rows.one(who)
        on = row is not None and row.confirmed_at is not None
        return on, await self._rows.codes_left(who) if on else 0

    async def begin(self, who: Principal) -> Enrolment:
        """Draw a secret; it counts once `confirm` has seen a code of it."""
        secret = second_factor.new_secret(os.urandom(second_factor.SECRET_BYTES))
        if not await self._rows.begin(who, self._seal.seal(who.id, secret)):
            raise ProblemError(409, "conflict", "The second factor is on already.")
        return self._enrolment(who, secret)

    async def begun(self, who: Principal) -> Enrolment | None:
        """Return what was begun and not confirmed."""
        row = await self._rows.one(who)
        if row is None or row.confirmed_at is not None:
            return None
        secret = self._seal.open(who.id, row.sealed)
        return self._enrolment(who, secret) if secret else None

    def _enrolment(self, who: Principal, secret: str) -> Enrolment:
        return Enrolment(secret, second_factor.address(secret, who.email, self._console))

    async def confirm(self, who: Principal, code: str) -> list[str]:
        """Switch it on; return the recovery codes, which are never shown again."""
        codes = _new_codes()
        hashes = [passwords.hash_secret(one) for one in codes]
        outcome = await self._rows.confirm(who, self._judge(who, code), hashes, self._clock.now())
        if outcome is None:
            raise ProblemError(409, "conflict", "Begin first: there is nothing to confirm.")
        _demand(outcome)
        return codes

    async def attempt(self, who: Principal, code: str) -> Outcome:
        """Take a code or a recovery code; "right" also where there is no second factor."""
        recovery = passwords.hash_secret(second_factor.plain_recovery_code(code))
        judge = self._judge(who, code)
        outcome = await self._rows.attempt(who, judge, recovery, self._clock.now())
        return outcome or "right"

    async def demand(self, who: Principal, code: str) -> None:
        """Answer 422 to a wrong code, where there is a second factor."""
        _demand(await self.attempt(who, code))

    async def renew_codes(self, who: Principal, code: str) -> list[str]:
        """Return new recovery codes; the old ones are void."""
        on, _ = await self.state(who)
        if not on:
            raise ProblemError(409, "conflict", "The second factor is off.")
        await self.demand(who, code)
        codes = _new_codes()
        await self._rows.renew_codes(who, [passwords.hash_secret(one) for one in codes])
        return codes

    async def remove(self, who: Principal, code: str) -> None:
        """Switch it off; asks for a code."""
        await self.demand(who, code)
        await self._rows.remove(who)

    def _judge(self, who: Principal, code: str) -> Judge:
        now = self._clock.now()

        def judge(row: FactorRow) -> int | None:
            secret = self._seal.open(who.id, row.sealed)
            if secret is None:
                words = "The key of second factors has changed: an administrator has to reset it."
                raise ProblemError(409, "conflict", words)
            return second_factor.step_of(secret, row.last_step, code, now)

        return judge


def _new_codes() -> list[str]:
    entropy = [
        os.urandom(second_factor.RECOVERY_BYTES) for _ in range(second_factor.RECOVERY_CODES)
    ]
    return second_factor.recovery_codes(entropy)


def _demand(outcome: Outcome) -> None:
    if outcome == "blocked":
        raise ProblemError(429, "too_many_attempts", BLOCKED)
    if outcome == "wrong":
        raise invalid("code", "wrong_code", WRONG)
