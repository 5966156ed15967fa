"""What everybody keeps of themselves: profile, password, sessions.

Law: it lies in the account they belong to, wherever they are at work.
"""

from datetime import datetime

import msgspec

from postroom_api.domain.values import Principal
from postroom_api.ports import StaleError
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record


class SessionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A place where somebody is signed in."""

    id: str
    peer: str
    agent: str
    created_at: datetime
    last_seen_at: datetime | None
    current: bool
    """It is the one that asks."""


class Own:
    """Reads and writes what belongs to the one who asks."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def version(self, who: Principal) -> int:
        """Return the version of the profile."""
        async with self._access.home(who) as connection:
            return int(
                await connection.fetchval("SELECT version FROM config.person WHERE id = $1", who.id)
            )

    async def set_profile(
        self, who: Principal, name: str, locale: str, version: int | None = None
    ) -> None:
        """Write name and language; StaleError when the profile has no longer this version."""
        async with self._access.home(who) as connection:
            status = await connection.execute(
                "UPDATE config.person SET name = $2, locale = $3 WHERE id = $1"
                " AND ($4::bigint IS NULL OR version = $4)",
                who.id,
                name,
                locale,
                version,
            )
            if status != "UPDATE 1":
                raise StaleError
            await record(connection, who, "profile.changed", who.id, name=name, locale=locale)

    async def password_hash(self, who: Principal) -> str:
        """Return the hash of the password; "" when there is none."""
        async with self._access.home(who) as connection:
            return str(
                await connection.fetchval(
                    "SELECT password_hash FROM config.person WHERE id = $1", who.id
                )
            )

    async def set_password(self, who: Principal, hashed: str, now: datetime) -> None:
        """Write a new password and end all other sessions."""
        async with self._access.home(who) as connection:
            await connection.execute(
                "UPDATE config.person SET password_hash = $2, password_set_at = $3 WHERE id = $1",
                who.id,
                hashed,
                now,
            )
            await connection.execute("DELETE FROM config.link WHERE person = $1", who.id)
            await connection.execute(
                "DELETE FROM config.session WHERE person = $1 AND id <> $2", who.id, who.session
            )
            await record(connection, who, "password.changed", who.id)

    async def sessions(self, who: Principal, now: datetime) -> list[SessionRow]:
        """Return the sessions, the last used first."""
        async with self._access.home(who) as connection:
            rows = await connection.fetch(
                "SELECT id, peer, agent, created_at, last_seen_at, id = $2 AS current"
                " FROM config.session WHERE person = $1 AND NOT awaiting_code AND expires_at > $3"
                " ORDER BY last_seen_at DESC NULLS LAST, id",
                who.id,
                who.session,
                now,
            )
        return [SessionRow(**dict(row)) for row in rows]

    async def end_session(self, who: Principal, session: str) -> bool:
        """End one of one's sessions; False when there is none."""
        async with self._access.home(who) as connection:
            status = await connection.execute(
                "DELETE FROM config.session WHERE id = $1 AND person = $2", session, who.id
            )
            if status == "DELETE 0":
                return False
            await record(connection, who, "session.ended", session)
        return True

    async def end_other_sessions(self, who: Principal) -> int:
        """End all sessions but the one that asks; return how many."""
        async with self._access.home(who) as connection:
            status = await connection.execute(
                "DELETE FROM config.session WHERE person = $1 AND id <> $2", who.id, who.session
            )
            ended = int(status.rpartition(" ")[2])
            await record(connection, who, "session.others_ended", who.id, ended=ended)
        return ended
