"""Answers that are kept to be given again. See http/idempotency.py."""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from postroom_api.domain.values import Principal
from postroom_api.postgres.access import Access

KEPT: Final = timedelta(hours=24)
LOST_AFTER: Final = timedelta(seconds=30)
"""Longer than any request takes: whoever was at it has gone, and it may be tried again."""


class KeptAnswer(msgspec.Struct, frozen=True):
    """What was answered the first time; `status` None: it is still being worked on."""

    fingerprint: str
    status: int | None
    content_type: str
    location: str
    body: bytes


class Idempotency:
    """Rows by principal and key."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def begin(
        self, who: Principal, key: str, fingerprint: str, now: datetime
    ) -> KeptAnswer | None:
        """Take the key and return None; or return what is known under it."""
        async with self._access.principal(who) as connection:
            await connection.execute(
                "DELETE FROM config.idempotency WHERE begun_at < $1"
                " OR (key = $2 AND status IS NULL AND begun_at < $3)",
                now - KEPT,
                key,
                now - LOST_AFTER,
            )
            status = await connection.execute(
                "INSERT INTO config.idempotency (account, person, key, fingerprint, begun_at)"
                " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                who.account,
                who.id,
                key,
                fingerprint,
                now,
            )
            if status == "INSERT 0 1":
                return None
            row = await connection.fetchrow(
                "SELECT fingerprint, status, content_type, location, body"
                " FROM config.idempotency WHERE key = $1",
                key,
            )
        if row is None:  # forgotten between the two: as if it were being worked on
            return KeptAnswer(fingerprint, None, "", "", b"")
        return KeptAnswer(
            row["fingerprint"], row["status"], row["content_type"], row["location"],
            row["body"] or b"",
        )  # fmt: skip

    async def keep(self, who: Principal, key: str, answer: KeptAnswer) -> None:
        """Keep the answer of the request that took the key."""
        async with self._access.principal(who) as connection:
            await connection.execute(
                "UPDATE config.idempotency SET status = $2, content_type = $3, location = $4,"
                " body = $5 WHERE key = $1",
                key,
                answer.status,
                answer.content_type,
                answer.location,
                answer.body,
            )

    async def forget(self, who: Principal, key: str) -> None:
        """Let the key be used again: nothing was created under it."""
        async with self._access.principal(who) as connection:
            await connection.execute("DELETE FROM config.idempotency WHERE key = $1", key)
