"""Domains and their keys."""

from collections import defaultdict
from typing import Any, Final

from postroom_api.domain.mail_domains import DomainKey, KeyState, MailDomain
from postroom_api.domain.values import Principal
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record
from postroom_api.postgres.configuration import note
from postroom_contract.mail_domains import Algorithm, MadeKey
from postroom_runtime.postgres import Connection

_DOMAINS: Final = """
    SELECT d.domain, d.created_at,
        (SELECT count(*) FROM config.address a
            WHERE right(a.address, length(d.domain) + 1) = '@' || d.domain) AS addresses
    FROM config.domain d WHERE d.account = $1 AND ($2::text IS NULL OR d.domain = $2)
    ORDER BY d.domain
"""
_KEYS: Final = """
    SELECT domain, selector, algorithm, state, record, created_at FROM config.dkim_key
    WHERE account = $1 ORDER BY created_at, selector
"""
_NOTED: Final = "UPDATE config.domain SET version = nextval('config.version') WHERE domain = $1"


class MailDomains:
    """Reads and writes, each change with its audit and its note for smtp."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def all(self, who: Principal, domain: str | None = None) -> list[MailDomain]:
        """Return the account's domains by name, or the one."""
        async with self._access.principal(who) as connection:
            rows: Any = await connection.fetch(_DOMAINS, who.account, domain)
            keys: Any = await connection.fetch(_KEYS, who.account)
        by_domain: dict[str, list[DomainKey]] = defaultdict(list)
        for row in keys:
            values = dict(row)
            name = f"{row['selector']}._domainkey.{values.pop('domain')}"
            by_domain[row["domain"]].append(DomainKey(**values, name=name))
        return [MailDomain(**dict(row), keys=by_domain[row["domain"]]) for row in rows]

    async def add_key(
        self, who: Principal, domain: str, selector: str, algorithm: Algorithm, made: MadeKey
    ) -> bool:
        """Keep a new key; False when there is one of this name."""
        async with self._access.principal(who) as connection:
            added = await connection.fetchval(
                "INSERT INTO config.dkim_key (domain, selector, account, algorithm, sealed, record)"
                " SELECT domain, $2, account, $3, $4, $5 FROM config.domain"
                " WHERE domain = $1 AND account = $6 ON CONFLICT DO NOTHING RETURNING selector",
                domain,
                selector,
                algorithm,
                made.sealed,
                made.record,
                who.account,
            )
            if added:
                await record(connection, who, "dkim_key.created", f"{selector}._domainkey.{domain}")
        return added is not None

    async def set_state(self, who: Principal, domain: str, selector: str, state: KeyState) -> bool:
        """Let a key sign, or sign no more; False when there is none."""
        async with self._access.principal(who) as connection:
            found = await connection.fetchval(
                "UPDATE config.dkim_key SET state = $3 WHERE domain = $1 AND selector = $2"
                " AND account = $4 RETURNING selector",
                domain,
                selector,
                state,
                who.account,
            )
            if found:
                await self._changed(connection, domain)
                name = f"{selector}._domainkey.{domain}"
                await record(connection, who, "dkim_key.changed", name, state=state)
        return found is not None

    async def remove_key(self, who: Principal, domain: str, selector: str) -> bool:
        """Forget a key; False when there is none."""
        async with self._access.principal(who) as connection:
            found = await connection.fetchval(
                "DELETE FROM config.dkim_key WHERE domain = $1 AND selector = $2 AND account = $3"
                " RETURNING selector",
                domain,
                selector,
                who.account,
            )
            if found:
                await self._changed(connection, domain)
                await record(connection, who, "dkim_key.removed", f"{selector}._domainkey.{domain}")
        return found is not None

    async def _changed(self, connection: Connection, domain: str) -> None:
        await connection.execute(_NOTED, domain)
        await note(connection, f"domain {domain}")
