"""One-time links that let a person connect a mailbox.

Law: a link is used in the transaction that makes the mailbox, so it makes one at most.
"""

from datetime import datetime
from typing import Any

from postroom_api.domain.connecting import ConnectLink
from postroom_api.domain.values import Principal
from postroom_api.ports import LinkUsedError
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record
from postroom_runtime.postgres import Connection


class ConnectLinks:
    """Makes links and finds them again."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def add(self, who: Principal, link: ConnectLink, hashed: str) -> None:
        """Keep a link, by the hash of its secret."""
        async with self._access.principal(who) as connection:
            await connection.execute(
                "INSERT INTO config.connect_link (hash, id, account, person, service, created_by,"
                " expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
                hashed,
                link.id,
                who.account,
                link.person,
                link.service,
                who.id,
                link.expires_at,
            )
            await record(
                connection, who, "connect_link.created", link.id,
                person=link.person, service=link.service,
            )  # fmt: skip

    async def open(self, who: Principal, hashed: str, now: datetime) -> ConnectLink | None:
        """Return the link if it still opens, and for this person."""
        async with self._access.principal(who) as connection:
            row: Any = await connection.fetchrow(
                "SELECT id, person, service, expires_at, used_at FROM config.connect_link"
                " WHERE hash = $1 AND person = $2 AND used_at IS NULL AND expires_at > $3",
                hashed,
                who.id,
                now,
            )
        return ConnectLink(**dict(row)) if row else None


async def use_link(connection: Connection, hashed: str, mailbox: str) -> None:
    """Use a link up, in the transaction of the mailbox; LinkUsedError when it opens no more."""
    status = await connection.execute(
        "UPDATE config.connect_link SET used_at = now(), mailbox = $2 WHERE hash = $1"
        " AND person = config.me() AND used_at IS NULL AND expires_at > now()",
        hashed,
        mailbox,
    )
    if status != "UPDATE 1":
        raise LinkUsedError
