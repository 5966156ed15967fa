"""Tokens: what belongs to programs, and to the person who made it."""

from datetime import datetime
from typing import Any, Final

import msgspec

from postroom_api.domain import passwords
from postroom_api.domain.people import Refusal, refuse_power
from postroom_api.domain.values import Principal
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record

_COLUMNS: Final = "id, name, scopes, created_at, expires_at, last_used_at, acting"


class TokenRow(msgspec.Struct, frozen=True, kw_only=True):
    """A token without its secret."""

    id: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    acting: str | None
    """The account it works in, where that is not its owner's own."""


class OwnedToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token with its owner."""

    token: TokenRow
    owner: str
    owner_name: str
    owner_email: str


class Tokens:
    """Reads and writes tokens; one's own lie in the account one belongs to."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def own(self, who: Principal) -> list[TokenRow]:
        """Return the tokens of the one who asks, the newest first."""
        async with self._access.home(who) as connection:
            rows = await connection.fetch(
                f"SELECT {_COLUMNS} FROM config.token WHERE person = $1"  # noqa: S608 - constant
                " ORDER BY created_at DESC, id DESC",
                who.id,
            )
        return [TokenRow(**dict(row)) for row in rows]

    async def all(self, who: Principal) -> list[OwnedToken]:
        """Return the tokens of everybody in the account, the newest first."""
        columns = ", ".join(f"t.{name.strip()}" for name in _COLUMNS.split(","))
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                f"SELECT {columns}, t.person, p.name AS owner_name, p.email AS owner_email"  # noqa: S608 - constant
                " FROM config.token t JOIN config.person p ON p.id = t.person"
                " WHERE t.account = $1 ORDER BY t.created_at DESC, t.id DESC",
                who.account,
            )
        return [_owned(row) for row in rows]

    async def add(
        self,
        who: Principal,
        token: str,
        secret: str,
        name: str,
        scopes: list[str],
        until: datetime | None,
    ) -> TokenRow:
        """Make a token that works in the account where its owner is at work."""
        async with self._access.home(who) as connection:
            row: Any = await connection.fetchrow(
                "INSERT INTO config.token (hash, id, account, person, name, scopes, expires_at,"  # noqa: S608 - constant
                f" acting) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING {_COLUMNS}",
                passwords.hash_secret(secret),
                token,
                who.belongs_to,
                who.id,
                name,
                scopes,
                until,
                None if who.account == who.belongs_to else who.account,
            )
            await record(connection, who, "token.created", token, name=name, scopes=scopes)
        return TokenRow(**dict(row))

    async def revoke(self, who: Principal, token: str) -> bool:
        """Take one of one's own away; False when there is none."""
        async with self._access.home(who) as connection:
            name = await connection.fetchval(
                "DELETE FROM config.token WHERE id = $1 AND person = $2 RETURNING name",
                token,
                who.id,
            )
            if name is None:
                return False
            await record(connection, who, "token.revoked", token, name=name)
        return True

    async def revoke_of(self, who: Principal, token: str) -> Refusal | bool:
        """Take anybody's away, as those who manage the account may; False when there is none."""
        async with self._access.principal(who) as connection:
            row: Any = await connection.fetchrow(
                "SELECT t.name, p.id, p.role FROM config.token t"
                " JOIN config.person p ON p.id = t.person WHERE t.id = $1",
                token,
            )
            if row is None:
                return False
            if (refusal := refuse_power(who, row["role"])) is not None:
                return refusal
            await connection.execute("DELETE FROM config.token WHERE id = $1", token)
            await record(connection, who, "token.revoked", token, name=row["name"], owner=row["id"])
        return True


def _owned(row: Any) -> OwnedToken:
    values = dict(row)
    owner, name, email = (values.pop(key) for key in ("person", "owner_name", "owner_email"))
    return OwnedToken(token=TokenRow(**values), owner=owner, owner_name=name, owner_email=email)
