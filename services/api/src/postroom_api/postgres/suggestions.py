"""What an account has seen lately, as suggestions for rules."""

from typing import Final

from postroom_api.domain.rule_suggestions import MOST, Known, frequent
from postroom_api.domain.values import Principal
from postroom_api.postgres.access import Access

_LOOKED_AT: Final = 1_000


class Suggestions:
    """Reads the message log and tickets, as the principal may see them."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def known(self, who: Principal) -> Known:
        """Return the most frequent of the newest mails, and the queues of tickets."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                "SELECT from_address, recipient, tags FROM config.message WHERE account = $1"
                " ORDER BY received_at DESC LIMIT $2",
                who.account,
                _LOOKED_AT,
            )
            queues = await connection.fetch(
                "SELECT queue FROM config.ticket WHERE account = $1 AND queue <> ''"
                " GROUP BY queue ORDER BY count(*) DESC, queue LIMIT $2",
                who.account,
                MOST,
            )
            lists = await connection.fetch(
                "SELECT DISTINCT value FROM config.rule,"
                " jsonb_path_query(condition::jsonb, '$.** ? (@.field == \"list_id\").values[*]')"
                " AS value LIMIT $1",
                MOST,
            )
        senders = frequent(row["from_address"] for row in rows)
        domains = frequent(one.rpartition("@")[2] for one in senders)
        return Known(
            senders=senders + domains,
            recipients=frequent(row["recipient"] for row in rows),
            lists=[row["value"].strip('"') for row in lists],
            tags=frequent(tag for row in rows for tag in row["tags"]),
            queues=[row["queue"] for row in queues],
        )
