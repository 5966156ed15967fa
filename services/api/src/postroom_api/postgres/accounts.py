"""Accounts, as administrators keep them; row level security shows them to nobody else."""

from datetime import datetime
from typing import Any, Final

import msgspec

from postroom_api.domain.values import Principal
from postroom_api.ports import StaleError
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record

_COLUMNS: Final = "id, name, is_default, created_at, version"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An organisation of its own: nothing of it is seen from another."""

    id: str
    name: str
    is_default: bool
    created_at: datetime
    version: int
    """Grows with each change; what `ETag` says."""


class Accounts:
    """Reads and writes accounts, each change with its audit in one transaction."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def all(self, who: Principal) -> list[Account]:
        """Return all accounts that are not being removed."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                f"SELECT {_COLUMNS} FROM config.account WHERE removed_at IS NULL"  # noqa: S608 - constant
                " ORDER BY is_default DESC, name, id"
            )
        return [Account(**dict(row)) for row in rows]

    async def one(self, who: Principal, account: str) -> Account | None:
        """Return an account, or None."""
        async with self._access.principal(who) as connection:
            row: Any = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM config.account WHERE id = $1 AND removed_at IS NULL",  # noqa: S608 - constant
                account,
            )
        return Account(**dict(row)) if row else None

    async def create(self, who: Principal, account: str, name: str) -> None:
        """Make an account."""
        async with self._access.home(who) as connection:
            await connection.execute(
                "INSERT INTO config.account (id, name) VALUES ($1, $2)", account, name
            )
            await record(connection, who, "account.created", account, name=name)

    async def rename(
        self, who: Principal, account: str, name: str, version: int | None = None
    ) -> bool:
        """Give an account another name; False when there is none.

        StaleError when it has no longer this version.
        """
        async with self._access.home(who) as connection:
            row = await connection.fetchrow(
                "SELECT name, version FROM config.account WHERE id = $1 AND removed_at IS NULL"
                " FOR UPDATE",
                account,
            )
            if row is None:
                return False
            if version is not None and row["version"] != version:
                raise StaleError
            before = row["name"]
            await connection.execute(
                "UPDATE config.account SET name = $2 WHERE id = $1", account, name
            )
            await record(connection, who, "account.renamed", account, name=[before, name])
        return True

    async def remove(self, who: Principal, account: str, now: datetime) -> bool:
        """Close an account: nobody comes in any more; what is there goes in the background.

        False when there is none, or it is the default account.
        """
        async with self._access.home(who) as connection:
            name = await connection.fetchval(
                "UPDATE config.account SET removed_at = $2 WHERE id = $1 AND removed_at IS NULL"
                " AND NOT is_default RETURNING name",
                account,
                now,
            )
            if name is None:
                return False
            await record(connection, who, "account.removed", account, name=name)
            await self._access.become(connection, account, who.id, who.role)
            for table in ("session", "token", "link"):
                await connection.execute(
                    f"DELETE FROM config.{table} WHERE account = $1",  # noqa: S608 - constants
                    account,
                )
            await connection.execute(
                "UPDATE config.person SET state = 'deactivated' WHERE account = $1", account
            )
        return True

    async def enter(self, who: Principal, account: str | None) -> None:
        """Let a session be at work in another account; None = at home again."""
        async with self._access.home(who) as connection:
            await connection.execute(
                "UPDATE config.session SET acting = $2 WHERE id = $1", who.session, account
            )
            action = "account.entered" if account else "account.left"
            await record(connection, who, action, account or who.account)
