"""What is to be done to mails on their servers. Port: Arranged."""

from collections.abc import Sequence

from postroom_contract.commands import ArrangeMail
from postroom_fetcher.domain.arrangement import Arrangement
from postroom_runtime.postgres import Database

_ADD = """
    INSERT INTO arranged (command, mailbox, folder, uidvalidity, key, flags, move_to)
    SELECT $1, mailbox, folder, uidvalidity, key, $4::text[], $5 FROM seen
    WHERE mailbox = $2 AND mail = $3 AND state <> 'skipped' AND reason = ''
    ON CONFLICT (command) DO NOTHING
"""
_OPEN = """
    SELECT command, folder, uidvalidity, key, flags, move_to FROM arranged
    WHERE mailbox = $1 AND done_at IS NULL ORDER BY at LIMIT 2000
"""


class PostgresArranged:
    """Rows of `arranged`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, command: ArrangeMail) -> bool | None:
        """Note what is wanted; return whether it is open, None when the mail is not known (yet)."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "DELETE FROM arranged WHERE done_at < now() - interval '1 day'"
            )
            await connection.execute(
                _ADD,
                command.id,
                command.mail.mailbox,
                command.mail.id,
                list(command.flags),
                command.move_to,
            )
            found = await connection.fetch(
                "SELECT done_at IS NULL AS open FROM arranged WHERE command = $1", command.id
            )
        return found[0]["open"] if found else None

    async def open(self, mailbox: str) -> list[Arrangement]:
        """Return what is open of a mailbox, in order; of very much a part."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_OPEN, mailbox)
        return [
            Arrangement(
                command=row["command"], folder=row["folder"], uidvalidity=row["uidvalidity"],
                key=row["key"], flags=tuple(row["flags"]), move_to=row["move_to"],
            )
            for row in rows
        ]  # fmt: skip

    async def done(self, commands: Sequence[str]) -> None:
        """Write down that these need nothing more."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "UPDATE arranged SET done_at = now() WHERE command = ANY($1::text[])",
                list(commands),
            )

    async def forget(self, mailboxes: Sequence[str]) -> None:
        """Delete what is held for these mailboxes."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "DELETE FROM arranged WHERE mailbox = ANY($1::text[])", list(mailboxes)
            )
