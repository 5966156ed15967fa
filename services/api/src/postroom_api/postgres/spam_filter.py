"""How an account's mail is rated, as those who manage it keep it."""

from typing import Any, Final

import msgspec

from postroom_api.domain.spam_settings import ListName, SpamFilter, SpamSettings
from postroom_api.domain.values import Principal
from postroom_api.ports import StaleError
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record
from postroom_api.postgres.configuration import note
from postroom_runtime.postgres import Connection

_COLUMNS: Final = (
    "mark_at, quarantine_at, quarantine_days, trusted_headers, allowed, blocked, version"
)
_COUNTS: Final = (
    "SELECT count(*) FILTER (WHERE trained) AS learnt_spam,"
    " count(*) FILTER (WHERE NOT trained) AS learnt_ham FROM config.message"
    " WHERE account = $1 AND trained IS NOT NULL"
)
_APART: Final = (
    "SELECT count(*) FROM config.message"
    " WHERE account = $1 AND quarantined_until IS NOT NULL AND deleted_at IS NULL"
)


class SpamFilterRows:
    """Reads and writes, each change with its audit and its note for rules."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def read(self, who: Principal) -> SpamFilter:
        """Return the settings in force; version 0 = nobody changed any."""
        async with self._access.principal(who) as connection:
            return await self._read(connection, who)

    async def _read(self, connection: Connection, who: Principal) -> SpamFilter:
        row: Any = await connection.fetchrow(
            f"SELECT {_COLUMNS} FROM config.spam_filter WHERE account = $1",  # noqa: S608 - constant
            who.account,
        )
        counts: Any = await connection.fetchrow(_COUNTS, who.account)
        plain = dict(row) if row else {**msgspec.to_builtins(SpamSettings()), "version": 0}
        return SpamFilter(
            **plain,
            **dict(counts),
            in_quarantine=await connection.fetchval(_APART, who.account),
        )

    async def write(self, who: Principal, settings: SpamSettings, expected: int) -> SpamFilter:
        """Replace the settings; StaleError when they are no longer the expected version."""
        async with self._access.principal(who) as connection:
            await self._write(connection, who, settings, expected)
            return await self._read(connection, who)

    async def list_sender(
        self, who: Principal, which: ListName, entry: str, most: int
    ) -> SpamFilter | None:
        """Put a canonical entry on one list and off the other; None when the list is full."""
        async with self._access.principal(who) as connection:
            now = await self._read(connection, who)
            lists = {"allowed": set(now.allowed), "blocked": set(now.blocked)}
            lists["blocked" if which == "allowed" else "allowed"].discard(entry)
            lists[which].add(entry)
            if len(lists[which]) > most:
                return None
            plain = {name: getattr(now, name) for name in SpamSettings.__struct_fields__}
            settings = SpamSettings(**plain | {name: sorted(one) for name, one in lists.items()})
            await self._write(connection, who, settings, now.version)
            return await self._read(connection, who)

    async def _write(
        self, connection: Connection, who: Principal, settings: SpamSettings, expected: int
    ) -> None:
        version = await connection.fetchval(
            "INSERT INTO config.spam_filter AS f (account, mark_at, quarantine_at, quarantine_days,"
            " trusted_headers, allowed, blocked) SELECT $1, $2, $3, $4, $5, $6, $7"
            # The row is made by who found none; the others must have seen it.
            " ON CONFLICT (account) DO UPDATE SET mark_at = $2, quarantine_at = $3,"
            " quarantine_days = $4, trusted_headers = $5, allowed = $6, blocked = $7,"
            " version = nextval('config.version') WHERE f.version = $8 RETURNING version",
            who.account,
            settings.mark_at,
            settings.quarantine_at,
            settings.quarantine_days,
            settings.trusted_headers,
            settings.allowed,
            settings.blocked,
            expected,
        )
        if version is None:
            raise StaleError
        await note(connection, f"spam {who.account}")
        await record(
            connection, who, "spam_filter.changed", who.account,
            mark_at=settings.mark_at, quarantine_at=settings.quarantine_at,
            allowed=len(settings.allowed), blocked=len(settings.blocked),
        )  # fmt: skip
