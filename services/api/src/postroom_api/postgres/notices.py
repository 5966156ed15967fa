"""Notices that wait to be sent, with whom they go to (login `worker`)."""

from datetime import datetime

import msgspec

from postroom_runtime.postgres import Database


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One notice; `to` has the owner's address, else the administrators'."""

    id: str
    account: str
    mailbox: str
    mailbox_name: str
    kind: str
    state: str
    words: str
    created_at: datetime
    to: list[str]


class Notices:
    """Rows of config.notice across accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def unsent(self) -> list[Notice]:
        """Return the oldest unsent ones; those of mailboxes that are gone are forgotten."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "DELETE FROM config.notice n WHERE sent_at IS NULL AND NOT EXISTS"
                " (SELECT 1 FROM config.mailbox m WHERE m.id = n.mailbox)"
            )
            rows = await connection.fetch(
                "SELECT n.id, n.account, n.mailbox, m.name AS mailbox_name, n.kind, n.state,"
                " n.words, n.created_at, array(SELECT p.email FROM config.person p"
                "  WHERE p.id = m.owner OR (p.account = n.account AND p.role IN"
                "  ('administrator', 'account_administrator')) ORDER BY p.email) AS \"to\""
                " FROM config.notice n JOIN config.mailbox m ON m.id = n.mailbox"
                " WHERE n.sent_at IS NULL ORDER BY n.created_at LIMIT 50"
            )
        return [Notice(**{**dict(row), "to": list(row["to"])}) for row in rows]

    async def sent(self, notice: str, now: datetime) -> None:
        """Note that a notice is on its way."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "UPDATE config.notice SET sent_at = $2 WHERE id = $1", notice, now
            )
