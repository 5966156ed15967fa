"""What is left of an account that is being removed, under the login `worker`.

Laws: no request handler imports this module (import-linter): it bypasses row level security. Each
step may be repeated. Every table with an `account` stands in one of the lists below (a test looks).
"""

from datetime import datetime
from typing import Final

import msgspec

from postroom_runtime.postgres import Connection, Database

NOTED: Final = (
    ("address", "'address ' || address"),
    ("rule", "'rule ' || scope || ' ' || id"),
    ("ruleset", "'ruleset ' || scope"),
    ("mailbox_share", None),
    ("mailbox", "'mailbox ' || id"),
    ("dkim_key", None),
    ("domain", "'domain ' || domain"),
    ("submission_password", "'submission ' || login"),
    ("suppression", "'suppressed ' || account || ' ' || address"),
    ("hold", "'hold ' || account || ' ' || domain"),
    ("spam_filter", "'spam ' || account"),
)
"""Configuration, in an order in which it can go, with the note that makes its deletion known."""
LARGE: Final = (
    "message", "delivery", "set_aside", "mailbox_check", "refusal", "webhook_call", "ticket_mail",
    "auto_answer", "rule_hit",
)  # fmt: skip
"""Projections: they may be large, and are deleted piece by piece."""
REST: Final = (
    "rule_example", "rule_version", "ticket", "webhook", "notice", "operation", "setup",
    "address_failure", "deleted_mailbox", "idempotency", "forum", "connect_link",
    "mail_service", "mailbox_summary", "mailbox_word",
    "recovery_code", "second_factor", "link", "token", "session", "person", "audit",
)  # fmt: skip
PIECE: Final = 2_000


class ClosedAccount(msgspec.Struct, frozen=True):
    """An account that was removed, and when."""

    id: str
    removed_at: datetime


class RemovalRows:
    """Deletes the rows of closed accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def closed(self) -> list[ClosedAccount]:
        """Return the accounts whose removal has not come to its end."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(
                "SELECT id, removed_at FROM config.account WHERE removed_at IS NOT NULL ORDER BY id"
            )
        return [ClosedAccount(**dict(row)) for row in rows]

    async def delete_configuration(self, account: str) -> None:
        """Delete what the services follow, and note it: they hear of it by the outbox."""
        async with self._database.transaction(seconds=20) as connection:
            for table, key in NOTED:
                if key is not None:
                    await connection.execute(
                        f"INSERT INTO config.outbox (key) SELECT {key} FROM config.{table}"  # noqa: S608 - constants
                        " WHERE account = $1",
                        account,
                    )
                await _delete(connection, table, account)

    async def delete_rest(self, account: str) -> None:
        """Delete all other rows, but not the account's own."""
        for table in LARGE:
            while await self._delete_piece(table, account):
                pass
        async with self._database.transaction(seconds=20) as connection:
            for table in REST:
                await _delete(connection, table, account)

    async def _delete_piece(self, table: str, account: str) -> bool:
        async with self._database.transaction() as connection:
            status = await connection.execute(
                f"DELETE FROM config.{table} WHERE ctid = ANY(ARRAY("  # noqa: S608 - constants
                f"SELECT ctid FROM config.{table} WHERE account = $1 LIMIT {PIECE}))",
                account,
            )
        return bool(status != "DELETE 0")

    async def forget(self, account: str) -> None:
        """Delete the account's own row: the removal is done."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "DELETE FROM config.account WHERE id = $1 AND removed_at IS NOT NULL", account
            )


async def _delete(connection: Connection, table: str, account: str) -> None:
    await connection.execute(
        f"DELETE FROM config.{table} WHERE account = $1",  # noqa: S608 - constants
        account,
    )
