"""Copies and how they fare.

Law: what an attempt ends with is final; only a mail that tells of the copy turns it, into bounced
or complained, and nothing turns a complaint.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from postroom_contract.events import DeliveryResult
from postroom_forum_bridge.domain.authority import Delivery
from postroom_forum_bridge.domain.returns import STATES, Return
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

    async def returned(self, serial: int, mail: str, told: Return, now: datetime) -> bool:
        """Write down what a mail told, once; return whether it changed the copy."""
        state = STATES.get(told.kind)
        async with self._database.transaction(seconds=self._seconds) as connection:
            fresh = await connection.fetchval(
                "INSERT INTO forum.bounce (mail, delivery, at, kind, status, words)"
                " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING mail",
                mail,
                serial,
                now,
                told.kind,
                told.status,
                told.words.replace("\0", ""),
            )
            if fresh is None or state is None:
                return False
            changed = await connection.fetchval(
                "UPDATE forum.delivery SET state = $3, reply = $4, updated_at = $2"
                " WHERE serial = $1 AND state <> 'complained' RETURNING serial",
                serial,
                now,
                state,
                told.words.replace("\0", "")[:MAX_REPLY],
            )
            if changed is None:
                return False
            await connection.execute(
                "INSERT INTO forum.outbox (key) VALUES ('returned ' || $1::text)", mail
            )
        return True
