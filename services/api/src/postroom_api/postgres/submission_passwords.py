"""Passwords with which a person's mail program signs in to send: their own rows."""

from datetime import datetime
from typing import Final

import msgspec

from postroom_api.domain.values import Principal
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record
from postroom_api.postgres.configuration import note

MOST: Final = 20
_COLUMNS: Final = "id, name, created_at"


class SubmissionPassword(msgspec.Struct, frozen=True, kw_only=True):
    """One of them, without what it is."""

    id: str
    name: str
    created_at: datetime


class SubmissionPasswords:
    """Reads and writes one's own, each change with its audit and its note for smtp."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def own(self, who: Principal) -> list[SubmissionPassword]:
        """Return one's own, the oldest first."""
        async with self._access.home(who) as connection:
            rows = await connection.fetch(
                f"SELECT {_COLUMNS} FROM config.submission_password WHERE person = $1"  # noqa: S608 - constant
                " ORDER BY created_at, id",
                who.id,
            )
        return [SubmissionPassword(**dict(row)) for row in rows]

    async def add(
        self, who: Principal, password: str, name: str, hashed: str
    ) -> SubmissionPassword | None:
        """Keep a new one by its hash; None when there are too many."""
        async with self._access.home(who) as connection:
            row = await connection.fetchrow(
                "INSERT INTO config.submission_password (id, account, person, login, name, hash)"  # noqa: S608 - constant
                " SELECT $1, $2, $3, lower($4), $5, $6 WHERE (SELECT count(*)"
                " FROM config.submission_password WHERE person = $3) < $7"
                f" RETURNING {_COLUMNS}",
                password,
                who.belongs_to,
                who.id,
                who.email,
                name,
                hashed,
                MOST,
            )
            if row is None:
                return None
            await note(connection, f"submission {who.email.lower()}")
            await record(connection, who, "submission_password.created", password, name=name)
        return SubmissionPassword(**dict(row))

    async def remove(self, who: Principal, password: str) -> bool:
        """Take one away; False when there is none."""
        async with self._access.home(who) as connection:
            row = await connection.fetchrow(
                "DELETE FROM config.submission_password WHERE id = $1 AND person = $2"
                " RETURNING name, login",
                password,
                who.id,
            )
            if row is None:
                return False
            await note(connection, f"submission {row['login']}")
            await record(connection, who, "submission_password.removed", password, name=row["name"])
        return True
