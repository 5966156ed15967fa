"""Asking that mails be erased, and counting what remains of them, as those who manage."""

from datetime import datetime
from typing import Any

from postroom_api.domain.erasing import MOST, Counted
from postroom_api.domain.values import Principal
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record, record_all
from postroom_runtime.postgres import Connection

_OF_PERSON = (
    "account = config.my_account() AND erased_at IS NULL AND (from_address = $1"
    " OR envelope_sender = $1 OR recipient = $1"
    " OR EXISTS (SELECT 1 FROM jsonb_array_elements_text(event -> 'summary' -> 'to') AS t"
    " WHERE lower(t) = $1))"
)


class Erasing:
    """Notes what shall go; the worker takes it away."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def ask(self, who: Principal, message: str, now: datetime) -> Counted | None:
        """Hide a mail and let it be erased now; None when there is none, or no longer."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                "UPDATE config.message SET deleted_at = coalesce(deleted_at, $2),"
                " erasing_at = coalesce(erasing_at, $2) WHERE id = $1 AND erased_at IS NULL"
                " RETURNING id, post",
                message,
                now,
            )
            if not rows:
                return None
            await record(connection, who, "message.erased", message)
            return await _counted(connection, [message], _posts(rows), "")

    async def ask_of_person(
        self, who: Principal, address: str, name: str, now: datetime
    ) -> tuple[list[str], Counted]:
        """The same for all mails from or to an address: their ids, and what remains.

        The audit knows the person by `name`, which says nothing of them.
        """
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                "UPDATE config.message SET deleted_at = coalesce(deleted_at, $2),"  # noqa: S608 - constant
                " erasing_at = coalesce(erasing_at, $2) WHERE id = ANY(ARRAY("
                f"SELECT id FROM config.message WHERE {_OF_PERSON} LIMIT {MOST}))"
                " RETURNING id, post",
                address,
                now,
            )
            ids = [row["id"] for row in rows]
            # Mails of theirs that were pasted as examples of rules; those that came go with them.
            await connection.execute(
                "DELETE FROM config.rule_example WHERE account = config.my_account()"
                " AND (lower(sender) = $1 OR lower(recipient) = $1)",
                address,
            )
            await record(connection, who, "person.erased", name, mails=len(ids))
            await record_all(connection, who, "message.erased", {one: {} for one in ids})
            return ids, await _counted(connection, ids, _posts(rows), address)

    async def waiting(self, who: Principal, messages: list[str]) -> int:
        """Return how many of them are not erased yet."""
        async with self._access.principal(who) as connection:
            return int(
                await connection.fetchval(
                    "SELECT count(*) FROM config.message WHERE id = ANY($1) AND erased_at IS NULL",
                    messages,
                )
            )


def _posts(rows: list[Any]) -> list[str]:
    return [row["post"] for row in rows if row["post"]]


async def _counted(
    connection: Connection, mails: list[str], posts: list[str], address: str
) -> Counted:
    """Count what remains of mails, and of an address where one is given."""
    row: Any = await connection.fetchrow(
        "WITH c AS (SELECT reported_at FROM config.delivery WHERE account = config.my_account()"
        " AND (origin = ANY($1::text[] || $2::text[]) OR recipient = $3)),"
        " r AS (SELECT at FROM config.refusal WHERE account = config.my_account()"
        " AND $3 <> '' AND (sender = $3 OR recipient = $3))"
        " SELECT (SELECT count(*) FROM c) AS copies, (SELECT max(reported_at) FROM c) AS copied,"
        " (SELECT count(*) FROM r) AS refusals, (SELECT max(at) FROM r) AS refused,"
        " (SELECT max(received_at) FROM config.message WHERE id = ANY($1)) AS newest,"
        " (SELECT count(*) FROM config.ticket WHERE requester = $3 OR id IN"
        " (SELECT ticket FROM config.ticket_mail WHERE mail = ANY($1))) AS tickets,"
        " (SELECT count(*) FROM config.suppression WHERE address = $3) AS suppressions,"
        " (SELECT count(*) FROM config.person WHERE account = config.my_account()"
        " AND email = $3) AS users,"
        " (SELECT count(*) FROM config.audit WHERE about = ANY($1)) AS audited",
        mails,
        posts,
        address,
    )
    return Counted(
        mails=len(mails),
        posts=len(posts),
        copies=row["copies"],
        newest_copy=row["copied"],
        newest_mail=row["newest"],
        tickets=row["tickets"],
        suppressions=row["suppressions"],
        users=row["users"],
        refusals=row["refusals"],
        newest_refusal=row["refused"],
        audited=row["audited"],
    )
