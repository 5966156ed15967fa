"""Grants in the schema `fetch`. Port: Grants."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from postroom_runtime.postgres import Connection, Database

SECONDS: Final = 18.0
"""A provider is asked within 15."""
_ROW: Final = """
    INSERT INTO grants AS g (mailbox, base) VALUES ($1, $2)
    ON CONFLICT (mailbox) DO UPDATE SET base = excluded.base,
        refresh = CASE WHEN g.base = excluded.base THEN g.refresh ELSE '' END,
        access = CASE WHEN g.base = excluded.base THEN g.access ELSE '' END,
        expires_at = CASE WHEN g.base = excluded.base THEN g.expires_at END
    RETURNING refresh, access, expires_at
"""
"""Locks the row, too: whoever comes second waits, and finds what the first has stored."""


class PostgresHeld:
    """One row, locked."""

    def __init__(
        self,
        connection: Connection,
        mailbox: str,
        refresh: str,
        access: str,
        expires_at: datetime | None,
    ) -> None:
        self._connection = connection
        self._mailbox = mailbox
        self.refresh = refresh
        self.access = access
        self.expires_at = expires_at

    async def keep(self, refresh: str, access: str, expires_at: datetime) -> None:
        """Store what a provider gave."""
        await self._connection.execute(
            "UPDATE grants SET refresh = $2, access = $3, expires_at = $4, at = now()"
            " WHERE mailbox = $1",
            self._mailbox,
            refresh,
            access,
            expires_at,
        )


class PostgresGrants:
    """The table `grants`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def holding(self, mailbox: str, base: str) -> AsyncIterator[PostgresHeld]:
        """Give what is stored for a mailbox and its grant `base`, to one at a time."""
        async with self._database.transaction(seconds=SECONDS) as connection:
            row = await connection.fetchrow(_ROW, mailbox, base)
            assert row is not None, "an upsert returns its row"
            yield PostgresHeld(
                connection, mailbox, row["refresh"], row["access"], row["expires_at"]
            )

    async def forget(self, mailboxes: Sequence[str]) -> None:
        """Delete what is stored for these mailboxes."""
        async with self._database.transaction() as connection:
            await connection.execute("DELETE FROM grants WHERE mailbox = ANY($1)", list(mailboxes))
