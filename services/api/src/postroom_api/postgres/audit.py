"""Who changed what."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from postroom_api.domain import cursors
from postroom_api.domain.values import PageOf, Principal
from postroom_api.postgres.access import Access
from postroom_runtime.postgres import Connection


async def record(
    connection: Connection, who: Principal, action: str, about: str, **detail: object
) -> None:
    """Note a change in its own transaction: `action` as `mailbox.changed`, `about` an id.

    `detail` says what changed in plain JSON values; never a secret. The note stands in the account
    that the transaction is in.
    """
    await connection.execute(
        "INSERT INTO config.audit (account, person, name, action, about, detail)"
        " VALUES (config.my_account(), $1, $2, $3, $4, $5::jsonb)",
        who.id,
        who.name,
        action,
        about,
        msgspec.json.encode(detail).decode(),
    )


async def record_all(
    connection: Connection, who: Principal, action: str, details: Mapping[str, object]
) -> None:
    """Note the same of many at once: id → detail."""
    await connection.execute(
        "INSERT INTO config.audit (account, person, name, action, about, detail)"
        " SELECT config.my_account(), $1, $2, $3, about, detail::jsonb"
        " FROM unnest($4::text[], $5::text[]) AS t (about, detail)",
        who.id,
        who.name,
        action,
        list(details),
        [msgspec.json.encode(one).decode() for one in details.values()],
    )


async def note_reading(connection: Connection, who: Principal, message: str, mailbox: str) -> None:
    """Note that somebody opened a mail of another one's mailbox: once a person, mail and day."""
    owner = await connection.fetchval(
        "SELECT owner FROM config.mailbox WHERE id = $1 AND kind = 'user' AND owner <> $2"
        " AND NOT EXISTS (SELECT 1 FROM config.audit WHERE action = 'message.read'"
        " AND about = $3 AND person = $2 AND at >= date_trunc('day', now()))",
        mailbox,
        who.id,
        message,
    )
    if owner is not None:
        await record(connection, who, "message.read", message, mailbox=mailbox, owner=owner)


class Acts:
    """Notes what was done to what another service owns, after it was done.

    Doing it again, after an answer that did not come, is harmless and is noted again.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    async def note(self, who: Principal, action: str, about: str, **detail: object) -> None:
        """Note an act; as `record`."""
        async with self._access.principal(who) as connection:
            await record(connection, who, action, about, **detail)


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what, and to what."""

    id: int
    at: datetime
    person: str
    name: str
    action: str
    about: str
    detail: dict[str, Any]


class AuditFilter(msgspec.Struct, frozen=True):
    """What to look for; "" = everything. `action` takes a family as well: `mailbox`."""

    person: str = ""
    action: str = ""
    about: str = ""


class Audit:
    """Reads what was recorded."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def entries(
        self, who: Principal, wanted: AuditFilter, cursor: str | None, limit: int
    ) -> PageOf[AuditEntry]:
        """Return a page, newest first; `person` is an id, or a part of the name."""
        before = cursors.decode_number(cursor) if cursor else None
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                "SELECT id, at, person, name, action, about, detail FROM config.audit"
                " WHERE account = $1 AND ($2::bigint IS NULL OR id < $2)"
                " AND ($3 = '' OR person = $3 OR position(lower($3) IN lower(name)) > 0)"
                " AND ($4 = '' OR action = $4 OR starts_with(action, $4 || '.'))"
                " AND ($5 = '' OR about = $5) ORDER BY id DESC LIMIT $6",
                who.account,
                before,
                wanted.person,
                wanted.action,
                wanted.about,
                limit + 1,
            )
        page = [_entry(row) for row in rows[:limit]]
        more = len(rows) > limit
        return PageOf(data=page, next_cursor=cursors.encode(page[-1].id) if more else None)


def _entry(row: Any) -> AuditEntry:
    values = dict(row)
    return AuditEntry(**values | {"detail": msgspec.json.decode(values["detail"])})
