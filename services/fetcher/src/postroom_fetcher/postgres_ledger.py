"""Reading the ledger, for those who ask. Port: Books."""

from datetime import UTC, datetime

import msgspec

from postroom_contract.ledger import (
    MOST_IDS,
    Ledger,
    Left,
    ListStored,
    ReadLedger,
    StoredMail,
    StoredMails,
)
from postroom_runtime.errors import RefusedError
from postroom_runtime.postgres import Database

_COUNTS = """
    SELECT count(*) AS seen,
        count(*) FILTER (WHERE state <> 'skipped' AND reason = '') AS stored,
        count(*) FILTER (WHERE state <> 'skipped' AND reason <> '') AS recognised,
        count(*) FILTER (WHERE state = 'skipped') AS "left",
        count(*) FILTER (WHERE state = 'deleted') AS deleted,
        (SELECT max(at) FROM progress WHERE mailbox = $1) AS checked_at
    FROM seen WHERE mailbox = $1
"""
_LEFT = """
    SELECT folder, key, size, reason, title, at, mail FROM seen
    WHERE mailbox = $1 AND state = 'skipped' AND ($2::timestamptz IS NULL OR (at, mail) < ($2, $3))
    ORDER BY at DESC, mail DESC LIMIT $4
"""
_OF_LEFT = ("folder", "key", "size", "reason", "title", "at")
_STORED = """
    SELECT mail, at, mailbox FROM seen
    WHERE {whose} AND mail > $2 AND state <> 'skipped' AND reason = ''
    ORDER BY mail LIMIT $3
"""
_OF_ONE = _STORED.format(whose="mailbox = $1")
_SINCE = _STORED.format(whose="at >= $1")


class PostgresLedger:
    """Answers from the schema `fetch`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, question: ReadLedger) -> Ledger:
        """Return counts and a page; RefusedError for a cursor that is none."""
        at, id_ = _position(question.cursor)
        async with self._database.transaction() as connection:
            (counts,) = await connection.fetch(_COUNTS, question.mailbox)
            rows = await connection.fetch(_LEFT, question.mailbox, at, id_, question.limit + 1)
        page, more = rows[: question.limit], len(rows) > question.limit
        return Ledger(
            **dict(counts),
            lying=tuple(
                msgspec.convert({name: r[name] for name in _OF_LEFT}, type=Left) for r in page
            ),
            next_cursor=f"{page[-1]['at'].isoformat()} {page[-1]['mail']}" if more else None,
        )

    async def stored(self, question: ListStored) -> StoredMails:
        """Return the next mails in the order of their ids."""
        async with self._database.transaction() as connection:
            if question.mailbox is not None:
                rows = await connection.fetch(_OF_ONE, question.mailbox, question.after, MOST_IDS)
            else:
                since = question.since or datetime.min.replace(tzinfo=UTC)
                rows = await connection.fetch(_SINCE, since, question.after, MOST_IDS)
        return StoredMails(
            mails=tuple(StoredMail(row["mail"], row["at"], row["mailbox"]) for row in rows)
        )


def _position(cursor: str | None) -> tuple[datetime | None, str]:
    if cursor is None:
        return None, ""
    at, _, id_ = cursor.partition(" ")
    try:
        return datetime.fromisoformat(at), id_
    except ValueError:
        raise RefusedError("this cursor was not given here") from None
