"""The people of an account, as those who manage it keep them."""

from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from postroom_api.domain import cursors
from postroom_api.domain.people import (
    Refusal,
    User,
    UserChange,
    refuse_change,
    refuse_power,
    refuse_role,
)
from postroom_api.domain.values import PageOf, Principal, Role
from postroom_api.ports import StaleError, TakenError
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record
from postroom_api.postgres.configuration import note
from postroom_runtime.postgres import Connection

_SELECT: Final = (
    "SELECT p.id, p.email, p.name, p.role, p.state, p.locale, p.created_at, p.last_seen_at,"
    " p.version,"
    " EXISTS (SELECT 1 FROM config.second_factor f WHERE f.person = p.id"
    " AND f.confirmed_at IS NOT NULL) AS second_factor FROM config.person p"
)


class Invitation(msgspec.Struct, frozen=True):
    """Somebody to be invited; `link` is the hash of the secret in the link."""

    id: str
    email: str
    name: str
    role: Role
    link: str
    until: datetime


class Orphan(msgspec.Struct, frozen=True, kw_only=True):
    """A mailbox whose owner cannot sign in any more."""

    id: str
    name: str
    active: bool
    owner: str
    owner_name: str
    owner_email: str


class Users:
    """Reads and writes people, each change with its audit in one transaction."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def page(
        self, who: Principal, search: str, cursor: str | None, limit: int
    ) -> PageOf[User]:
        """Return a page of people by address; `search` is a part of name or address."""
        after = cursors.decode_text(cursor) if cursor else ""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                f"{_SELECT} WHERE p.account = $1 AND p.email > $2"
                " AND ($3 = '' OR position(lower($3) IN p.email) > 0"
                " OR position(lower($3) IN lower(p.name)) > 0) ORDER BY p.email LIMIT $4",
                who.account,
                after,
                search.replace("\x00", ""),
                limit + 1,
            )
        page = [User(**dict(row)) for row in rows[:limit]]
        more = len(rows) > limit
        return PageOf(data=page, next_cursor=cursors.encode(page[-1].email) if more else None)

    async def one(self, who: Principal, user: str) -> User | None:
        """Return one of them, or None."""
        async with self._access.principal(who) as connection:
            return await _find(connection, user)

    async def invite(self, who: Principal, invited: Invitation) -> Refusal | None:
        """Add somebody who may come in by a link; TakenError when the address is known."""
        async with self._access.principal(who) as connection:
            default = await _is_default(connection, who.account)
            refusal = refuse_role(who, invited.role, default_account=default)
            if refusal is not None:
                return refusal
            # Another account's person is hidden by row level security; the key still collides.
            status = await connection.execute(
                "INSERT INTO config.person (id, account, email, name, role, password_hash, state)"
                " VALUES ($1, $2, $3, $4, $5, '', 'invited') ON CONFLICT (email) DO NOTHING",
                invited.id,
                who.account,
                invited.email,
                invited.name,
                invited.role,
            )
            if status != "INSERT 0 1":
                raise TakenError(f"{invited.email} is known already")
            await _put_link(connection, who.account, invited.id, "invitation", invited)
            await record(
                connection, who, "user.invited", invited.id,
                email=invited.email, name=invited.name, role=invited.role,
            )  # fmt: skip
        return None

    async def new_link(
        self, who: Principal, user: str, link: str, until: datetime
    ) -> Refusal | User | None:
        """Put a new link in the place of an older one: an invitation, or to reset a password."""
        async with self._access.principal(who) as connection:
            whom = await _find(connection, user)
            if whom is None:
                return None
            if whom.state == "deactivated":
                return Refusal("conflict", "state", "Reactivate this user first.")
            if (refusal := refuse_power(who, whom.role)) is not None:
                return refusal
            kind: Literal["invitation", "reset"] = (
                "invitation" if whom.state == "invited" else "reset"
            )
            invited = Invitation(whom.id, whom.email, whom.name, whom.role, link, until)
            await _put_link(connection, who.account, user, kind, invited)
            await record(connection, who, f"user.{kind}_link_made", user)
        return whom

    async def change(
        self, who: Principal, user: str, change: UserChange, version: int | None = None
    ) -> Refusal | User | None:
        """Change somebody as `domain.people` allows; None = there is no such person.

        StaleError when they have no longer this version.
        """
        async with self._access.principal(who) as connection:
            # Every administrator's row is locked: two cannot remove each other at once.
            others = await connection.fetch(
                "SELECT id FROM config.person WHERE account = $1 AND role = 'administrator'"
                " AND state = 'active' ORDER BY id FOR UPDATE",
                who.account,
            )
            await connection.execute("SELECT 1 FROM config.person WHERE id = $1 FOR UPDATE", user)
            whom = await _find(connection, user)
            if whom is None:
                return None
            if version not in {None, whom.version}:
                raise StaleError
            refusal = refuse_change(
                who, whom, change,
                other_administrators=len({row["id"] for row in others} - {user}),
                default_account=await _is_default(connection, who.account),
            )  # fmt: skip
            if refusal is not None:
                return refusal
            await _write(connection, who, whom, change)
            return await _find(connection, user)

    async def reset_second_factor(self, who: Principal, user: str) -> Refusal | User | None:
        """Take somebody's second factor away: their phone is gone."""
        async with self._access.principal(who) as connection:
            whom = await _find(connection, user)
            if whom is None:
                return None
            if (refusal := refuse_power(who, whom.role)) is not None:
                return refusal
            await connection.execute("DELETE FROM config.recovery_code WHERE person = $1", user)
            await connection.execute("DELETE FROM config.second_factor WHERE person = $1", user)
            await record(connection, who, "second_factor.reset", user)
            return await _find(connection, user)

    async def orphans(self, who: Principal) -> list[Orphan]:
        """Return the mailboxes whose owners were deactivated."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                "SELECT m.id, m.name, m.active, p.id AS owner, p.name AS owner_name,"
                " p.email AS owner_email FROM config.mailbox m"
                " JOIN config.person p ON p.id = m.owner AND p.state = 'deactivated'"
                " WHERE m.account = $1 ORDER BY p.name, m.name, m.id",
                who.account,
            )
        return [Orphan(**dict(row)) for row in rows]

    async def hand_over(
        self, who: Principal, mailbox: str, user: str, *, resume: bool
    ) -> Refusal | User | None:
        """Give an owned mailbox to somebody else; None = there is no such mailbox.

        Its password stays: it is sealed to mailbox, login and host, not to a person.
        """
        async with self._access.principal(who) as connection:
            before = await connection.fetchval(
                "SELECT owner FROM config.mailbox WHERE id = $1 AND owner IS NOT NULL FOR UPDATE",
                mailbox,
            )
            if before is None:
                return None
            whom = await _find(connection, user)
            if whom is None or whom.state != "active":
                return Refusal("invalid", "owner", "Choose somebody who is active here.")
            await connection.execute(
                "UPDATE config.mailbox SET owner = $2, active = active OR $3,"
                " version = nextval('config.version') WHERE id = $1",
                mailbox,
                user,
                resume,
            )
            await connection.execute(
                "DELETE FROM config.mailbox_share WHERE mailbox = $1 AND person = $2", mailbox, user
            )
            await note(connection, f"mailbox {mailbox}")
            await record(
                connection, who, "mailbox.handed_over", mailbox,
                owner=[before, user], resumed=resume,
            )  # fmt: skip
        return whom


async def _find(connection: Connection, user: str) -> User | None:
    row: Any = await connection.fetchrow(f"{_SELECT} WHERE p.id = $1", user)
    return User(**dict(row)) if row else None


async def _is_default(connection: Connection, account: str) -> bool:
    return bool(
        await connection.fetchval("SELECT is_default FROM config.account WHERE id = $1", account)
    )


async def _put_link(
    connection: Connection,
    account: str,
    person: str,
    kind: Literal["invitation", "reset"],
    invited: Invitation,
) -> None:
    await connection.execute("DELETE FROM config.link WHERE person = $1", person)
    await connection.execute(
        "INSERT INTO config.link (hash, account, person, kind, expires_at)"
        " VALUES ($1, $2, $3, $4, $5)",
        invited.link,
        account,
        person,
        kind,
        invited.until,
    )


async def _write(connection: Connection, who: Principal, whom: User, change: UserChange) -> None:
    await connection.execute(
        "UPDATE config.person SET name = coalesce($2, name), role = coalesce($3, role),"
        " state = coalesce($4, state) WHERE id = $1",
        whom.id,
        change.name,
        change.role,
        change.state,
    )
    wanted = {name: getattr(change, name) for name in ("name", "role")}
    changes = {
        name: [getattr(whom, name), value]
        for name, value in wanted.items()
        if value not in {None, getattr(whom, name)}
    }
    if changes:
        await record(connection, who, "user.changed", whom.id, **changes)
    if change.state == "deactivated" and whom.state != "deactivated":
        paused = await close(connection, whom.id)
        await record(connection, who, "user.deactivated", whom.id, paused=paused)
        await note(connection, f"person {whom.id}")
    elif change.state == "active" and whom.state == "deactivated":
        await record(connection, who, "user.reactivated", whom.id)
        await note(connection, f"person {whom.id}")


async def close(connection: Connection, person: str) -> list[str]:
    """End what opens for a person and pause their mailboxes; return those that were active."""
    for table in ("session", "token", "link"):
        await connection.execute(
            f"DELETE FROM config.{table} WHERE person = $1",  # noqa: S608 - constants
            person,
        )
    gone = await connection.fetch(
        "DELETE FROM config.submission_password WHERE person = $1 RETURNING login", person
    )
    await note(connection, *{f"submission {row['login']}" for row in gone})
    rows = await connection.fetch(
        "UPDATE config.mailbox SET active = false, version = nextval('config.version')"
        " WHERE owner = $1 AND active RETURNING id",
        person,
    )
    paused = [row["id"] for row in rows]
    await note(connection, *(f"mailbox {mailbox}" for mailbox in paused))
    return paused
