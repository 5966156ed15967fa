"""The protocol log in the schema `fetch`. Port: Log."""

from collections.abc import Sequence
from datetime import datetime

from postroom_contract.conversations import Conversation, Conversations, ReadConversations
from postroom_runtime.postgres import Database

_KEEP = """
    INSERT INTO conversation (mailbox, failed, at, error, lines)
    VALUES ($1, $2, $3, $4, $5::text[])
    ON CONFLICT (mailbox, failed) DO UPDATE
    SET at = excluded.at, error = excluded.error, lines = excluded.lines
"""


class PostgresConversations:
    """Two rows a mailbox at most."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, mailbox: str, at: datetime, error: str, lines: Sequence[str]) -> None:
        """Keep this in place of the last that ended alike."""
        kept = [line.replace("\x00", " ") for line in lines]
        async with self._database.transaction() as connection:
            await connection.execute(_KEEP, mailbox, bool(error), at, error, kept)

    async def read(self, question: ReadConversations) -> Conversations:
        """Return what is kept, the newest first."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(
                "SELECT at, error, lines FROM conversation WHERE mailbox = $1 ORDER BY at DESC",
                question.mailbox,
            )
        return Conversations(
            conversations=tuple(
                Conversation(at=row["at"], error=row["error"], lines=tuple(row["lines"]))
                for row in rows
            )
        )

    async def forget(self, mailboxes: Sequence[str]) -> None:
        """Delete what is kept of these."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "DELETE FROM conversation WHERE mailbox = ANY($1::text[])", list(mailboxes)
            )
