"""The suppressed addresses of an account, as those who manage it keep them."""

from typing import Final

from postroom_api.domain import cursors
from postroom_api.domain.suppressions import Reason, Suppression
from postroom_api.domain.values import PageOf, Principal
from postroom_api.ports import StaleError
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record
from postroom_api.postgres.configuration import note
from postroom_api.postgres.pages import page_of
from postroom_contract.ids import derived_id

_COLUMNS: Final = "id, address, reason, words, status, since, added_by, count, version"


class Suppressions:
    """Reads and writes, each change with its audit and its note for smtp."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def page(
        self, who: Principal, search: str, reason: Reason | None, cursor: str | None, limit: int
    ) -> PageOf[Suppression]:
        """Return a page, the newest first; `search` is a part of the address."""
        before, row = cursors.decode_time_and_id(cursor) if cursor else (None, "")
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                f"SELECT {_COLUMNS} FROM config.suppression WHERE account = $1"  # noqa: S608 - constant
                " AND ($2::timestamptz IS NULL OR (since, id) < ($2, $3))"
                " AND ($4 = '' OR position(lower($4) IN address) > 0)"
                " AND ($5::text IS NULL OR reason = $5)"
                " ORDER BY since DESC, id DESC LIMIT $6",
                who.account,
                before,
                row,
                search.replace("\x00", ""),
                reason,
                limit + 1,
            )
        return page_of(rows, limit, Suppression, lambda one: (one.since, one.id))

    async def one(self, who: Principal, suppression: str) -> Suppression | None:
        """Return one of them, or None."""
        async with self._access.principal(who) as connection:
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM config.suppression WHERE id = $1 AND account = $2",  # noqa: S608 - constant
                suppression,
                who.account,
            )
        return Suppression(**dict(row)) if row else None

    async def add(self, who: Principal, address: str, words: str) -> Suppression | None:
        """Suppress a canonical address by hand; None when it is suppressed already."""
        name = derived_id("sup", who.account, address)
        async with self._access.principal(who) as connection:
            row = await connection.fetchrow(
                "INSERT INTO config.suppression"  # noqa: S608 - constant
                " (id, account, address, reason, words, added_by, count)"
                " VALUES ($1, $2, $3, 'by_hand', $4, $5, 0)"
                f" ON CONFLICT DO NOTHING RETURNING {_COLUMNS}",
                name,
                who.account,
                address,
                words,
                who.name,
            )
            if row is None:
                return None
            await note(connection, f"suppressed {who.account} {address}")
            await record(connection, who, "suppression.added", name, address=address)
        return Suppression(**dict(row))

    async def release(
        self, who: Principal, suppression: str, expected: int | None
    ) -> Suppression | None:
        """Let mail go to it again, and begin to count anew; None when there is none.

        StaleError when it is no longer the expected version.
        """
        async with self._access.principal(who) as connection:
            row = await connection.fetchrow(
                "DELETE FROM config.suppression WHERE id = $1 AND account = $2"  # noqa: S608 - constant
                f" RETURNING {_COLUMNS}",
                suppression,
                who.account,
            )
            if row is None:
                return None
            if expected is not None and row["version"] != expected:
                raise StaleError
            await connection.execute(
                "UPDATE config.address_failure SET forgiven = true"
                " WHERE account = $1 AND address = $2",
                who.account,
                row["address"],
            )
            await note(connection, f"suppressed {who.account} {row['address']}")
            await record(
                connection, who, "suppression.released", suppression,
                address=row["address"], reason=row["reason"],
            )  # fmt: skip
        return Suppression(**dict(row))
