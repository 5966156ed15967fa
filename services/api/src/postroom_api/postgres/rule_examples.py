"""The mails that are kept as examples of rules, and what came of them."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from postroom_api.domain.rule_examples import Draft, KeptMail, RuleExample, finding
from postroom_api.domain.values import Principal, Rule
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record
from postroom_contract.rules import ConditionTrace
from postroom_contract.ruling import EXAMPLES, ExampleKnown, ExampleMail, RuleFinding, TriedMail

FINDINGS: Final = 200
"""Of one answer at most."""
_UNTRIED: Final = "matched IS NULL AND problem = ''"


class RuleExamples:
    """Reads and writes examples, as the principal may."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def all(self, who: Principal, rule: str) -> list[RuleExample]:
        """Return a rule's examples, the oldest first."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                "SELECT e.id, e.rule, e.name, nullif(e.mail, '') AS message, e.sender, e.recipient,"
                " octet_length(e.raw) AS size, e.expects, e.matched,"
                " e.matched = e.expects AS holds, e.problem, e.explained,"
                " coalesce(p.name, '') AS created_by, e.created_at"
                " FROM config.rule_example e LEFT JOIN config.person p ON p.id = e.created_by"
                " WHERE e.rule = $1 ORDER BY e.created_at, e.id",
                rule,
            )
        return [_example(row) for row in rows]

    async def untried(self, who: Principal, rule: str) -> list[KeptMail]:
        """Return those that were not tried since the condition was changed."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                "SELECT id, raw, sender, recipient, received_at, known FROM config.rule_example"  # noqa: S608 - constant
                f" WHERE rule = $1 AND {_UNTRIED} ORDER BY created_at, id LIMIT {EXAMPLES}",
                rule,
            )
        return [
            KeptMail(
                id=row["id"],
                mail=ExampleMail(
                    raw=row["raw"],
                    sender=row["sender"],
                    recipient=row["recipient"],
                    received_at=row["received_at"],
                    known=msgspec.json.decode(row["known"], type=ExampleKnown),
                ),
            )
            for row in rows
        ]

    async def tried(
        self, who: Principal, rule: Rule, found: Sequence[tuple[str, TriedMail]]
    ) -> None:
        """Write what came of examples, unless the rule was changed meanwhile."""
        async with self._access.principal(who) as connection:
            await connection.execute(
                "UPDATE config.rule_example e SET matched = t.matched, problem = t.problem,"
                " explained = t.explained::json FROM config.rule r,"
                " unnest($3::text[], $4::bool[], $5::text[], $6::text[])"
                " AS t (id, matched, problem, explained)"
                " WHERE e.id = t.id AND e.rule = r.id AND r.id = $1 AND r.version = $2",
                rule.id,
                rule.version,
                [name for name, _ in found],
                *zip(*(_result(one) for _, one in found), strict=True),
            )

    async def count(self, who: Principal, rule: str) -> int:
        """Return how many examples a rule has."""
        async with self._access.principal(who) as connection:
            return int(
                await connection.fetchval(
                    "SELECT count(*) FROM config.rule_example WHERE rule = $1", rule
                )
            )

    async def add(self, who: Principal, rule: Rule, draft: Draft, tried: TriedMail) -> bool:
        """Keep an example; False when there are as many as may be, or its mail or rule is gone.

        `tried` counts only where the rule was not changed meanwhile.
        """
        mail = draft.mail
        async with self._access.principal(who) as connection:
            # Who adds another meanwhile waits; and a mail that is kept is not erased before.
            version = await connection.fetchval(
                "SELECT version FROM config.rule WHERE id = $1 FOR UPDATE", rule.id
            )
            full = await connection.fetchval(
                "SELECT count(*) >= $2 FROM config.rule_example WHERE rule = $1", rule.id, EXAMPLES
            )
            there = not draft.message or await connection.fetchval(
                "SELECT 1 FROM config.message WHERE id = $1 AND deleted_at IS NULL FOR SHARE",
                draft.message,
            )
            if version is None or full or not there:
                return False
            result = _result(tried) if version == rule.version else (None, "", "[]")
            await connection.execute(
                "INSERT INTO config.rule_example (id, account, rule, mail, name, raw, sender,"
                " recipient, received_at, known, expects, matched, problem, explained, created_by,"
                " created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::json, $11,"
                " $12, $13, $14::text::json, $15, now())",
                draft.id, who.account, rule.id, draft.message, draft.name, mail.raw, mail.sender,
                mail.recipient, mail.received_at, msgspec.json.encode(mail.known).decode(),
                draft.expects, *result, who.id,
            )  # fmt: skip
            await record(connection, who, "rule.example_added", rule.id, example=draft.id)
        return True

    async def delete(self, who: Principal, rule: str, example: str) -> bool:
        """Take an example away; False when there was none."""
        async with self._access.principal(who) as connection:
            status = await connection.execute(
                "DELETE FROM config.rule_example WHERE id = $1 AND rule = $2", example, rule
            )
            if status != "DELETE 1":
                return False
            await record(connection, who, "rule.example_deleted", rule, example=example)
        return True

    async def findings(self, who: Principal, mailbox: str | None) -> list[RuleFinding]:
        """Return what came out wrong: of rules for a mailbox and for all, or of all rules."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                "SELECT e.rule, e.name, e.expects, e.problem FROM config.rule_example e"
                " JOIN config.rule r ON r.id = e.rule"
                " WHERE (e.matched <> e.expects OR e.problem <> '')"
                " AND ($1::text IS NULL OR r.scope IN ($1, $2))"
                " ORDER BY e.rule, e.created_at, e.id LIMIT $3",
                mailbox,
                who.account,
                FINDINGS,
            )
        return [
            finding(row["rule"], row["name"], expects=row["expects"], problem=row["problem"])
            for row in rows
        ]


def _result(tried: TriedMail) -> tuple[bool | None, str, str]:
    """Return what is written of a trial: whether it matched, why not, what was compared."""
    explained = msgspec.json.encode(tried.conditions).decode()
    return (None if tried.problem else tried.matched), tried.problem, explained


def _example(row: Any) -> RuleExample:
    values = dict(row)
    conditions = msgspec.json.decode(values.pop("explained"), type=list[ConditionTrace])
    return RuleExample(**values, conditions=conditions)
