"""Who may: the only way of a request to the database.

Law: every transaction of a request says first who asks, and in which role (config.act_as), so that
row level security shows it the rows of that account, and to who does not manage it only their own;
without it there are no rows.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from postroom_api.domain.values import Principal
from postroom_api.ports import NulError
from postroom_runtime.postgres import Connection, Database

_ACT_AS = "SELECT config.act_as($1, $2, $3, $4)"


class Access:
    """Transactions under the login `app`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def account(self, account: str) -> AsyncIterator[Connection]:
        """Give a transaction that sees one account: for steps of ours that follow a request."""
        async with self._as(account, None, None, "administrator") as connection:
            yield connection

    @asynccontextmanager
    async def principal(self, principal: Principal) -> AsyncIterator[Connection]:
        """Give a transaction that sees what this principal may see."""
        who = principal
        async with self._as(who.account, who.id, None, who.role) as connection:
            yield connection

    @asynccontextmanager
    async def home(self, principal: Principal) -> AsyncIterator[Connection]:
        """Give a transaction in the account they belong to, wherever they are at work."""
        who = principal
        async with self._as(who.belongs_to, who.id, None, who.role) as connection:
            yield connection

    @asynccontextmanager
    async def credential(self, credential: str) -> AsyncIterator[Connection]:
        """Give a transaction that sees the one row this credential opens (signing in)."""
        async with self._as(None, None, credential, None) as connection:
            yield connection

    async def become(
        self, connection: Connection, account: str, person: str, role: str | None = None
    ) -> None:
        """Go on in this transaction as somebody whom a credential has shown to be there."""
        await connection.execute(_ACT_AS, account, person, None, role)

    @asynccontextmanager
    async def _as(self, *who: str | None) -> AsyncIterator[Connection]:
        async def prepare(connection: Connection) -> None:
            await connection.execute(_ACT_AS, *who)

        try:
            async with self._database.transaction(prepare) as connection:
                yield connection
        except (
            asyncpg.CharacterNotInRepertoireError,  # in a text
            asyncpg.UntranslatableCharacterError,  # in JSON
        ) as error:
            raise NulError(str(error)) from error
