"""What waits to go out, and what is held back."""

from typing import Final

from postroom_api.domain import cursors
from postroom_api.domain.queue import Destination, Waiting
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
