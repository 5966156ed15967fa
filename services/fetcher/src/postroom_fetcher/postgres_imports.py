"""What of a mailbox's mail is there already, by content. Port: Imports."""

from collections.abc import Sequence

from postroom_contract.documents import MailboxDocument
from postroom_fetcher.domain.cursor import Entry
from postroom_runtime.postgres import Database

FOLDER = "(import)"
"""No folder of a server's is called that by its client; the key is the content's SHA-256."""
_CONTENTS = """
    SELECT DISTINCT sha256 FROM seen
    WHERE mailbox = $1 AND sha256 = ANY($2::text[]) AND state <> 'skipped'
"""
_IMPORTED = """
    INSERT INTO seen (mailbox, folder, uidvalidity, key, mail, sha256, size, state)
    SELECT $1, $2, '', key, mail, key, size, 'stored'
    FROM unnest($3::text[], $4::text[], $5::bigint[]) AS t (key, mail, size)
    ON CONFLICT (mailbox, folder, uidvalidity, key) DO NOTHING
"""


class PostgresImports:
    """The ledger, for mail that came as files."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def contents(self, mailbox: str, digests: Sequence[str]) -> set[str]:
        """Return which of these contents the mailbox has."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_CONTENTS, mailbox, list(digests))
        return {row["sha256"] for row in rows}

    async def imported(self, mailbox: MailboxDocument, entries: Sequence[Entry]) -> None:
        """Write down that these are stored."""
        async with self._database.transaction() as connection:
            await connection.execute(
                _IMPORTED,
                mailbox.id,
                FOLDER,
                [one.key for one in entries],
                [one.mail for one in entries],
                [one.size for one in entries],
            )
