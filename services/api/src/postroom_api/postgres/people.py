"""Signing in, and who asks: sessions and tokens.

Law: a session opens nothing while it waits for a code, and neither session nor token opens
anything for somebody who is not active.
"""

import asyncio
import secrets
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from postroom_api.domain import passwords
from postroom_api.domain.scopes import SCOPES
from postroom_api.domain.values import Principal
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record
from postroom_contract.ids import derived_id
from postroom_runtime.postgres import Connection

DEFAULT_ACCOUNT = derived_id("acc", "default")
SESSION_DAYS = 14
CODE_TIME: Final = timedelta(minutes=10)
"""How long a session waits for its code."""
CODE_TRIES: Final = 5
SEEN_EVERY: Final = timedelta(minutes=1)
_AGENT_LENGTH: Final = 200
_COLUMNS = "id, account, email, name, role, locale"


class Visit(msgspec.Struct, frozen=True):
    """Where a request comes from, for the list of sessions and the audit."""

    peer: str = ""
    agent: str = ""


class SignedIn(msgspec.Struct, frozen=True):
    """A new session; `awaiting_code`: it opens nothing before the second factor."""

    secret: str
    principal: Principal
    awaiting_code: bool


def _principal(row: Any, **more: Any) -> Principal:
    names = ("id", "account", "email", "name", "role", "locale")
    values = {name: row[name] for name in names}
    return Principal(**{**values, "home": row["account"], **more})


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
                made_token = await _bootstrap_token(connection, token, person)
        return not known and bool(password), made_token

    async def sign_in(
        self, email: str, password: str, now: datetime, visit: Visit | None = None
    ) -> SignedIn | None:
        """Return a new session, or None: no hint which half was wrong."""
        email = email.strip().lower().replace("\x00", "")
        async with self._access.credential(email) as connection:
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS}, password_hash, state FROM config.person WHERE email = $1",  # noqa: S608 - constant
                email,
            )
        stored = row["password_hash"] if row else None
        right = await asyncio.to_thread(passwords.verify_password, stored or None, password)
        if not right or row is None or row["state"] != "active":
            return None
        return await self.admit(_principal(row), now, visit or Visit(), "password")

    async def by_email(self, email: str) -> Principal | None:
        """Return the active person with this address: for those who prove it elsewhere."""
        async with self._access.credential(email) as connection:
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM config.person WHERE email = $1 AND state = 'active'",  # noqa: S608 - constant
                email,
            )
        return _principal(row) if row else None

    async def provision(self, person: str, email: str, name: str) -> Principal | None:
        """Let somebody in who proved their address elsewhere; None when the address is known."""
        who = Principal(
            account=DEFAULT_ACCOUNT, home=DEFAULT_ACCOUNT, id=person, email=email,
            name=name or email.partition("@")[0], role="user",
        )  # fmt: skip
        async with self._access.account(DEFAULT_ACCOUNT) as connection:
            status = await connection.execute(
                "INSERT INTO config.person (id, account, email, name, role, password_hash)"
                " VALUES ($1, $2, $3, $4, 'user', '') ON CONFLICT (email) DO NOTHING",
                who.id,
                who.account,
                who.email,
                who.name,
            )
            if status != "INSERT 0 1":
                return None
            await record(connection, who, "user.provisioned", who.id, email=email)
        return who

    async def admit(self, who: Principal, now: datetime, visit: Visit, way: str) -> SignedIn:
        """Begin a session for somebody who has proved who they are."""
        secret = secrets.token_urlsafe(32)
        async with self._access.home(who) as connection:
            await connection.execute("DELETE FROM config.session WHERE expires_at < $1", now)
            waits = bool(
                await connection.fetchval(
                    "SELECT 1 FROM config.second_factor WHERE person = $1"
                    " AND confirmed_at IS NOT NULL",
                    who.id,
                )
            )
            session = await _begin(connection, who, secret, now, visit, waits=waits)
            if not waits:
                await record(connection, who, "person.signed_in", who.id, way=way, peer=visit.peer)
        return SignedIn(secret, msgspec.structs.replace(who, session=session), waits)

    async def awaiting(self, secret: str, now: datetime) -> Principal | None:
        """Return whose session waits for a code."""
        return await self._by_hash("session", secret, now, " AND awaiting_code")

    async def complete(self, who: Principal, secret: str, now: datetime, visit: Visit) -> SignedIn:
        """Put a session in the place of the one that waited: the code was right."""
        fresh = secrets.token_urlsafe(32)
        async with self._access.home(who) as connection:
            await connection.execute(
                "DELETE FROM config.session WHERE hash = $1", passwords.hash_secret(secret)
            )
            session = await _begin(connection, who, fresh, now, visit, waits=False)
            await record(connection, who, "person.signed_in", who.id, way="code", peer=visit.peer)
        return SignedIn(fresh, msgspec.structs.replace(who, session=session), awaiting_code=False)

    async def miss(self, who: Principal, secret: str, visit: Visit) -> bool:
        """Note a wrong code; False when the session that waited has ended with it."""
        hashed = passwords.hash_secret(secret)
        async with self._access.home(who) as connection:
            await record(connection, who, "second_factor.failed", who.id, peer=visit.peer)
            tries = await connection.fetchval(
                "UPDATE config.session SET tries = tries + 1 WHERE hash = $1 RETURNING tries",
                hashed,
            )
            if tries is not None and tries < CODE_TRIES:
                return True
            await connection.execute("DELETE FROM config.session WHERE hash = $1", hashed)
        return False

    async def sign_out(self, principal: Principal, secret: str) -> None:
        """End a session."""
        async with self._access.home(principal) as connection:
            await connection.execute(
                "DELETE FROM config.session WHERE hash = $1", passwords.hash_secret(secret)
            )

    async def by_session(self, secret: str, now: datetime) -> Principal | None:
        """Return whose session this is, if it has not expired."""
        return await self._by_hash("session", secret, now, " AND NOT awaiting_code")

    async def by_token(self, secret: str, now: datetime) -> Principal | None:
        """Return whose token this is, if it has not expired."""
        return await self._by_hash("token", secret, now, "")

    async def _by_hash(
        self, table: str, secret: str, now: datetime, condition: str
    ) -> Principal | None:
        """Return who presents this, and note that it was used (once a minute at most)."""
        hashed = passwords.hash_secret(secret)
        seen = "last_used_at" if table == "token" else "last_seen_at"
        async with self._access.credential(hashed) as connection:
            found = await connection.fetchrow(
                f"SELECT * FROM config.{table} WHERE hash = $1"  # noqa: S608 - constants
                f" AND (expires_at IS NULL OR expires_at > $2){condition}",
                hashed,
                now,
            )
            if found is None:
                return None
            await self._access.become(connection, found["account"], found["person"])
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM config.person WHERE id = $1 AND state = 'active'",  # noqa: S608 - constant
                found["person"],
            )
            if row is None:
                return None
            if found[seen] is None or found[seen] < now - SEEN_EVERY:
                await _note_use(connection, table, seen, hashed, found["person"], now)
            return await self._at_work(connection, table, found, row)

    async def _at_work(
        self, connection: Connection, table: str, found: Any, row: Any
    ) -> Principal | None:
        """Return the principal in the account where they are at work."""
        more: dict[str, Any] = (
            {"scopes": tuple(found["scopes"])} if table == "token" else {"session": found["id"]}
        )
        if found["acting"] is None:
            return _principal(row, **more)
        if row["role"] == "administrator":
            await self._access.become(connection, found["acting"], row["id"], row["role"])
            name = await connection.fetchval(
                "SELECT name FROM config.account WHERE id = $1 AND removed_at IS NULL",
                found["acting"],
            )
            if name is not None:
                return _principal(row, **more, account=found["acting"], account_name=name)
        # A session goes home; what a token was made for is gone.
        return None if table == "token" else _principal(row, **more)


async def _begin(
    connection: Connection, who: Principal, secret: str, now: datetime, visit: Visit, *, waits: bool
) -> str:
    if not waits:
        await connection.execute(
            "UPDATE config.person SET last_seen_at = $2 WHERE id = $1", who.id, now
        )
    return str(
        await connection.fetchval(
            "INSERT INTO config.session (hash, account, person, expires_at, peer, agent,"
            " last_seen_at, awaiting_code) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
            passwords.hash_secret(secret),
            who.belongs_to,
            who.id,
            now + (CODE_TIME if waits else timedelta(days=SESSION_DAYS)),
            visit.peer,
            visit.agent[:_AGENT_LENGTH].replace("\x00", ""),
            now,
            waits,
        )
    )


async def _note_use(
    connection: Connection, table: str, column: str, hashed: str, person: str, now: datetime
) -> None:
    await connection.execute(
        f"UPDATE config.{table} SET {column} = $2 WHERE hash = $1",  # noqa: S608 - constants
        hashed,
        now,
    )
    await connection.execute(
        "UPDATE config.person SET last_seen_at = $2 WHERE id = $1", person, now
    )


async def _bootstrap_token(connection: Connection, token: str, person: str) -> bool:
    status = await connection.execute(
        "INSERT INTO config.token (hash, id, account, person, name, scopes)"
        " VALUES ($1, $2, $3, $4, 'bootstrap', $5) ON CONFLICT DO NOTHING",
        passwords.hash_secret(token),
        derived_id("tok", token),
        DEFAULT_ACCOUNT,
        person,
        list(SCOPES),
    )
    return bool(status == "INSERT 0 1")
