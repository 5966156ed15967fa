"""Mailboxes: where mail comes from, and how the last look there went."""

from typing import Any, Final

import msgspec

from postroom_api.domain.mailbox_settings import (
    LastCheck,
    Mailbox,
    MailboxLimits,
    MailboxSettings,
    PasswordState,
    SourceView,
    warnings,
)
from postroom_api.domain.values import Principal
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record
from postroom_api.postgres.configuration import note, own_address, own_domain
from postroom_contract.events import SkippedMail
from postroom_runtime.postgres import Connection

_SELECT: Final = (
    "SELECT m.*, c.state, c.error, c.checked_at, c.next_check_at, c.found, c.stored, c.skipped,"
    " array(SELECT a.address FROM config.address a WHERE a.mailbox = m.id ORDER BY a.address)"
    " AS addresses,"
    " (SELECT min(a.forum) FROM config.address a WHERE a.mailbox = m.id) AS forum"
    " FROM config.mailbox m LEFT JOIN config.mailbox_check c ON c.mailbox = m.id"
)
_WRITE: Final = (
    "UPDATE config.mailbox SET name = $2, description = $3, active = $4, max_messages = $5,"
    " max_message_kb = $6, keep_days = $7, host = $8, port = $9, tls = $10, verify = $11,"
    " login = $12, apop = $13, interval_minutes = $14, delete_after = $15, ca = $16,"
    " first_import_days = $18,"
    " sealed_password = coalesce($17, sealed_password),"
    " password_set_at = CASE WHEN $17 IS NULL THEN password_set_at ELSE now() END,"
    " version = nextval('config.version') WHERE id = $1"
)
_UNTOLD: Final = {"version", "sealed_password", "password_set_at", "created_at"}


class Mailboxes:
    """Reads and writes mailboxes, each change with its notes in one transaction."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def all(self, who: Principal) -> list[Mailbox]:
        """Return all mailboxes of the account."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(f"{_SELECT} ORDER BY m.name, m.id")
        return [_mailbox(row) for row in rows]

    async def one(self, who: Principal, mailbox: str) -> Mailbox | None:
        """Return one mailbox, or None."""
        async with self._access.principal(who) as connection:
            row = await connection.fetchrow(f"{_SELECT} WHERE m.id = $1", mailbox)
        return _mailbox(row) if row else None

    async def sealed_password(self, who: Principal, mailbox: str) -> str | None:
        """Return a stored password, sealed as it is, for the fetcher alone to open."""
        async with self._access.principal(who) as connection:
            found = await connection.fetchval(
                "SELECT sealed_password FROM config.mailbox WHERE id = $1", mailbox
            )
        return str(found) if found else None

    async def add(
        self, who: Principal, mailbox: str, settings: MailboxSettings, sealed: str | None
    ) -> None:
        """Make a mailbox; TakenError when one of its addresses is not free."""
        async with self._access.principal(who) as connection:
            await connection.execute(
                "INSERT INTO config.mailbox (id, account, name, kind, source)"
                " VALUES ($1, $2, $3, $4, $5)",
                mailbox,
                who.account,
                settings.name,
                settings.kind,
                settings.source.type,
            )
            await self._write(connection, who, mailbox, settings, sealed)
            await record(connection, who, "mailbox.created", mailbox, name=settings.name)

    async def change(
        self, who: Principal, mailbox: str, settings: MailboxSettings, sealed: str | None
    ) -> bool:
        """Write a mailbox; False when it is not there or not theirs to change.

        TakenError when one of its addresses is not free.
        """
        async with self._access.principal(who) as connection:
            before = await connection.fetchrow(
                "SELECT * FROM config.mailbox WHERE id = $1 FOR UPDATE", mailbox
            )
            if before is None:
                return False
            await self._write(connection, who, mailbox, settings, sealed)
            after = await connection.fetchrow("SELECT * FROM config.mailbox WHERE id = $1", mailbox)
            await record(connection, who, "mailbox.changed", mailbox, **_changes(before, after))
        return True

    async def _write(
        self,
        connection: Connection,
        who: Principal,
        mailbox: str,
        settings: MailboxSettings,
        sealed: str | None,
    ) -> None:
        source, limits = settings.source, settings.limits
        await connection.execute(
            _WRITE,
            mailbox,
            settings.name,
            settings.description,
            settings.active,
            limits.max_messages,
            limits.max_message_kb,
            limits.keep_days,
            source.host,
            source.port,
            source.tls,
            source.verify,
            source.login,
            source.apop,
            source.interval_minutes,
            source.delete_after,
            source.ca,
            sealed,
            source.first_import_days,
        )
        await note(connection, f"mailbox {mailbox}")
        await self._set_addresses(connection, who, mailbox, source.addresses)

    async def _set_addresses(
        self, connection: Connection, who: Principal, mailbox: str, wanted: list[str]
    ) -> None:
        """Take and give back addresses; a forum's own address always stays."""
        rows = await connection.fetch(
            "SELECT address FROM config.address WHERE mailbox = $1 AND forum IS NULL", mailbox
        )
        have = {row["address"] for row in rows}
        for address in sorted(have - set(wanted)):
            await connection.execute("DELETE FROM config.address WHERE address = $1", address)
            await note(connection, f"address {address}")
        held = await connection.fetch(
            "SELECT address FROM config.address WHERE mailbox = $1 AND forum IS NOT NULL", mailbox
        )
        for address in sorted(set(wanted) - have - {row["address"] for row in held}):
            domain = address.rpartition("@")[2]
            await own_domain(connection, who.account, domain)
            await own_address(connection, who.account, mailbox, address, domain, None)
            await note(connection, f"domain {domain}", f"address {address}")

    async def delete(self, who: Principal, mailbox: str) -> None:
        """Take a mailbox away with its addresses and rules; its mail stays in the log."""
        async with self._access.principal(who) as connection:
            addresses = await connection.fetch(
                "DELETE FROM config.address WHERE mailbox = $1 RETURNING address", mailbox
            )
            rules = await connection.fetch(
                "DELETE FROM config.rule WHERE scope = $1 RETURNING id", mailbox
            )
            await connection.execute("DELETE FROM config.ruleset WHERE scope = $1", mailbox)
            await connection.execute("DELETE FROM config.mailbox_check WHERE mailbox = $1", mailbox)
            await connection.execute("DELETE FROM config.mailbox WHERE id = $1", mailbox)
            await note(
                connection,
                *(f"address {row['address']}" for row in addresses),
                *(f"rule {mailbox} {row['id']}" for row in rules),
                f"ruleset {mailbox}",
                f"mailbox {mailbox}",
            )
            await record(connection, who, "mailbox.deleted", mailbox)


def _changes(before: Any, after: Any) -> dict[str, list[object]]:
    """Return column → [before, after] for the audit; of a password only that it changed."""
    found: dict[str, list[object]] = {}
    for name in set(before.keys()) - _UNTOLD:
        if before[name] != after[name]:
            found[name] = [before[name], after[name]]
    if before["sealed_password"] != after["sealed_password"]:
        found["password"] = ["•", "•"]
    return found


def _mailbox(row: Any) -> Mailbox:
    source = SourceView(
        type=row["source"],
        addresses=list(row["addresses"]),
        host=row["host"],
        port=row["port"],
        tls=row["tls"],
        verify=row["verify"],
        login=row["login"],
        password=PasswordState(bool(row["sealed_password"]), row["password_set_at"]),
        apop=row["apop"],
        interval_minutes=row["interval_minutes"],
        delete_after=row["delete_after"],
        first_import_days=row["first_import_days"],
        ca=row["ca"],
    )
    limits = MailboxLimits(
        max_messages=row["max_messages"],
        max_message_kb=row["max_message_kb"],
        keep_days=row["keep_days"],
    )
    return Mailbox(
        id=row["id"],
        name=row["name"],
        kind=row["kind"],
        description=row["description"],
        active=row["active"],
        source=source,
        limits=limits,
        last_check=_last_check(row),
        warnings=warnings(source),
        forum=row["forum"],
        created_at=row["created_at"],
    )


def _last_check(row: Any) -> LastCheck | None:
    if row["state"] is None:
        return None
    return LastCheck(
        state=row["state"],
        error=row["error"],
        checked_at=row["checked_at"],
        next_check_at=row["next_check_at"],
        found=row["found"],
        stored=row["stored"],
        skipped=msgspec.json.decode(row["skipped"], type=list[SkippedMail]),
    )
