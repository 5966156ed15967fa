"""Taking away what mails said, under the login `worker`.

Law: no request handler imports this module (import-linter): it bypasses row level security.
"""

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from postroom_api.domain.erasing import tombstone
from postroom_contract.codec import encode
from postroom_contract.commands import MailReference
from postroom_contract.events import MailSorted
from postroom_contract.mail import Pointer
from postroom_runtime.postgres import Database

AT_ONCE: Final = 100


class Doomed(msgspec.Struct, frozen=True, kw_only=True):
    """A mail whose time has come."""

    account: str
    mail: MailReference
    taught: bool
    """The filter was taught of it."""


class ErasingRows:
    """Finds what has to go, and makes tombstones of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, now: datetime, undo: timedelta) -> list[Doomed]:
        """Return mails deleted longer ago than `undo`, or that are to be erased; none that wait.

        They cannot be brought back from here on. A mail that was set aside and only deleted waits
        until that is settled.
        """
        async with self._database.transaction(seconds=20) as connection:
            rows: list[Any] = await connection.fetch(
                "UPDATE config.message SET erasing_at = coalesce(erasing_at, $1)"
                " WHERE id = ANY(ARRAY(SELECT id FROM config.message m"
                " WHERE deleted_at IS NOT NULL AND erased_at IS NULL"
                " AND (erasing_at <= $1 OR (deleted_at < $2 AND NOT EXISTS (SELECT 1 FROM"
                " config.set_aside s WHERE s.original_stream = m.stream"
                " AND s.original_sequence = m.sequence AND s.redone_at IS NULL"
                " AND s.discarded_at IS NULL)))"
                " ORDER BY erasing_at NULLS LAST, deleted_at LIMIT $3))"
                " RETURNING id, account, mailbox, stream, sequence, envelope_sender,"
                " trained IS NOT NULL OR trained_at IS NOT NULL OR trained_by <> '' AS taught",
                now,
                now - undo,
                AT_ONCE,
            )
        return [
            Doomed(
                account=row["account"],
                mail=MailReference(
                    id=row["id"],
                    mailbox=row["mailbox"],
                    raw=Pointer(row["stream"], row["sequence"]),
                    envelope_sender=row["envelope_sender"],
                ),
                taught=row["taught"],
            )
            for row in rows
        ]

    async def bury(self, one: Doomed, now: datetime) -> None:
        """Make a tombstone of the row, and take what was made of it; again is as once."""
        name = one.mail.id
        async with self._database.transaction() as connection:
            row: Any = await connection.fetchrow(
                "SELECT event FROM config.message WHERE id = $1 AND erasing_at IS NOT NULL"
                " AND erased_at IS NULL FOR UPDATE",
                name,
            )
            if row is None:
                return
            event = tombstone(msgspec.json.decode(row["event"], type=MailSorted))
            await connection.execute(
                "UPDATE config.message SET erased_at = $2, event = $3, subject = '',"
                " from_name = '', from_address = '', envelope_sender = '', recipient = '',"
                " tags = '{}', spam_rating = NULL, spam = NULL, trained = NULL, trained_by = '',"
                " trained_at = NULL, quarantined_until = NULL, unlearning = $4 WHERE id = $1",
                name,
                now,
                encode(event).decode(),
                one.taught,
            )
            for table in ("webhook_call", "auto_answer", "rule_example"):
                await connection.execute(
                    f"DELETE FROM config.{table} WHERE account = $1 AND mail = $2",  # noqa: S608 - constants
                    one.account,
                    name,
                )

    async def unlearnt(self, before: datetime) -> list[tuple[str, str]]:
        """Return (account, mail) of those whose training was taken back before a time."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(
                "SELECT account, id FROM config.message WHERE unlearning AND erased_at < $1"
                " ORDER BY erased_at LIMIT $2",
                before,
                AT_ONCE,
            )
        return [(row["account"], row["id"]) for row in rows]

    async def forgotten(self, mail: str) -> None:
        """Note that nothing is left of what the filter was taught of a mail."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "UPDATE config.message SET unlearning = false WHERE id = $1", mail
            )
