"""Who takes part.

Law: a person is one member of a forum, by the key of their address, whoever added them and however
often they leave and come back; what they may is decided in the transaction of what they do.
"""

from datetime import datetime
from typing import Any, Final

from postroom_contract import forum
from postroom_contract.ids import derived_id
from postroom_contract.membership import ChangeMember, JoinForum, QuitForum, RemoveMember
from postroom_forum_bridge.domain.addresses import address_key
from postroom_forum_bridge.domain.rights import (
    Standing,
    refuse_joining,
    refuse_running,
    role_on_return,
)
from postroom_forum_bridge.ports import ProblemError
from postroom_forum_bridge.postgres.rows import MEMBER, member_of
from postroom_forum_bridge.postgres.standings import find_forum, look, refusal, require
from postroom_runtime.postgres import Connection, Database

_OF_DELIVERY: Final = f"{MEMBER} JOIN forum.delivery d ON d.member = m.id WHERE d.serial = $1"
_ROLES: Final = "Only those who manage the account decide who is a moderator."


class PostgresMembers:
    """Port `Members`."""

    def __init__(self, database: Database, seconds: float) -> None:
        self._database = database
        self._seconds = seconds

    async def add(self, request: forum.AddMember, email: str, now: datetime) -> forum.Member:
        """Let someone take part, again if need be."""
        async with self._database.transaction(seconds=self._seconds) as connection:
            asker = request.asker
            who = await require(connection, request.account, request.forum, asker, refuse_running)
            if request.role is not None and not who.administrator:
                raise ProblemError("forbidden", _ROLES)
            member = await self._lock(connection, request.forum, email)
            before = await _before(connection, member)
            role = request.role or (before["role"] if before and before["active"] else "member")
            await _put(connection, request.forum, email, request.name, request.delivery, role, now)
            await _note_put(connection, member, before, role, request.delivery)
            return await _member(connection, member)

    async def join(self, request: JoinForum, email: str, now: datetime) -> forum.Forum:
        """Let the asker take part by themselves, if they may."""
        async with self._database.transaction(seconds=self._seconds) as connection:
            member = await self._lock(connection, request.forum, email)
            found = await look(connection, request.account, request.forum, request.asker)
            refused = refuse_joining(*found, now) if found is not None else "not_found"
            if refused == "forbidden":
                words = "Nobody joins this forum by themselves: ask those who run it."
                raise ProblemError("forbidden", words)
            if refused is not None or found is None:
                raise refusal("not_found", "forum")
            before = await _before(connection, member)
            delivery = request.delivery or (before["delivery"] if before else "each")
            role = role_on_return(found[1], now)
            await _put(connection, request.forum, email, request.name, delivery, role, now)
            await _note_put(connection, member, before, role, delivery)
            return await _seen(connection, request)

    async def quit(self, request: QuitForum, now: datetime) -> forum.Forum:
        """Let the asker leave; who takes no part (any more) may ask as well."""
        assert request.asker is not None, "the handler has looked"
        key = address_key(request.asker.email)
        async with self._database.transaction(seconds=self._seconds) as connection:
            found = await look(connection, request.account, request.forum, request.asker)
            if found is None:
                raise refusal("not_found", "forum")
            left = await _leave(
                connection, derived_id("mem", request.forum, key), now, removed=False
            )
            if not left and refuse_joining(*found, now) == "not_found":
                raise refusal("not_found", "forum")
            return await _seen(connection, request)

    async def change(self, request: ChangeMember, now: datetime) -> forum.Member:
        """Change a member, if the asker may."""
        async with self._database.transaction(seconds=self._seconds) as connection:
            who, before = await self._managed(connection, request)
            if request.role not in {None, before["role"]} and not who.administrator:
                raise ProblemError("forbidden", _ROLES)
            role, delivery = request.role or before["role"], request.delivery or before["delivery"]
            if (role, delivery) != (before["role"], before["delivery"]):
                await connection.execute(
                    "UPDATE forum.member SET role = $2, delivery = $3, changed_at = $4,"
                    " version = version + 1 WHERE id = $1",
                    request.member,
                    role,
                    delivery,
                    now,
                )
                await _note(connection, "changed", request.member)
            return await _member(connection, request.member)

    async def remove(self, request: RemoveMember, now: datetime) -> forum.Member:
        """End somebody's part, if the asker may."""
        async with self._database.transaction(seconds=self._seconds) as connection:
            who, before = await self._managed(connection, request)
            if before["role"] == "moderator" and not who.administrator:
                raise ProblemError("forbidden", _ROLES)
            await _leave(connection, request.member, now, removed=True)
            return await _member(connection, request.member)

    async def silence(self, account: str, email: str, version: int, *, silent: bool) -> None:
        """Send an address of the account no posts, or again; an older version changes nothing."""
        async with self._database.transaction(seconds=self._seconds) as connection:
            await connection.execute(
                "INSERT INTO forum.silenced AS s (account, email_key, silent, version)"
                " VALUES ($1, $2, $3, $4) ON CONFLICT (account, email_key) DO UPDATE"
                " SET silent = excluded.silent, version = excluded.version"
                " WHERE s.version < excluded.version",
                account,
                address_key(email),
                silent,
                version,
            )

    async def by_delivery(self, serial: int) -> forum.Member | None:
        """Return the member that a copy went to."""
        async with self._database.transaction(seconds=self._seconds) as connection:
            row = await connection.fetchrow(_OF_DELIVERY, serial)
            return member_of(row) if row else None

    async def leave(self, serial: int, now: datetime) -> forum.Member | None:
        """Let the member that a copy went to leave; None when there was no such copy."""
        async with self._database.transaction(seconds=self._seconds) as connection:
            member = await connection.fetchval(
                "SELECT member FROM forum.delivery WHERE serial = $1", serial
            )
            if member is not None:
                await _leave(connection, member, now, removed=False)
            row = await connection.fetchrow(_OF_DELIVERY, serial)
            return member_of(row) if row else None

    async def _lock(self, connection: Connection, name: str, email: str) -> str:
        """Return the member's id, with their row locked and the forum kept; 404 without one."""
        key = address_key(email)
        own = await connection.fetchval(
            "SELECT address FROM forum.forum WHERE id = $1 FOR SHARE", name
        )
        if own is None:
            raise refusal("not_found", "forum")
        if own == key:
            raise ProblemError("invalid", "A forum cannot be a member of itself.")
        member = derived_id("mem", name, key)
        await connection.execute("SELECT 1 FROM forum.member WHERE id = $1 FOR UPDATE", member)
        return member

    async def _managed(
        self, connection: Connection, request: ChangeMember | RemoveMember
    ) -> tuple[Standing, Any]:
        """Return who asks and the active member that they may change."""
        who = await require(
            connection, request.account, request.forum, request.asker, refuse_running
        )
        before = await connection.fetchrow(
            "SELECT role, delivery FROM forum.member WHERE id = $1 AND forum = $2"
            " AND state = 'active' FOR UPDATE",
            request.member,
            request.forum,
        )
        if before is None:
            raise refusal("not_found", "member")
        return who, before


async def _before(connection: Connection, member: str) -> Any:
    return await connection.fetchrow(
        "SELECT role, delivery, state = 'active' AS active FROM forum.member WHERE id = $1", member
    )


async def _put(
    connection: Connection,
    name: str,
    email: str,
    called: str,
    delivery: forum.DeliveryMode,
    role: forum.ForumRole,
    now: datetime,
) -> None:
    key = address_key(email)
    await connection.execute(
        "INSERT INTO forum.member AS m (id, forum, email, email_key, name, delivery, state,"
        " joined_at, role) VALUES ($1, $2, $3, $4, $5, $6, 'active', $7, $8)"
        " ON CONFLICT (id) DO UPDATE SET"
        " name = coalesce(nullif(excluded.name, ''), m.name),"
        " delivery = excluded.delivery, email = excluded.email, state = 'active',"
        " role = excluded.role, removed = false, changed_at = $7,"
        " joined_at = CASE m.state WHEN 'active' THEN m.joined_at ELSE $7 END,"
        " version = m.version + (m.state = 'left' OR m.role <> excluded.role"
        " OR m.delivery <> excluded.delivery)::integer",
        derived_id("mem", name, key),
        name,
        email,
        key,
        called,
        delivery,
        now,
        role,
    )


async def _note_put(
    connection: Connection,
    member: str,
    before: Any,
    role: forum.ForumRole,
    delivery: forum.DeliveryMode,
) -> None:
    if before is None or not before["active"]:
        await _note(connection, "joined", member)
    elif (before["role"], before["delivery"]) != (role, delivery):
        await _note(connection, "changed", member)


async def _leave(connection: Connection, member: str, now: datetime, *, removed: bool) -> bool:
    """End an active part; return whether there was one."""
    left = await connection.fetchval(
        "UPDATE forum.member SET state = 'left', left_at = $2, removed = $3, changed_at = $2,"
        " role = CASE WHEN $3 THEN 'member' ELSE role END, version = version + 1"
        " WHERE id = $1 AND state = 'active' RETURNING id",
        member,
        now,
        removed,
    )
    if left is not None:
        await _note(connection, "left", member)
    return left is not None


async def _seen(connection: Connection, request: JoinForum | QuitForum) -> forum.Forum:
    found = await find_forum(connection, request.account, request.forum, request.asker)
    assert found is not None, "it was found in this transaction"
    return found


async def _member(connection: Connection, member: str) -> forum.Member:
    return member_of(await connection.fetchrow(f"{MEMBER} WHERE m.id = $1", member))


async def _note(connection: Connection, what: str, member: str) -> None:
    await connection.execute(
        "INSERT INTO forum.outbox (key)"
        " SELECT concat_ws(' ', $1::text, id, version) FROM forum.member WHERE id = $2",
        what,
        member,
    )
