"""Versions of rules, what they matched, and the mails that they are tried on again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from postroom_api.domain import sentences
from postroom_api.domain.rule_life import Hits, RuleVersion
from postroom_api.domain.values import MessageRow, Principal, Rule
from postroom_api.postgres.access import Access
from postroom_api.postgres.log import MESSAGE
from postroom_contract.mail import MailFacts, Pointer
from postroom_contract.rules import Action, Condition, Rating
from postroom_contract.ruling import StoredMail

Place = tuple[datetime, str]
_RULED: Final = "coalesce(event ->> 'role', 'mail') IN ('mail', 'post')"
"""Mail on which rules are tried."""


class RuleLife:
    """Reads what is kept of rules, as the principal may see it."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def versions(self, who: Principal, rule: Rule) -> list[RuleVersion]:
        """Return a rule's versions, the newest first; of one that never changed, itself."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                "SELECT v.rule, v.version, v.name, v.active, v.layer, v.shadow, v.condition,"
                " v.actions, v.changed_at, coalesce(p.name, '') AS changed_by"
                " FROM config.rule_version v LEFT JOIN config.person p ON p.id = v.changed_by"
                " WHERE v.rule = $1 ORDER BY v.version DESC",
                rule.id,
            )
        return [_version(row) for row in rows] or [_as_version(rule)]

    async def hits(self, who: Principal, today: datetime) -> dict[str, Hits]:
        """Return what the rules matched in the last days, of those that matched."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                "SELECT rule, sum(live) FILTER (WHERE day > $2::date - 7) AS week,"
                " sum(live) AS month, sum(shadow) FILTER (WHERE day > $2::date - 7) AS shadow_week,"
                " sum(shadow) AS shadow_month, max(last_at) AS last_at"
                " FROM config.rule_hit WHERE account = $1 AND day > $2::date - 30 GROUP BY rule",
                who.account,
                today.date(),
            )
        return {
            row["rule"]: Hits(
                rule=row["rule"],
                week=row["week"] or 0,
                month=row["month"],
                shadow_week=row["shadow_week"] or 0,
                shadow_month=row["shadow_month"],
                last_at=row["last_at"],
            )
            for row in rows
        }

    async def count(
        self, who: Principal, mailbox: str | None, since: datetime, until: datetime, most: int
    ) -> int:
        """Return how many mails came to a mailbox, or all, between two times; at most so many."""
        async with self._access.principal(who) as connection:
            return int(
                await connection.fetchval(
                    "SELECT count(*) FROM (SELECT 1 FROM config.message WHERE account = $1"  # noqa: S608 - constant
                    " AND ($2::text IS NULL OR mailbox = $2) AND received_at >= $3"
                    f" AND received_at <= $4 AND {_RULED} LIMIT $5) AS counted",
                    who.account,
                    mailbox,
                    since,
                    until,
                    most,
                )
            )

    async def stored(
        self, who: Principal, mailbox: str | None, since: datetime, before: Place, limit: int
    ) -> list[tuple[Place, StoredMail]]:
        """Return mails that came since a time and before a place, the newest first."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                "SELECT id, mailbox, received_at, stream, sequence,"  # noqa: S608 - constant
                " event -> 'decision' -> 'rating' AS rating,"
                " event -> 'decision' -> 'forums' AS forums,"
                " coalesce(event ->> 'charset', '') AS charset FROM config.message"
                " WHERE account = $1 AND ($2::text IS NULL OR mailbox = $2) AND received_at >= $3"
                f" AND (received_at, id) < ($4, $5) AND {_RULED}"
                " ORDER BY received_at DESC, id DESC LIMIT $6",
                who.account,
                mailbox,
                since,
                *before,
                limit,
            )
        return [((row["received_at"], row["id"]), _stored(row)) for row in rows]

    async def messages(self, who: Principal, messages: Sequence[str]) -> dict[str, MessageRow]:
        """Return the rows of these mails, of those that they may see."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                f"SELECT {MESSAGE} FROM config.message WHERE id = ANY($1)",  # noqa: S608 - constant
                list(messages),
            )
        return {row["id"]: MessageRow(**dict(row)) for row in rows}


def _stored(row: Any) -> StoredMail:
    rating, forums = row["rating"], row["forums"]
    return StoredMail(
        id=row["id"],
        mailbox=row["mailbox"],
        raw=Pointer(row["stream"], row["sequence"]),
        rating=msgspec.json.decode(rating, type=Rating | None) if rating else None,
        forums=msgspec.json.decode(forums, type=MailFacts | None) if forums else None,
        charset=row["charset"],
    )


def _version(row: Any) -> RuleVersion:
    when = msgspec.json.decode(row["condition"], type=Condition)
    then = msgspec.json.decode(row["actions"], type=list[Action])
    said = {**dict(row), "condition": when, "actions": then}
    return RuleVersion(**said, sentence=sentences.rule(when, then))


def _as_version(rule: Rule) -> RuleVersion:
    return RuleVersion(
        rule=rule.id,
        version=rule.version,
        name=rule.name,
        active=rule.active,
        layer=rule.layer,
        shadow=rule.shadow,
        condition=rule.condition,
        actions=rule.actions,
        sentence=rule.sentence,
        changed_by="",
        changed_at=rule.created_at,
    )
