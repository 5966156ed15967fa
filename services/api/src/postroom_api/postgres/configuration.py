"""Steps that several changes of configuration share; each runs inside the caller's transaction."""

from collections.abc import Sequence

import msgspec

from postroom_api.ports import TakenError
from postroom_contract.rules import Action, Condition, Layer
from postroom_runtime.postgres import Connection


async def note(connection: Connection, *keys: str) -> None:
    """Note that these things changed; the relay publishes them after the commit."""
    await connection.execute(
        "INSERT INTO config.outbox (key) SELECT * FROM unnest($1::text[])", list(keys)
    )


async def own_domain(connection: Connection, account: str, domain: str) -> None:
    """Take a domain that is new; TakenError when it is another account's."""
    await connection.execute(
        "INSERT INTO config.domain (domain, account) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        domain,
        account,
    )
    # Row level security hides another account's row: not seen after all means not ours.
    if not await connection.fetchval("SELECT 1 FROM config.domain WHERE domain = $1", domain):
        raise TakenError(f"the domain {domain} belongs to another account")


async def own_address(
    connection: Connection,
    account: str,
    mailbox: str,
    address: str,
    domain: str,
    forum: str | None,
) -> None:
    """Take an address for a mailbox (and forum); TakenError when it is not free."""
    await connection.execute(
        "INSERT INTO config.address (address, account, mailbox, domain, forum)"
        " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        address,
        account,
        mailbox,
        domain,
        forum,
    )
    owner = await connection.fetchrow(
        "SELECT mailbox, forum FROM config.address WHERE address = $1", address
    )
    # Row level security hides another account's row: not seen after all means not ours.
    if owner is None or (owner["mailbox"], owner["forum"]) != (mailbox, forum):
        raise TakenError(f"{address} already belongs to a mailbox")


async def append_rule(
    connection: Connection,
    account: str,
    scope: str,
    rule: str,
    name: str,
    when: Condition,
    then: Sequence[Action],
    layer: Layer = "before",
    *,
    shadow: bool = False,
) -> None:
    """Put a rule behind the others of its scope; a repeated id changes nothing."""
    await connection.execute(
        "INSERT INTO config.rule (id, account, scope, name, position, condition, actions, layer,"
        " shadow) VALUES ($1, $2, $3, $4, coalesce((SELECT max(position) + 10 FROM config.rule"
        " WHERE scope = $3), 10), $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING",
        rule,
        account,
        scope,
        name,
        msgspec.json.encode(when).decode(),
        msgspec.json.encode(list(then)).decode(),
        layer,
        shadow,
    )
    await touch_ruleset(connection, account, scope)


async def touch_ruleset(connection: Connection, account: str, scope: str) -> None:
    """Give a scope's ruleset a new version, and note it.

    Its addresses too, when whether it rejects mail is no longer as before.
    """
    before = await connection.fetchval(
        "SELECT rejects FROM config.ruleset WHERE scope = $1 FOR UPDATE", scope
    )
    rejects = await connection.fetchval(
        "INSERT INTO config.ruleset (scope, account, rejects) VALUES ($1, $2,"
        " EXISTS (SELECT 1 FROM config.rule WHERE scope = $1 AND active AND NOT shadow"
        """ AND actions @> '[{"kind": "reject"}]'))"""
        " ON CONFLICT (scope) DO UPDATE SET version = nextval('config.version'),"
        " rejects = excluded.rejects RETURNING rejects",
        scope,
        account,
    )
    await note(connection, f"ruleset {scope}")
    if rejects != bool(before):
        rows = await connection.fetch(
            "UPDATE config.address SET version = nextval('config.version')"
            " WHERE mailbox = $1 OR account = $1 RETURNING address",
            scope,
        )
        await note(connection, *(f"address {row['address']}" for row in rows))
