"""Copies and how they fare.

Law: delivered, failed and captured are final; only a mail that came back turns one of them, into
failed.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from postroom_contract.events import DeliveryResult
from postroom_forum_bridge.domain.authority import Delivery
from postroom_runtime.postgres import Database

MAX_REPLY: Final = 500


class PostgresDeliveries:
    """Port `Deliveries`."""

    def __init__(self, database: Database, seconds: float) -> None:
        self._database = database
        self._seconds = seconds

    async def find(self, serial: int) -> Delivery | None:
        """Return a copy."""
        async with self._database.transaction(seconds=self._seconds) as connection:
            row = await connection.fetchrow(
                "SELECT d.serial, f.account, f.id AS forum, f.address AS forum_address,"
                " d.post, p.message_id, d.member, d.address FROM forum.delivery d"
                " JOIN forum.post p ON p.id = d.post JOIN forum.forum f ON f.id = p.forum"
                " WHERE d.serial = $1",
                serial,
            )
        return Delivery(**dict(row)) if row else None

    async def report(self, account: str, post: str, results: Sequence[DeliveryResult]) -> None:
        """Write down the results of an attempt; a final state stays."""
        async with self._database.transaction(seconds=self._seconds) as connection:
            await connection.execute(
                "UPDATE forum.delivery d SET state = r.state, reply = r.reply, updated_at = now()"
                " FROM unnest($3::bigint[], $4::text[], $5::text[]) AS r (serial, state, reply),"
                " forum.post p, forum.forum f"
                " WHERE d.serial = r.serial AND d.post = $2 AND p.id = d.post AND f.id = p.forum"
                " AND f.account = $1 AND d.state IN ('pending', 'deferred')",
                account,
                post,
                [one.serial for one in results],
                [one.state for one in results],
                [one.reply.replace("\0", "")[:MAX_REPLY] for one in results],
            )

    async def bounce(self, serial: int, mail: str, now: datetime) -> None:
        """Write down that a mail came back."""
        async with self._database.transaction(seconds=self._seconds) as connection:
            await connection.execute(
                "INSERT INTO forum.bounce (mail, delivery, at) VALUES ($1, $2, $3)"
                " ON CONFLICT DO NOTHING",
                mail,
                serial,
                now,
            )
            await connection.execute(
                "UPDATE forum.delivery SET state = 'failed', reply = 'bounced', updated_at = $2"
                " WHERE serial = $1",
                serial,
                now,
            )
