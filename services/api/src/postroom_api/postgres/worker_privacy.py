"""Mail of mailboxes that keep no text, or no raw mail, under the login `worker`.

Law: no request handler imports this module (import-linter): it bypasses row level security.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from postroom_contract.codec import encode
from postroom_contract.commands import MailReference
from postroom_contract.events import MailSorted
from postroom_contract.mail import Pointer
from postroom_contract.textless import without_text
from postroom_runtime.postgres import Connection, Database

AT_ONCE: Final = 500
_SETTINGS: Final = """
    SELECT id, index_text, keep_raw FROM config.mailbox
    WHERE id = ANY($1::text[]) AND NOT (index_text AND keep_raw)
    UNION ALL SELECT mailbox, (row ->> 'index_text')::boolean, (row ->> 'keep_raw')::boolean
    FROM config.deleted_mailbox WHERE mailbox = ANY($1::text[])
"""
_FREE: Final = """
    SELECT m.id, m.account, m.mailbox, m.stream, m.sequence, m.envelope_sender
    FROM config.message m
    WHERE m.raw_due AND m.quarantined_until IS NULL AND ($1::text[] IS NULL OR m.id = ANY($1))
    AND NOT EXISTS (SELECT 1 FROM config.mailbox b WHERE b.id = m.mailbox AND b.keep_raw)
    AND NOT EXISTS (SELECT 1 FROM config.set_aside s WHERE s.mail = m.id AND s.mail <> ''
        AND s.discarded_at IS NULL AND (s.redone_at IS NULL OR s.redone_at > $2))
    AND NOT EXISTS (SELECT 1 FROM config.outbox o
        WHERE o.key IN ('released ' || m.id, 'training ' || m.id))
    ORDER BY m.sequence LIMIT $3
"""


class Kept(msgspec.Struct, frozen=True):
    """What a mailbox keeps of its mail."""

    index_text: bool = True
    keep_raw: bool = True


class Emptying(msgspec.Struct, frozen=True, kw_only=True):
    """A mailbox that keeps less than it did, with mail from before."""

    id: str
    account: str
    kept: Kept
    since: datetime


class Place(msgspec.Struct, frozen=True):
    """How far a walk through a mailbox has come, from its newest mail on."""

    received_at: datetime
    id: str


class Unkept(msgspec.Struct, frozen=True):
    """A mail whose bytes are to go."""

    account: str
    mail: MailReference


async def kept_of(connection: Connection, mailboxes: Iterable[str]) -> dict[str, Kept]:
    """Return what mailboxes keep, of those that do not keep everything."""
    rows: Any = await connection.fetch(_SETTINGS, list(set(mailboxes)))
    return {row["id"]: Kept(row["index_text"], row["keep_raw"]) for row in rows}


class PrivacyRows:
    """Finds what is to be emptied, and empties it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def emptying(self) -> list[Emptying]:
        """Return the mailboxes with mail from before they were told to keep less."""
        async with self._database.transaction() as connection:
            rows: Any = await connection.fetch(
                "SELECT id, account, index_text, keep_raw, emptying_since FROM config.mailbox"
                " WHERE emptying_since IS NOT NULL ORDER BY emptying_since LIMIT $1",
                AT_ONCE,
            )
        return [
            Emptying(
                id=row["id"],
                account=row["account"],
                kept=Kept(row["index_text"], row["keep_raw"]),
                since=row["emptying_since"],
            )
            for row in rows
        ]

    async def empty(self, box: Emptying, after: Place | None) -> Place | None:
        """Empty the next mails of a mailbox, and return how far that is; None: there are none."""
        async with self._database.transaction(seconds=30) as connection:
            rows: Any = await connection.fetch(
                "SELECT id, received_at, event FROM config.message"
                " WHERE account = $1 AND mailbox = $2 AND ($3::timestamptz IS NULL OR"
                " (received_at, id) < ($3, $4)) AND erased_at IS NULL"
                " ORDER BY received_at DESC, id DESC LIMIT $5 FOR UPDATE",
                box.account,
                box.id,
                after.received_at if after else None,
                after.id if after else "",
                AT_ONCE,
            )
            if not rows:
                return None
            names = [row["id"] for row in rows]
            if not box.kept.index_text:
                await _take_text(connection, box.account, rows)
            if not box.kept.keep_raw:
                await connection.execute(
                    "UPDATE config.message SET raw_due = true WHERE id = ANY($1) AND NOT raw_due",
                    names,
                )
        return Place(rows[-1]["received_at"], rows[-1]["id"])

    async def emptied(self, box: Emptying) -> None:
        """Note that nothing is left to do, unless it was told something else meanwhile."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "UPDATE config.mailbox SET emptying_since = NULL"
                " WHERE id = $1 AND emptying_since = $2",
                box.id,
                box.since,
            )

    async def unkept(
        self, redone_before: datetime, among: Sequence[str] | None = None
    ) -> list[Unkept]:
        """Return mails whose bytes are to go, the first that came first; none that wait.

        One waits in quarantine, while a command of the api about it is not published yet, and as
        long as what was set aside of it is not settled: discarded, or tried again before a time.
        """
        async with self._database.transaction(seconds=20) as connection:
            rows: Any = await connection.fetch(_FREE, among, redone_before, AT_ONCE)
        return [
            Unkept(
                row["account"],
                MailReference(
                    id=row["id"],
                    mailbox=row["mailbox"],
                    raw=Pointer(row["stream"], row["sequence"]),
                    envelope_sender=row["envelope_sender"],
                ),
            )
            for row in rows
        ]

    async def gone(self, mails: Sequence[str]) -> None:
        """Note that the bytes of these mails are gone."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "UPDATE config.message SET raw_due = false WHERE id = ANY($1)", list(mails)
            )


async def _take_text(connection: Connection, account: str, rows: Sequence[Any]) -> None:
    """Take the text out of rows of the log, and of what is told to webhooks."""
    changed = []
    for row in rows:
        event = msgspec.json.decode(row["event"], type=MailSorted)
        if (textless := without_text(event)) != event:
            changed.append((row["id"], encode(textless).decode()))
    await connection.executemany("UPDATE config.message SET event = $2 WHERE id = $1", changed)
    await connection.execute(
        "UPDATE config.webhook_call SET"
        """ body = jsonb_set(body::jsonb, '{data,preview}', '""', false)::text"""
        " WHERE account = $1 AND mail = ANY($2)",
        account,
        [row["id"] for row in rows],
    )
