"""The schema `fetch`. Ports: Seen."""

from collections.abc import Mapping, Sequence

import msgspec

from postroom_contract.documents import MailboxDocument
from postroom_fetcher.domain.cursor import Cursor
from postroom_runtime.postgres import Database

_FOLLOWED = "SELECT (document->>'serial')::bigint FROM progress WHERE mailbox = $1 AND folder = $2"
_PROGRESS = """
    INSERT INTO progress (mailbox, account, document, folder) VALUES ($1, $2, $3::jsonb, $4)
    ON CONFLICT (mailbox, folder) DO UPDATE
    SET account = excluded.account, document = excluded.document, at = now()
"""
_SEEN = """
    INSERT INTO seen (mailbox, folder, uidvalidity, key, mail, sha256, size, state, reason, title)
    SELECT $1, $2, $3, * FROM unnest(
        $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::text[], $10::text[])
    ON CONFLICT (mailbox, folder, uidvalidity, key) DO UPDATE
    SET state = excluded.state, reason = excluded.reason, sha256 = excluded.sha256,
        size = excluded.size, at = now()
    WHERE seen.state = 'skipped' AND excluded.state = 'stored'
"""
_HAVE = """
    SELECT key FROM seen WHERE mailbox = $1 AND folder = $2 AND uidvalidity = $3
      AND key = ANY($4::text[]) AND state <> 'skipped'
"""
_SPARE = """
    -- A row with a reason was itself only recognised: each stored mail counts once.
    SELECT sha256, count(*) FILTER (WHERE uidvalidity <> $3 AND reason = '')
                 - count(*) FILTER (WHERE uidvalidity = $3) AS spare
    FROM seen WHERE mailbox = $1 AND folder = $2 AND sha256 = ANY($4::text[]) AND state <> 'skipped'
    GROUP BY sha256
"""
_DELETED = """
    -- `at` stays: it says when the mail was stored, by which the ledger tells waiting from missing.
    UPDATE seen SET state = 'deleted'
    WHERE mailbox = $1 AND folder = $2 AND uidvalidity = $3 AND key = ANY($4::text[])
      AND state = 'stored'
"""

_STORED_BEFORE = """
    SELECT key FROM seen WHERE mailbox = $1 AND folder = $2 AND uidvalidity = $3
      AND state = 'stored' AND at < now() - make_interval(days => $4)
    ORDER BY at LIMIT 10000
"""


class PostgresSeen:
    """The ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def follow(self, mailbox: MailboxDocument, folder: str, cursor: Cursor) -> None:
        """Write down what the cursor's last batch did, and the cursor itself."""
        async with self._database.transaction() as connection:
            serial = await connection.fetchval(_FOLLOWED, mailbox.id, folder)
            if serial == cursor.serial:
                return
            last = cursor.last
            if last:
                await connection.execute(
                    _SEEN,
                    mailbox.id,
                    folder,
                    cursor.uidvalidity,
                    [one.key for one in last],
                    [one.mail for one in last],
                    [one.sha256 for one in last],
                    [one.size for one in last],
                    [one.state for one in last],
                    [one.reason for one in last],
                    [one.title for one in last],
                )
            document = msgspec.json.encode(cursor).decode()
            await connection.execute(_PROGRESS, mailbox.id, mailbox.account, document, folder)

    async def recover(self, mailbox: str, folder: str) -> Cursor | None:
        """Return the cursor as it was last written down."""
        async with self._database.transaction() as connection:
            text = await connection.fetchval(
                "SELECT document::text FROM progress WHERE mailbox = $1 AND folder = $2",
                mailbox,
                folder,
            )
        return msgspec.json.decode(text, type=Cursor) if text else None

    async def spare(
        self, mailbox: str, folder: str, uidvalidity: str, hashes: Sequence[str]
    ) -> Mapping[str, int]:
        """Return how many more mails of each content other UIDVALIDITYs had than this one has."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_SPARE, mailbox, folder, uidvalidity, list(hashes))
        return {row["sha256"]: row["spare"] for row in rows}

    async def have(
        self, mailbox: str, folder: str, uidvalidity: str, keys: Sequence[str]
    ) -> set[str]:
        """Return which of these are stored."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_HAVE, mailbox, folder, uidvalidity, list(keys))
        return {row["key"] for row in rows}

    async def stored_before(
        self, mailbox: str, folder: str, uidvalidity: str, days: int
    ) -> list[str]:
        """Return keys of what was stored more than so many days ago; the oldest of very many."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_STORED_BEFORE, mailbox, folder, uidvalidity, days)
        return [row["key"] for row in rows]

    async def deleted(
        self, mailbox: str, folder: str, uidvalidity: str, keys: Sequence[str]
    ) -> None:
        """Write down that these were deleted on the server."""
        async with self._database.transaction() as connection:
            await connection.execute(_DELETED, mailbox, folder, uidvalidity, list(keys))
