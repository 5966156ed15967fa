"""What waits to go out, what is held back, refusals, and whether the door is open."""

from typing import Any, Final

from postroom_api.domain import cursors
from postroom_api.domain.queue import Destination, RefusalRow, Waiting
from postroom_api.domain.values import Delivery, PageOf, Principal
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record
from postroom_api.postgres.configuration import note
from postroom_api.postgres.log import DELIVERY
from postroom_api.postgres.pages import page_of

MOST_DESTINATIONS: Final = 200
MOST_CHUNKS: Final = 1_000
_DESTINATIONS: Final = """
    SELECT coalesce(d.destination, h.domain) AS domain, coalesce(d.waiting, 0) AS waiting,
        coalesce(d.attempts, 0) AS attempts, coalesce(d.reply, '') AS reply, d.reported_at,
        d.next_attempt_at, h.domain IS NOT NULL AS held
    FROM (
        SELECT destination, count(*) AS waiting, max(attempt) AS attempts,
            (array_agg(reply ORDER BY reported_at DESC))[1] AS reply,
            max(reported_at) AS reported_at, min(next_attempt_at) AS next_attempt_at
        FROM config.delivery WHERE account = $1 AND state = 'deferred' GROUP BY destination
    ) d FULL JOIN (SELECT domain FROM config.hold WHERE account = $1) h ON h.domain = d.destination
    WHERE $2::text IS NULL OR coalesce(d.destination, h.domain) = $2
    ORDER BY waiting DESC, domain LIMIT $3
"""
_REFUSAL: Final = "id, at, network, reason, reply, count, helo, sender, recipient"


class Queue:
    """Reads, and changes with their audit and their note for smtp."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def destinations(self, who: Principal, domain: str | None = None) -> list[Destination]:
        """Return those with the most that waits, or the one."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(_DESTINATIONS, who.account, domain, MOST_DESTINATIONS)
        return [Destination(**dict(row)) for row in rows]

    async def deliveries(
        self, who: Principal, domain: str, cursor: str | None, limit: int
    ) -> PageOf[Delivery]:
        """Return a page of what waits for a domain, newest first."""
        before, serial = cursors.decode_time_and_id(cursor) if cursor else (None, "0")
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                f"SELECT {DELIVERY} FROM config.delivery WHERE account = $1"  # noqa: S608 - constant
                " AND destination = $2 AND state = 'deferred'"
                " AND ($3::timestamptz IS NULL OR (reported_at, serial) < ($3, $4))"
                " ORDER BY reported_at DESC, serial DESC LIMIT $5",
                who.account,
                domain,
                before,
                int(serial),
                limit + 1,
            )
        return page_of(rows, limit, Delivery, lambda one: (one.reported_at, str(one.serial)))

    async def waiting(self, who: Principal, domain: str) -> list[Waiting]:
        """Return what waits for a domain, the oldest `MOST_CHUNKS`."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                "SELECT chunk, part, max(attempt) + 1 AS attempt FROM config.delivery"
                " WHERE account = $1 AND destination = $2 AND state = 'deferred' AND chunk <> ''"
                " GROUP BY chunk, part ORDER BY min(reported_at) LIMIT $3",
                who.account,
                domain,
                MOST_CHUNKS,
            )
        return [Waiting(**dict(row)) for row in rows]

    async def noted(self, who: Principal, action: str, domain: str, number: int) -> None:
        """Note in the audit what was asked of smtp."""
        async with self._access.principal(who) as connection:
            await record(connection, who, f"queue.{action}", domain, chunks=number)

    async def hold(self, who: Principal, domain: str) -> None:
        """Hold a domain back; twice is as once."""
        async with self._access.principal(who) as connection:
            added = await connection.fetchval(
                "INSERT INTO config.hold (account, domain, held_by) VALUES ($1, $2, $3)"
                " ON CONFLICT DO NOTHING RETURNING domain",
                who.account,
                domain,
                who.name,
            )
            if added:
                await note(connection, f"hold {who.account} {domain}")
                await record(connection, who, "queue.held", domain)

    async def release(self, who: Principal, domain: str) -> bool:
        """Hold it back no more; False when it was not."""
        async with self._access.principal(who) as connection:
            found = await connection.fetchval(
                "DELETE FROM config.hold WHERE account = $1 AND domain = $2 RETURNING domain",
                who.account,
                domain,
            )
            if found:
                await note(connection, f"hold {who.account} {domain}")
                await record(connection, who, "queue.released", domain)
        return found is not None

    async def refusals(self, who: Principal, cursor: str | None, limit: int) -> PageOf[RefusalRow]:
        """Return a page of what was refused for recipients of the account, newest first."""
        before, last = cursors.decode_time_and_id(cursor) if cursor else (None, "")
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                f"SELECT {_REFUSAL} FROM config.refusal WHERE account = $1"  # noqa: S608 - constant
                " AND ($2::timestamptz IS NULL OR (at, id) < ($2, $3))"
                " ORDER BY at DESC, id DESC LIMIT $4",
                who.account,
                before,
                last,
                limit + 1,
            )
        return page_of(rows, limit, RefusalRow, lambda one: (one.at, one.id))

    async def door(self, who: Principal) -> Any:
        """Return `open`, `changed_at` and `changed_by`, or None as long as nobody changed it."""
        async with self._access.principal(who) as connection:
            return await connection.fetchrow("SELECT open, changed_at, changed_by FROM config.door")

    async def set_door(self, who: Principal, *, open_: bool) -> None:
        """Open or close the SMTP server."""
        async with self._access.principal(who) as connection:
            await connection.execute(
                "INSERT INTO config.door (open, changed_by) VALUES ($1, $2)"
                " ON CONFLICT (only_one) DO UPDATE SET open = $1, changed_by = $2,"
                " changed_at = now(), version = nextval('config.version')",
                open_,
                who.name,
            )
            await note(connection, "door smtp")
            await record(connection, who, "smtp.opened" if open_ else "smtp.closed", "smtp")
