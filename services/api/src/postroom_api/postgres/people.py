"""Accounts, people, sessions and tokens."""

import secrets
from datetime import datetime, timedelta
from typing import Any

from postroom_api.domain import passwords
from postroom_api.domain.values import Principal
from postroom_api.postgres.access import Access
from postroom_contract.ids import derived_id

DEFAULT_ACCOUNT = derived_id("acc", "default")
SESSION_DAYS = 14
_COLUMNS = "id, account, email, name, role"


def _principal(row: Any) -> Principal:
    return Principal(**{name: row[name] for name in ("id", "account", "email", "name", "role")})


class People:
    """Signing in and what it needs."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def bootstrap(
        self, email: str, password: str | None, token: str | None
    ) -> tuple[bool, bool]:
        """Make the default account, its administrator and the bootstrap token where missing.

        Return (administrator was made, token was made). An existing password is never changed.
        """
        person = derived_id("usr", email)
        async with self._access.account(DEFAULT_ACCOUNT) as connection:
            await connection.execute(
                "INSERT INTO config.account (id, name, is_default) VALUES ($1, 'Postroom', true)"
                " ON CONFLICT DO NOTHING",
                DEFAULT_ACCOUNT,
            )
            known = await connection.fetchval("SELECT 1 FROM config.person WHERE id = $1", person)
            if not known and password:
                await connection.execute(
                    "INSERT INTO config.person (id, account, email, name, role, password_hash)"
                    " VALUES ($1, $2, $3, 'Administrator', 'administrator', $4)"
                    " ON CONFLICT DO NOTHING",
                    person,
                    DEFAULT_ACCOUNT,
                    email,
                    passwords.hash_password(password),
                )
            made_token = False
            if token and (known or password):
                status = await connection.execute(
                    "INSERT INTO config.token (hash, id, account, person, name)"
                    " VALUES ($1, $2, $3, $4, 'bootstrap') ON CONFLICT DO NOTHING",
                    passwords.hash_secret(token),
                    derived_id("tok", token),
                    DEFAULT_ACCOUNT,
                    person,
                )
                made_token = status == "INSERT 0 1"
        return not known and bool(password), made_token

    async def sign_in(
        self, email: str, password: str, now: datetime
    ) -> tuple[str, Principal] | None:
        """Return a new session's secret and its owner, or None: no hint which half was wrong."""
        email = email.strip().lower()
        async with self._access.credential(email) as connection:
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS}, password_hash FROM config.person WHERE email = $1",  # noqa: S608 - constant
                email,
            )
        if not passwords.verify_password(row["password_hash"] if row else None, password):
            return None
        assert row is not None
        principal = _principal(row)
        secret = secrets.token_urlsafe(32)
        async with self._access.principal(principal) as connection:
            await connection.execute("DELETE FROM config.session WHERE expires_at < $1", now)
            await connection.execute(
                "INSERT INTO config.session (hash, account, person, expires_at)"
                " VALUES ($1, $2, $3, $4)",
                passwords.hash_secret(secret),
                principal.account,
                principal.id,
                now + timedelta(days=SESSION_DAYS),
            )
        return secret, principal

    async def sign_out(self, principal: Principal, secret: str) -> None:
        """End a session."""
        async with self._access.principal(principal) as connection:
            await connection.execute(
                "DELETE FROM config.session WHERE hash = $1", passwords.hash_secret(secret)
            )

    async def by_session(self, secret: str, now: datetime) -> Principal | None:
        """Return whose session this is, if it has not expired."""
        return await self._by_hash("session", secret, now)

    async def by_token(self, secret: str, now: datetime) -> Principal | None:
        """Return whose token this is, and note its use (once a minute at most)."""
        principal = await self._by_hash("token", secret, None)
        if principal is not None:
            async with self._access.principal(principal) as connection:
                await connection.execute(
                    "UPDATE config.token SET last_used_at = $2::timestamptz WHERE hash = $1 AND"
                    " (last_used_at IS NULL"
                    " OR last_used_at < $2::timestamptz - interval '1 minute')",
                    passwords.hash_secret(secret),
                    now,
                )
        return principal

    async def _by_hash(self, table: str, secret: str, now: datetime | None) -> Principal | None:
        hashed = passwords.hash_secret(secret)
        condition = " AND expires_at > $2" if now is not None else ""
        async with self._access.credential(hashed) as connection:
            found = await connection.fetchrow(
                f"SELECT account, person FROM config.{table} WHERE hash = $1{condition}",  # noqa: S608 - constants
                hashed,
                *([now] if now is not None else []),
            )
            if found is None:
                return None
            await connection.execute(
                "SELECT config.act_as($1, $2, NULL)", found["account"], found["person"]
            )
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM config.person WHERE id = $1",  # noqa: S608 - constant
                found["person"],
            )
        return _principal(row) if row else None
