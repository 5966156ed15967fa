"""What the overview shows at one glance, as the principal may see it."""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from postroom_api.domain.values import Principal
from postroom_api.postgres.access import Access

HOURS: Final = 24
TROUBLED: Final = 20


class TroubledMailbox(msgspec.Struct, frozen=True, kw_only=True):
    """A mailbox that its last check did not end well for."""

    id: str
    name: str
    state: str
    error: str
    since: datetime | None
    """When people were told; None: not yet."""


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of the account, or of what one person sees of it."""

    mails_by_hour: list[int]
    """The last 24 hours, oldest first."""
    mailboxes: int
    paused: int
    troubled: list[TroubledMailbox]
    """The first 20, by name."""
    set_aside: int
    deferred: int
    failed_today: int
    rules: int
    forums: int
    received: bool
    """Whether any mail has ever come in."""
    begun: bool
    """Whether the first steps were gone through, or passed over."""

    @property
    def empty(self) -> bool:
        """Whether nothing was ever set up here."""
        return not (self.mailboxes or self.forums or self.rules or self.received or self.begun)


class Overviews:
    """Reads it in one transaction."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def read(self, who: Principal, now: datetime) -> Overview:
        """Return the overview."""
        since = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
        async with self._access.principal(who) as connection:
            hours = await connection.fetch(
                "SELECT floor(extract(epoch FROM received_at - $2) / 3600)::int AS hour,"
                " count(*) AS mails FROM config.message"
                " WHERE account = $1 AND received_at >= $2 GROUP BY 1",
                who.account,
                since,
            )
            row = await connection.fetchrow(
                "SELECT (SELECT count(*) FROM config.mailbox) AS mailboxes,"
                " (SELECT count(*) FROM config.mailbox WHERE NOT active) AS paused,"
                " (SELECT count(*) FROM config.set_aside WHERE redone_at IS NULL"
                " AND discarded_at IS NULL) AS set_aside,"
                " (SELECT count(*) FROM config.delivery WHERE state = 'deferred') AS deferred,"
                " (SELECT count(*) FROM config.delivery WHERE state IN ('failed', 'bounced')"
                "  AND reported_at > $2) AS failed_today,"
                " (SELECT count(*) FROM config.rule) AS rules,"
                " (SELECT count(*) FROM config.forum WHERE state = 'open') AS forums,"
                " EXISTS (SELECT 1 FROM config.message WHERE account = $1) AS received,"
                " EXISTS (SELECT 1 FROM config.setup WHERE account = $1) AS begun",
                who.account,
                now - timedelta(days=1),
            )
            troubled = await connection.fetch(
                "SELECT m.id, m.name, c.state, coalesce(c.error, '') AS error, c.told_at AS since"
                " FROM config.mailbox m JOIN config.mailbox_check c ON c.mailbox = m.id"
                " WHERE m.active AND c.state <> 'idle' ORDER BY m.name, m.id LIMIT $1",
                TROUBLED,
            )
        assert row is not None, "a SELECT without FROM has one row"
        mails = [0] * HOURS
        for one in hours:
            if 0 <= one["hour"] < HOURS:
                mails[one["hour"]] = one["mails"]
        return Overview(
            mails_by_hour=mails,
            troubled=[TroubledMailbox(**dict(one)) for one in troubled],
            **dict(row),
        )

    async def begin(self, who: Principal) -> None:
        """Note that the first steps are not to be shown by themselves again."""
        async with self._access.principal(who) as connection:
            await connection.execute(
                "INSERT INTO config.setup (account) VALUES ($1) ON CONFLICT DO NOTHING",
                who.account,
            )

    async def database_version(self) -> str:
        """Return the database server's version."""
        async with self._access.account("") as connection:
            return str(await connection.fetchval("SELECT current_setting('server_version')"))
