"""Who may: the only way of a request to the database.

Law: every transaction of a request says first who asks (config.act_as), so that row level security
shows it the rows of that account and no others; without it there are no rows.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from postroom_api.domain.values import Principal
from postroom_runtime.postgres import Connection, Database

_ACT_AS = "SELECT config.act_as($1, $2, $3)"


class Access:
    """Transactions under the login `app`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def account(self, account: str, user: str | None = None) -> AsyncIterator[Connection]:
        """Give a transaction that sees one account."""

        async def prepare(connection: Connection) -> None:
            await connection.execute(_ACT_AS, account, user, None)

        async with self._database.transaction(prepare) as connection:
            yield connection

    @asynccontextmanager
    async def principal(self, principal: Principal) -> AsyncIterator[Connection]:
        """Give a transaction that sees what this principal may see."""
        async with self.account(principal.account, principal.id) as connection:
            yield connection

    @asynccontextmanager
    async def credential(self, credential: str) -> AsyncIterator[Connection]:
        """Give a transaction that sees the one row this credential opens (signing in)."""

        async def prepare(connection: Connection) -> None:
            await connection.execute(_ACT_AS, None, None, credential)

        async with self._database.transaction(prepare) as connection:
            yield connection
