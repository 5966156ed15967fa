"""Long work: begun, ended, found again for a day."""

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from postroom_api.domain.operations import Operation
from postroom_api.domain.values import Principal
from postroom_api.postgres.access import Access

KEPT: Final = timedelta(days=1)
_SELECT: Final = "SELECT id, kind, about, state, result, created_at, ended_at FROM config.operation"


class Operations:
    """Rows of config.operation; everybody sees their own, who manages the account all."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def begin(
        self,
        who: Principal,
        operation: str,
        kind: str,
        about: str,
        now: datetime,
        known: object = None,
    ) -> Operation:
        """Note that something was begun; what is older than a day is forgotten.

        `known` stands as the result until there is one.
        """
        async with self._access.principal(who) as connection:
            await connection.execute(
                "DELETE FROM config.operation WHERE account = $1 AND created_at < $2",
                who.account,
                now - KEPT,
            )
            await connection.execute(
                "INSERT INTO config.operation (id, account, person, kind, about, state, created_at,"
                " result) VALUES ($1, $2, $3, $4, $5, 'running', $6, $7::jsonb)",
                operation,
                who.account,
                who.id,
                kind,
                about,
                now,
                msgspec.json.encode({} if known is None else known).decode(),
            )
            return _operation(await connection.fetchrow(f"{_SELECT} WHERE id = $1", operation))

    async def tell(self, who: Principal, operation: str, result: object) -> None:
        """Note how far it is."""
        async with self._access.principal(who) as connection:
            await connection.execute(
                "UPDATE config.operation SET result = $2::jsonb"
                " WHERE id = $1 AND state = 'running'",
                operation,
                msgspec.json.encode(result).decode(),
            )

    async def end(
        self, who: Principal, operation: str, result: object, *, well: bool, now: datetime
    ) -> None:
        """Note how it ended."""
        async with self._access.principal(who) as connection:
            await connection.execute(
                "UPDATE config.operation SET state = $2, result = $3::jsonb, ended_at = $4"
                " WHERE id = $1",
                operation,
                "done" if well else "failed",
                msgspec.json.encode(result).decode(),
                now,
            )

    async def one(self, who: Principal, operation: str) -> Operation | None:
        """Return an operation, or None."""
        async with self._access.principal(who) as connection:
            row = await connection.fetchrow(f"{_SELECT} WHERE id = $1", operation)
        return _operation(row) if row else None


def _operation(row: Any) -> Operation:
    values = dict(row)
    return Operation(**{**values, "result": msgspec.json.decode(values["result"])})
