"""Who a mailbox is shared with."""

from postroom_api.domain.sharing import NewShare, Share
from postroom_api.domain.values import Principal
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record


class Shares:
    """Reads and writes shares; whose mailbox it is, is asked before and by row level security."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def of(self, who: Principal, mailbox: str) -> list[Share]:
        """Return whom a mailbox is shared with; who is no owner sees their own share."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                "SELECT person, level, until, created_at FROM config.mailbox_share"
                " WHERE mailbox = $1 ORDER BY created_at, person",
                mailbox,
            )
            people = await connection.fetch(
                "SELECT * FROM config.colleagues($1::text[])", [row["person"] for row in rows]
            )
        known = {row["id"]: row for row in people}
        return [
            Share(
                **dict(row),
                name=known[row["person"]]["name"] if row["person"] in known else None,
                email=known[row["person"]]["email"] if row["person"] in known else None,
            )
            for row in rows
        ]

    async def colleague(self, who: Principal, text: str) -> str | None:
        """Return the id of somebody of the same account, by exact address or id."""
        async with self._access.principal(who) as connection:
            found = await connection.fetchval(
                "SELECT coalesce(config.colleague($1),"
                " (SELECT id FROM config.colleagues(ARRAY[$2::text])))",
                text.strip().lower(),
                text,
            )
        return str(found) if found else None

    async def put(self, who: Principal, mailbox: str, share: NewShare) -> None:
        """Share with somebody (`person` is an id), or change how."""
        async with self._access.principal(who) as connection:
            await connection.execute(
                "INSERT INTO config.mailbox_share (mailbox, person, account, level, granted_by,"
                " until) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (mailbox, person)"
                " DO UPDATE SET level = excluded.level, granted_by = excluded.granted_by,"
                " until = excluded.until",
                mailbox,
                share.person,
                who.account,
                share.level,
                who.id,
                share.until,
            )
            await record(
                connection, who, "mailbox.shared", mailbox, person=share.person,
                level=share.level, until=share.until.isoformat() if share.until else None,
            )  # fmt: skip

    async def remove(self, who: Principal, mailbox: str, person: str) -> bool:
        """End a share; False when there was none."""
        async with self._access.principal(who) as connection:
            status = await connection.execute(
                "DELETE FROM config.mailbox_share WHERE mailbox = $1 AND person = $2",
                mailbox,
                person,
            )
            if status != "DELETE 1":
                return False
            await record(connection, who, "mailbox.unshared", mailbox, person=person)
        return True
