"""One-time links: to take up an invitation, or to choose a new password."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from postroom_api.domain import passwords
from postroom_api.domain.values import Principal
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record
from postroom_runtime.postgres import Connection


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a link is for."""

    kind: Literal["invitation", "reset"]
    person: str
    account: str
    email: str
    name: str


class Links:
    """Opens links."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def find(self, secret: str, now: datetime) -> Link | None:
        """Return whom a link is for; None when it was used, replaced or is too old."""
        hashed = passwords.hash_secret(secret)
        async with self._access.credential(hashed) as connection:
            return await self._open(connection, hashed, now)

    async def use(self, secret: str, name: str, password: str, now: datetime) -> Link | None:
        """Write name and password (hashed) and let go of the link; None as in `find`.

        All sessions end: whoever had the old password is out.
        """
        hashed = passwords.hash_secret(secret)
        async with self._access.credential(hashed) as connection:
            link = await self._open(connection, hashed, now)
            if link is None:
                return None
            # Of two at once the second waits here, and finds nothing.
            status = await connection.execute("DELETE FROM config.link WHERE hash = $1", hashed)
            if status != "DELETE 1":
                return None
            await connection.execute(
                "UPDATE config.person SET name = $2, password_hash = $3, password_set_at = $4,"
                " state = 'active' WHERE id = $1",
                link.person,
                name,
                password,
                now,
            )
            await connection.execute("DELETE FROM config.session WHERE person = $1", link.person)
            action = "user.joined" if link.kind == "invitation" else "password.reset"
            who = Principal(
                account=link.account, id=link.person, email=link.email, name=name, role="user"
            )
            await record(connection, who, action, link.person)
        return link

    async def _open(self, connection: Connection, hashed: str, now: datetime) -> Link | None:
        found: Any = await connection.fetchrow(
            "SELECT account, person, kind FROM config.link WHERE hash = $1 AND expires_at > $2",
            hashed,
            now,
        )
        if found is None:
            return None
        await self._access.become(connection, found["account"], found["person"])
        row: Any = await connection.fetchrow(
            "SELECT email, name FROM config.person WHERE id = $1 AND state <> 'deactivated'",
            found["person"],
        )
        return Link(**dict(found), **dict(row)) if row else None
