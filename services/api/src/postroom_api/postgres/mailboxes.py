"""Mailboxes: where mail comes from, and how the last look there went."""

from typing import Any, Final, Literal

import msgspec

from postroom_api.domain.connecting import may_have_another
from postroom_api.domain.mailbox_settings import Mailbox, MailboxSettings, Owner
from postroom_api.domain.values import Principal
from postroom_api.ports import StaleError
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record
from postroom_api.postgres.configuration import note, own_address, own_domain
from postroom_api.postgres.connect_links import use_link
from postroom_api.postgres.deleted_mailboxes import keep
from postroom_api.postgres.mailbox_rows import SELECT, mailbox_of
from postroom_runtime.postgres import Connection

_WRITE: Final = (
    "UPDATE config.mailbox SET name = $2, description = $3, active = $4, max_messages = $5,"
    " max_message_kb = $6, keep_days = $7, host = $8, port = $9, tls = $10, verify = $11,"
    " login = $12, apop = $13, interval_minutes = $14, delete_after = $15, ca = $16,"
    " charset = $18, service = $19, web_link = $20, owner = $21, first_import_days = $22,"
    " delete_after_days = $23, mark_read = $24, move_to = $25, folders = $26,"
    " emptying_since = CASE WHEN index_text AND NOT $27 OR keep_raw AND NOT $28 THEN now()"
    " WHEN $27 AND $28 THEN NULL ELSE emptying_since END,"
    " index_text = $27::boolean, keep_raw = $28::boolean,"
    " paused_for = CASE WHEN $4 THEN '' ELSE paused_for END,"
    " sealed_password = coalesce($17, sealed_password),"
    " auth = CASE WHEN $17 IS NULL OR $17 = '' THEN auth ELSE 'password' END,"
    " password_set_at = CASE WHEN $17 IS NULL THEN password_set_at"
    " WHEN $17 = '' THEN NULL ELSE now() END,"
    " version = nextval('config.version') WHERE id = $1"
)
_UNTOLD: Final = {
    "version", "sealed_password", "password_set_at", "created_at", "emptying_since",
}  # fmt: skip


class StoredSecret(msgspec.Struct, frozen=True, kw_only=True):
    """What a mailbox signs in with, and where a token is had for it."""

    sealed: str = ""
    auth: Literal["password", "oauth2"] = "password"
    token_url: str = ""
    client_id: str = ""
    sealed_client_secret: str = ""


class Mailboxes:
    """Reads and writes mailboxes, each change with its notes in one transaction."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def one(self, who: Principal, mailbox: str) -> Mailbox | None:
        """Return one mailbox, or None."""
        async with self._access.principal(who) as connection:
            row = await connection.fetchrow(f"{SELECT} WHERE m.id = $1", mailbox)
        return mailbox_of(row) if row else None

    async def names(self, who: Principal, mailboxes: list[str]) -> dict[str, str]:
        """Return the names of these mailboxes, of those that are there."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                "SELECT id, name FROM config.mailbox WHERE id = ANY($1::text[])", mailboxes
            )
        return {row["id"]: row["name"] for row in rows}

    async def person(self, who: Principal, text: str) -> str | None:
        """Return the id of a person, by id or e-mail address; users find themselves."""
        async with self._access.principal(who) as connection:
            found = await connection.fetchval(
                "SELECT id FROM config.person WHERE account = $1 AND (id = $2 OR email = $3)",
                who.account,
                text,
                text.strip().lower(),
            )
        return str(found) if found else None

    async def people(self, who: Principal, person: str | None = None) -> list[Owner]:
        """Return who may own a mailbox, the first thousand by name; or one by id."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                "SELECT id, name, email FROM config.person WHERE account = $1"
                " AND ($2::text IS NULL OR id = $2) ORDER BY name, id LIMIT 1000",
                who.account,
                person,
            )
        return [Owner(**dict(row)) for row in rows]

    async def stored_secret(self, who: Principal, mailbox: str) -> StoredSecret:
        """Return a stored password or grant, sealed as it is, for the fetcher alone to open."""
        async with self._access.principal(who) as connection:
            row = await connection.fetchrow(
                "SELECT m.sealed_password, m.auth, v.oauth_token_url, v.oauth_client,"
                " v.oauth_sealed_secret FROM config.mailbox m"
                " LEFT JOIN config.mail_service v ON v.id = m.service WHERE m.id = $1",
                mailbox,
            )
        if row is None:
            return StoredSecret()
        return StoredSecret(
            sealed=row["sealed_password"],
            auth=row["auth"],
            token_url=row["oauth_token_url"] or "",
            client_id=row["oauth_client"] or "",
            sealed_client_secret=row["oauth_sealed_secret"] or "",
        )

    async def grant(self, who: Principal, mailbox: str, sealed: str) -> None:
        """Write what a provider granted, in the place of a password."""
        async with self._access.principal(who) as connection:
            await connection.execute(
                "UPDATE config.mailbox SET sealed_password = $2, auth = 'oauth2',"
                " password_set_at = now(), version = nextval('config.version') WHERE id = $1",
                mailbox,
                sealed,
            )
            await note(connection, f"mailbox {mailbox}")
            await record(connection, who, "mailbox.signed_in", mailbox)

    async def add(
        self,
        who: Principal,
        mailbox: str,
        settings: MailboxSettings,
        sealed: str | None,
        link: str | None = None,
    ) -> str | None:
        """Make a mailbox; return why its owner may have no further one, or None.

        TakenError when one of its addresses is not free. `link` is the hash of a connect link:
        LinkUsedError when it opens no more.
        """
        async with self._access.principal(who) as connection:
            if settings.owner and (words := await _full(connection, who, settings.owner)):
                return words
            await connection.execute(
                "INSERT INTO config.mailbox (id, account, name, kind, source, owner)"
                " VALUES ($1, $2, $3, $4, $5, $6)",
                mailbox,
                who.account,
                settings.name,
                settings.kind,
                settings.source.type,
                settings.owner,
            )
            await self._write(connection, who, mailbox, settings, sealed)
            if sealed is None and settings.source.type != "smtp":
                await connection.execute(
                    "UPDATE config.mailbox SET auth = 'oauth2' WHERE id = $1", mailbox
                )
            if link is not None:
                await use_link(connection, link, mailbox)
            await record(
                connection, who, "mailbox.created", mailbox,
                name=settings.name, owner=settings.owner, service=settings.service,
            )  # fmt: skip
        return None

    async def change(
        self,
        who: Principal,
        mailbox: str,
        settings: MailboxSettings,
        sealed: str | None,
        version: int | None = None,
    ) -> str | None:
        """Write a mailbox; return why its new owner may have no further one, or None.

        StaleError when it has no longer this version; TakenError when one of its addresses is not
        free. Whether they may change it is asked before; row level security lets nothing else
        through.
        """
        async with self._access.principal(who) as connection:
            before = await connection.fetchrow(
                "SELECT * FROM config.mailbox WHERE id = $1 FOR UPDATE", mailbox
            )
            if before is None:
                return None
            if version is not None and before["version"] != version:
                raise StaleError
            handed_over = settings.owner is not None and settings.owner != before["owner"]
            if handed_over and (words := await _full(connection, who, settings.owner or "")):
                return words
            if handed_over:  # the new owner decides anew who else sees it
                await connection.execute(
                    "DELETE FROM config.mailbox_share WHERE mailbox = $1", mailbox
                )
            await self._write(connection, who, mailbox, settings, sealed)
            after = await connection.fetchrow("SELECT * FROM config.mailbox WHERE id = $1", mailbox)
            await record(connection, who, "mailbox.changed", mailbox, **_changes(before, after))
        return None

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
            source.charset,
            settings.service,
            settings.web_link,
            settings.owner,
            source.first_import_days,
            source.delete_after_days,
            source.mark_read,
            source.move_to,
            source.folders,
            settings.privacy.index_text,
            settings.privacy.keep_raw,
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

    async def switch(self, who: Principal, mailbox: str, *, active: bool) -> None:
        """Let a mailbox fetch and take mail, or pause it."""
        async with self._access.principal(who) as connection:
            changed = await connection.fetchval(
                "UPDATE config.mailbox SET active = $2,"
                " paused_for = CASE WHEN $2 THEN '' ELSE paused_for END,"
                " version = nextval('config.version') WHERE id = $1 AND active <> $2 RETURNING id",
                mailbox,
                active,
            )
            if changed is None:
                return
            await note(connection, f"mailbox {mailbox}")
            await record(connection, who, "mailbox.changed", mailbox, active=[not active, active])

    async def delete(self, who: Principal, mailbox: str) -> None:
        """Take a mailbox away with its addresses and rules; its mail stays in the log.

        It can be brought back for seven days.
        """
        async with self._access.principal(who) as connection:
            await keep(connection, who, mailbox)
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


async def _full(connection: Connection, who: Principal, owner: str) -> str | None:
    """Return why a person may have no further mailbox; others who ask meanwhile wait."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('mailboxes of ' || $1))", owner)
    have = await connection.fetchval("SELECT count(*) FROM config.mailbox WHERE owner = $1", owner)
    limit = await connection.fetchval(
        "SELECT mailboxes_per_user FROM config.account WHERE id = $1", who.account
    )
    return may_have_another(have, limit)


def _changes(before: Any, after: Any) -> dict[str, list[object]]:
    """Return column → [before, after] for the audit; of a password only that it changed."""
    found: dict[str, list[object]] = {}
    for name in set(before.keys()) - _UNTOLD:
        if before[name] != after[name]:
            found[name] = [before[name], after[name]]
    if before["sealed_password"] != after["sealed_password"]:
        found["password"] = ["•", "•"]
    return found
