"""Rules as rows."""

from collections.abc import Sequence
from typing import Any

import msgspec

from postroom_api.domain import sentences
from postroom_api.domain.values import Principal, Rule
from postroom_api.ports import StaleError
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record
from postroom_api.postgres.configuration import append_rule, note, touch_ruleset
from postroom_contract.rules import Action, Condition, Layer


class Rules:
    """Reads and writes rules, each change with its note in one transaction."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def list_rules(self, who: Principal) -> list[Rule]:
        """Return all rules of the account in the order in which they are tried."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                "SELECT id, scope, name, active, position, condition, actions, created_at, version,"
                " layer, shadow FROM config.rule"
                " ORDER BY layer = 'after', left(scope, 4), scope, position, id"
            )
        return [_rule(row) for row in rows]

    async def add_rule(
        self,
        who: Principal,
        rule: str,
        mailbox: str | None,
        name: str,
        when: Condition,
        then: Sequence[Action],
        layer: Layer = "before",
        *,
        shadow: bool = False,
    ) -> Rule | None:
        """Append a rule to a mailbox, or (None) to the account; None = there is no such mailbox."""
        async with self._access.principal(who) as connection:
            if mailbox is not None and not await connection.fetchval(
                "SELECT 1 FROM config.mailbox WHERE id = $1", mailbox
            ):
                return None
            scope = mailbox or who.account
            await append_rule(
                connection, who.account, scope, rule, name, when, then, layer, shadow=shadow
            )
            await record(connection, who, "rule.created", rule, name=name, scope=scope)
            row = await connection.fetchrow("SELECT * FROM config.rule WHERE id = $1", rule)
        return _rule(row)

    async def rule(self, who: Principal, rule: str) -> Rule | None:
        """Return one rule, or None."""
        async with self._access.principal(who) as connection:
            row = await connection.fetchrow("SELECT * FROM config.rule WHERE id = $1", rule)
        return _rule(row) if row else None

    async def change_rule(self, who: Principal, changed: Rule) -> bool:
        """Write a rule's name, state, place, condition and actions; False when it is gone.

        StaleError when it has no longer the version that `changed` came from.
        """
        async with self._access.principal(who) as connection:
            status = await connection.execute(
                "UPDATE config.rule SET name = $2, active = $3, position = $4, condition = $5,"
                " actions = $6, version = nextval('config.version'), layer = $8, shadow = $9"
                " WHERE id = $1 AND version = $7",
                changed.id,
                changed.name,
                changed.active,
                changed.position,
                msgspec.json.encode(changed.condition).decode(),
                msgspec.json.encode(changed.actions).decode(),
                changed.version,
                changed.layer,
                changed.shadow,
            )
            if status != "UPDATE 1":
                if await connection.fetchval("SELECT 1 FROM config.rule WHERE id = $1", changed.id):
                    raise StaleError
                return False
            await touch_ruleset(connection, who.account, changed.scope)
            sentence = sentences.rule(changed.condition, changed.actions)
            await record(
                connection, who, "rule.changed", changed.id,
                name=changed.name, active=changed.active, sentence=sentence,
                shadow=changed.shadow,
            )  # fmt: skip
        return True

    async def move_rule(self, who: Principal, rule: str, by: int) -> bool:
        """Exchange a rule with its neighbour, before (-1) or after (1); False when it is gone."""
        async with self._access.principal(who) as connection:
            scope = await connection.fetchval("SELECT scope FROM config.rule WHERE id = $1", rule)
            if scope is None:
                return False
            rows = await connection.fetch(
                "SELECT id FROM config.rule WHERE scope = $1 AND layer ="
                " (SELECT layer FROM config.rule WHERE id = $2) ORDER BY position, id FOR UPDATE",
                scope,
                rule,
            )
            ids = [row["id"] for row in rows]
            at = ids.index(rule)
            to = min(max(at + by, 0), len(ids) - 1)
            ids.insert(to, ids.pop(at))
            await connection.execute(
                "UPDATE config.rule r SET position = 10 * o.place,"
                " version = nextval('config.version')"
                " FROM unnest($1::text[]) WITH ORDINALITY AS o (id, place)"
                " WHERE r.id = o.id AND r.position <> 10 * o.place",
                ids,
            )
            await touch_ruleset(connection, who.account, scope)
            await record(connection, who, "rule.moved", rule, place=to + 1)
        return True

    async def delete_rule(self, who: Principal, rule: str) -> bool:
        """Take a rule away, with its examples; False when there was none."""
        async with self._access.principal(who) as connection:
            await connection.execute("DELETE FROM config.rule_example WHERE rule = $1", rule)
            scope = await connection.fetchval(
                "DELETE FROM config.rule WHERE id = $1 RETURNING scope", rule
            )
            if scope is None:
                return False
            await record(connection, who, "rule.deleted", rule, scope=scope)
            await note(connection, f"rule {scope} {rule}")
            await touch_ruleset(connection, who.account, scope)
        return True


def _rule(row: Any) -> Rule:
    when = msgspec.json.decode(row["condition"], type=Condition)
    then = msgspec.json.decode(row["actions"], type=list[Action])
    return Rule(
        id=row["id"],
        scope=row["scope"],
        name=row["name"],
        active=row["active"],
        position=row["position"],
        layer=row["layer"],
        shadow=row["shadow"],
        condition=when,
        actions=then,
        sentence=sentences.rule(when, then),
        created_at=row["created_at"],
        version=row["version"],
    )
