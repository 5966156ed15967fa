"""Tickets as those who see their mailbox see them."""

from datetime import datetime
from typing import Final

from postroom_api.domain import cursors
from postroom_api.domain.tickets import Ticket, TicketMail, TicketState
from postroom_api.domain.values import PageOf, Principal
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record
from postroom_api.postgres.pages import page_of

_COLUMNS: Final = (
    "id, number, token, mailbox, queue, subject, requester, state, opened_at, changed_at, mails,"
    " version"
)
MOST_MAILS: Final = 500


class Tickets:
    """Reads, and opens and closes with their audit."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def page(
        self,
        who: Principal,
        state: TicketState | None,
        queue: str,
        cursor: str | None,
        limit: int,
    ) -> PageOf[Ticket]:
        """Return a page, the one that changed last first."""
        before, row = cursors.decode_time_and_id(cursor) if cursor else (None, "")
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                f"SELECT {_COLUMNS} FROM config.ticket WHERE account = $1"  # noqa: S608 - constant
                " AND ($2::timestamptz IS NULL OR (changed_at, id) < ($2, $3))"
                " AND ($4::text IS NULL OR state = $4) AND ($5 = '' OR queue = $5)"
                " ORDER BY changed_at DESC, id DESC LIMIT $6",
                who.account,
                before,
                row,
                state,
                queue,
                limit + 1,
            )
        return page_of(rows, limit, Ticket, lambda one: (one.changed_at, one.id))

    async def one(self, who: Principal, ticket: str) -> Ticket | None:
        """Return one of them, or None."""
        async with self._access.principal(who) as connection:
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM config.ticket WHERE id = $1 AND account = $2",  # noqa: S608 - constant
                ticket,
                who.account,
            )
        return Ticket(**dict(row)) if row else None

    async def mails(self, who: Principal, ticket: str) -> list[TicketMail]:
        """Return the mails of a ticket, the oldest first, at most MOST_MAILS."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                "SELECT t.mail, t.at, t.what, m.subject, m.from_name, m.from_address"
                " FROM config.ticket_mail t JOIN config.message m ON m.id = t.mail"
                " WHERE t.ticket = $1 AND t.account = $2 ORDER BY t.at, t.mail LIMIT $3",
                ticket,
                who.account,
                MOST_MAILS,
            )
        return [TicketMail(**dict(row)) for row in rows]

    async def set_state(
        self, who: Principal, ticket: str, state: TicketState, now: datetime
    ) -> Ticket | None:
        """Close or open a ticket; None when it is so already, or not theirs to change."""
        async with self._access.principal(who) as connection:
            row = await connection.fetchrow(
                "UPDATE config.ticket SET state = $3, changed_at = $4,"  # noqa: S608 - constant
                " version = nextval('config.version')"
                " WHERE id = $1 AND account = $2 AND state <> $3"
                " AND ((SELECT config.manages()) OR mailbox IN"
                " (SELECT config.managed_mailboxes()))"
                f" RETURNING {_COLUMNS}",
                ticket,
                who.account,
                state,
                now,
            )
            if row is not None:
                await record(connection, who, f"ticket.{state}", ticket, number=row["number"])
        return Ticket(**dict(row)) if row else None
