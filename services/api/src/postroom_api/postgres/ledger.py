"""Which mails are in the log, and which were set aside."""

from collections.abc import Sequence

import asyncpg

from postroom_api.domain.values import Principal
from postroom_api.postgres.access import Access
from postroom_runtime.postgres import Connection, Database

_OF_ONE = """
    SELECT id, false AS aside FROM config.message WHERE id = ANY($1::text[])
    -- Entries are shown to who manages the account; that a mail is among them, to who asks for it.
    UNION ALL SELECT id, true FROM config.set_aside_among($1::text[]) AS id
"""
_OF_ALL = """
    SELECT id, false AS aside FROM config.message WHERE id = ANY($1::text[])
    UNION ALL SELECT message_id, true FROM config.set_aside WHERE message_id = ANY($1::text[])
"""


async def _found(
    connection: Connection, query: str, ids: Sequence[str]
) -> tuple[set[str], set[str]]:
    rows: list[asyncpg.Record] = await connection.fetch(query, list(ids))
    return {r["id"] for r in rows if not r["aside"]}, {r["id"] for r in rows if r["aside"]}


class LedgerRows:
    """As a principal sees them."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def found(self, who: Principal, ids: Sequence[str]) -> tuple[set[str], set[str]]:
        """Return which of these mails are in the log, and which were set aside."""
        async with self._access.principal(who) as connection:
            return await _found(connection, _OF_ONE, ids)


class AllLedgerRows:
    """Of all accounts."""

    def __init__(self, worker: Database) -> None:
        self._worker = worker

    async def found(self, ids: Sequence[str]) -> tuple[set[str], set[str]]:
        """Return which of these mails are in the log, and which were set aside."""
        async with self._worker.transaction() as connection:
            return await _found(connection, _OF_ALL, ids)

    async def mailboxes(self, ids: Sequence[str]) -> set[str]:
        """Return which of these mailboxes there are."""
        async with self._worker.transaction() as connection:
            rows = await connection.fetch(
                "SELECT id FROM config.mailbox WHERE id = ANY($1::text[])", list(ids)
            )
        return {row["id"] for row in rows}
