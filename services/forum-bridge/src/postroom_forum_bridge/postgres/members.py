"""Who takes part."""

from datetime import datetime

from postroom_contract import forum
from postroom_contract.ids import derived_id
from postroom_forum_bridge.domain.addresses import address_key
from postroom_forum_bridge.ports import ProblemError
from postroom_forum_bridge.postgres.rows import MEMBER, member_of
from postroom_runtime.postgres import Connection, Database

_OF_DELIVERY = f"{MEMBER} JOIN forum.delivery d ON d.member = m.id WHERE d.serial = $1"


class PostgresMembers:
    """Port `Members`."""

    def __init__(self, database: Database, seconds: float) -> None:
        self._database = database
        self._seconds = seconds

    async def add(self, request: forum.AddMember, email: str, now: datetime) -> forum.Member:
        """Let someone take part, again if need be."""
        key = address_key(email)
        async with self._database.transaction(seconds=self._seconds) as connection:
            own = await connection.fetchval(
                "SELECT address FROM forum.forum WHERE id = $1 AND account = $2 FOR SHARE",
                request.forum,
                request.account,
            )
            if own is None:
                raise ProblemError("not_found", "There is no such forum.")
            if own == key:
                raise ProblemError("invalid", "A forum cannot be a member of itself.")
            member = derived_id("mem", request.forum, key)
            before = await connection.fetchrow(
                "SELECT state, version FROM forum.member WHERE id = $1 FOR UPDATE", member
            )
            await connection.execute(
                "INSERT INTO forum.member AS m (id, forum, email, email_key, name, delivery, state,"
                " joined_at) VALUES ($1, $2, $3, $4, $5, $6, 'active', $7)"
                " ON CONFLICT (id) DO UPDATE SET"
                " name = coalesce(nullif(excluded.name, ''), m.name),"
                " delivery = excluded.delivery, email = excluded.email, state = 'active',"
                " joined_at = CASE m.state WHEN 'active' THEN m.joined_at ELSE $7 END,"
                " version = m.version + (m.state = 'left')::integer",
                member,
                request.forum,
                email,
                key,
                request.name,
                request.delivery,
                now,
            )
            if before is None or before["state"] == "left":
                await _note(connection, "joined", member)
            row = await connection.fetchrow(f"{MEMBER} WHERE m.id = $1", member)
            return member_of(row)

    async def by_delivery(self, serial: int) -> forum.Member | None:
        """Return the member that a copy went to."""
        async with self._database.transaction(seconds=self._seconds) as connection:
            row = await connection.fetchrow(_OF_DELIVERY, serial)
            return member_of(row) if row else None

    async def leave(self, serial: int, now: datetime) -> forum.Member | None:
        """Let the member that a copy went to leave; None when there was no such copy."""
        async with self._database.transaction(seconds=self._seconds) as connection:
            left = await connection.fetchval(
                "UPDATE forum.member SET state = 'left', left_at = $2, version = version + 1"
                " WHERE id = (SELECT member FROM forum.delivery WHERE serial = $1)"
                " AND state = 'active' RETURNING id",
                serial,
                now,
            )
            if left is not None:
                await _note(connection, "left", left)
            row = await connection.fetchrow(_OF_DELIVERY, serial)
            return member_of(row) if row else None


async def _note(connection: Connection, what: str, member: str) -> None:
    await connection.execute(
        "INSERT INTO forum.outbox (key)"
        " SELECT concat_ws(' ', $1::text, id, version) FROM forum.member WHERE id = $2",
        what,
        member,
    )
