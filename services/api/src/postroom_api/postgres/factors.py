"""Second factors as rows; secrets come and go sealed."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from postroom_api.domain import second_factor
from postroom_api.domain.values import Principal
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record
from postroom_runtime.postgres import Connection

Outcome = Literal["right", "wrong", "blocked"]


class FactorRow(msgspec.Struct, frozen=True):
    """A second factor as it is stored."""

    sealed: str
    confirmed_at: datetime | None
    last_step: int
    failures: int
    blocked_until: datetime | None


Judge = Callable[[FactorRow], int | None]
"""Returns the time step whose code was given, or None."""


class Factors:
    """Reads and writes the second factor of the one who asks."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def one(self, who: Principal) -> FactorRow | None:
        """Return it, or None."""
        async with self._access.home(who) as connection:
            return await _load(connection, who)

    async def codes_left(self, who: Principal) -> int:
        """Return how many recovery codes have not been used."""
        async with self._access.home(who) as connection:
            return int(
                await connection.fetchval(
                    "SELECT count(*) FROM config.recovery_code"
                    " WHERE person = $1 AND used_at IS NULL",
                    who.id,
                )
            )

    async def begin(self, who: Principal, sealed: str) -> bool:
        """Keep a secret that is not confirmed yet; False when there is one that is."""
        async with self._access.home(who) as connection:
            status = await connection.execute(
                "INSERT INTO config.second_factor (person, account, sealed) VALUES ($1, $2, $3)"
                " ON CONFLICT (person) DO UPDATE SET sealed = excluded.sealed, last_step = 0,"
                " failures = 0, blocked_until = NULL WHERE second_factor.confirmed_at IS NULL",
                who.id,
                who.belongs_to,
                sealed,
            )
        return bool(status == "INSERT 0 1")

    async def confirm(
        self, who: Principal, judge: Judge, hashes: Sequence[str], now: datetime
    ) -> Outcome | None:
        """Switch it on with its first code, and keep the recovery codes; None = none begun."""
        async with self._access.home(who) as connection:
            row = await _load(connection, who, "FOR UPDATE")
            if row is None or row.confirmed_at is not None:
                return None
            outcome = await _judge(connection, who, row, judge, now)
            if outcome == "right":
                await connection.execute(
                    "UPDATE config.second_factor SET confirmed_at = $2 WHERE person = $1",
                    who.id,
                    now,
                )
                await _keep_codes(connection, who, hashes)
                await record(connection, who, "second_factor.switched_on", who.id)
        return outcome

    async def attempt(
        self, who: Principal, judge: Judge, recovery: str, now: datetime
    ) -> Outcome | None:
        """Take a code or (its hash) a recovery code, once; None = there is no second factor."""
        async with self._access.home(who) as connection:
            row = await _load(connection, who, "FOR UPDATE")
            if row is None or row.confirmed_at is None:
                return None
            if await _use_code(connection, who, row, recovery, now):
                return "right"
            return await _judge(connection, who, row, judge, now)

    async def renew_codes(self, who: Principal, hashes: Sequence[str]) -> None:
        """Put new recovery codes in the place of the old ones."""
        async with self._access.home(who) as connection:
            await _keep_codes(connection, who, hashes)
            await record(connection, who, "recovery_codes.renewed", who.id)

    async def remove(self, who: Principal) -> None:
        """Switch it off."""
        async with self._access.home(who) as connection:
            await connection.execute("DELETE FROM config.recovery_code WHERE person = $1", who.id)
            await connection.execute("DELETE FROM config.second_factor WHERE person = $1", who.id)
            await record(connection, who, "second_factor.switched_off", who.id)


async def _load(connection: Connection, who: Principal, lock: str = "") -> FactorRow | None:
    row: Any = await connection.fetchrow(
        "SELECT sealed, confirmed_at, last_step, failures, blocked_until"  # noqa: S608 - constants
        f" FROM config.second_factor WHERE person = $1 {lock}",
        who.id,
    )
    return FactorRow(**dict(row)) if row else None


async def _judge(
    connection: Connection, who: Principal, row: FactorRow, judge: Judge, now: datetime
) -> Outcome:
    if row.blocked_until is not None and now < row.blocked_until:
        return "blocked"
    step = judge(row)
    failures = 0 if step is not None else row.failures + 1
    await connection.execute(
        "UPDATE config.second_factor SET last_step = coalesce($2, last_step), failures = $3,"
        " blocked_until = $4 WHERE person = $1",
        who.id,
        step,
        failures,
        second_factor.block_after(failures, now),
    )
    return "wrong" if step is None else "right"


async def _use_code(
    connection: Connection, who: Principal, row: FactorRow, recovery: str, now: datetime
) -> bool:
    if row.blocked_until is not None and now < row.blocked_until:
        return False
    status = await connection.execute(
        "UPDATE config.recovery_code SET used_at = $3 WHERE person = $1 AND hash = $2"
        " AND used_at IS NULL",
        who.id,
        recovery,
        now,
    )
    if status != "UPDATE 1":
        return False
    await record(connection, who, "recovery_code.used", who.id)
    return True


async def _keep_codes(connection: Connection, who: Principal, hashes: Sequence[str]) -> None:
    await connection.execute("DELETE FROM config.recovery_code WHERE person = $1", who.id)
    await connection.executemany(
        "INSERT INTO config.recovery_code (person, hash, account) VALUES ($1, $2, $3)",
        [(who.id, hashed, who.belongs_to) for hashed in hashes],
    )
