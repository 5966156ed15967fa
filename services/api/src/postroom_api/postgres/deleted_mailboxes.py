"""Mailboxes that were deleted and can be brought back for seven days.

Law: what is brought back has versions of its own, above those of its deletion, and comes back
switched off when its owner may not have it any more.
"""

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from postroom_api.domain.values import Principal
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record
from postroom_api.postgres.configuration import note, own_address, own_domain, touch_ruleset
from postroom_runtime.postgres import Connection

KEPT: Final = timedelta(days=7)
_KEEP: Final = """
    INSERT INTO config.deleted_mailbox
        (mailbox, account, owner, name, deleted_by, row, addresses, rules, shares)
    SELECT m.id, m.account, m.owner, m.name, $2, to_jsonb(m),
        coalesce((SELECT jsonb_agg(to_jsonb(a)) FROM config.address a
            WHERE a.mailbox = m.id), '[]'),
        coalesce((SELECT jsonb_agg(to_jsonb(r)) FROM config.rule r WHERE r.scope = m.id), '[]'),
        coalesce((SELECT jsonb_agg(to_jsonb(h)) FROM config.mailbox_share h
            WHERE h.mailbox = m.id), '[]')
    FROM config.mailbox m WHERE m.id = $1
"""
_MAILBOX: Final = """
    INSERT INTO config.mailbox SELECT * FROM jsonb_populate_record(NULL::config.mailbox,
        $1::jsonb || jsonb_build_object('version', nextval('config.version'), 'active', $2::bool))
"""
_RULES: Final = """
    INSERT INTO config.rule SELECT * FROM jsonb_populate_recordset(NULL::config.rule, $1::jsonb)
"""
_RULE_VERSIONS: Final = (
    "UPDATE config.rule SET version = nextval('config.version') WHERE scope = $1"
)
_SHARES: Final = """
    INSERT INTO config.mailbox_share
    SELECT * FROM jsonb_populate_recordset(NULL::config.mailbox_share, $1::jsonb)
    ON CONFLICT DO NOTHING
"""


class DeletedMailbox(msgspec.Struct, frozen=True, kw_only=True):
    """One that can be brought back."""

    id: str
    name: str
    deleted_at: datetime
    until: datetime
    """Then it is gone for good."""


async def keep(connection: Connection, who: Principal, mailbox: str) -> None:
    """Keep a mailbox and what goes with it, in the transaction that deletes them."""
    await connection.execute(_KEEP, mailbox, who.id)


class DeletedMailboxes:
    """Lists them, and brings one back."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def all(self, who: Principal, now: datetime) -> list[DeletedMailbox]:
        """Return those that one may bring back, the last deleted first."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                "SELECT mailbox, name, deleted_at FROM config.deleted_mailbox"
                " WHERE account = $1 AND deleted_at > $2 ORDER BY deleted_at DESC LIMIT 200",
                who.account,
                now - KEPT,
            )
        return [
            DeletedMailbox(
                id=row["mailbox"],
                name=row["name"],
                deleted_at=row["deleted_at"],
                until=row["deleted_at"] + KEPT,
            )
            for row in rows
        ]

    async def restore(self, who: Principal, mailbox: str, now: datetime) -> bool:
        """Bring one back; False when there is none. TakenError: its address is another's by now."""
        async with self._access.principal(who) as connection:
            row: Any = await connection.fetchrow(
                "DELETE FROM config.deleted_mailbox WHERE mailbox = $1 AND deleted_at > $2"
                " RETURNING row, addresses, rules, shares",
                mailbox,
                now - KEPT,
            )
            if row is None:
                return False
            before = msgspec.json.decode(row["row"], type=dict[str, Any])
            active = bool(before["active"]) and await _permitted(connection, before)
            await connection.execute(_MAILBOX, row["row"], active)
            for address in msgspec.json.decode(row["addresses"], type=list[dict[str, Any]]):
                mine, domain = address["address"], address["domain"]
                await own_domain(connection, who.account, domain)
                await own_address(connection, who.account, mailbox, mine, domain, None)
                await note(connection, f"domain {domain}", f"address {mine}")
            await connection.execute(_RULES, row["rules"])
            await connection.execute(_RULE_VERSIONS, mailbox)
            await touch_ruleset(connection, who.account, mailbox)
            await connection.execute(_SHARES, row["shares"])
            await connection.execute("SELECT config.count_mailbox($1)", mailbox)
            await note(connection, f"mailbox {mailbox}")
            await record(connection, who, "mailbox.restored", mailbox, active=active)
        return True


async def _permitted(connection: Connection, before: dict[str, Any]) -> bool:
    """Return whether it may fetch: its service is permitted and its owner can sign in."""
    if before["service"] and not await connection.fetchval(
        "SELECT permitted AND active FROM config.mail_service WHERE id = $1", before["service"]
    ):
        return False
    return not before["owner"] or bool(
        await connection.fetchval(
            "SELECT state = 'active' FROM config.person WHERE id = $1", before["owner"]
        )
    )
