"""Effects with a memory, under the login `worker`: answers, tickets, webhook calls.

Laws: each mail has each effect once, whoever asks again; what was recorded is told again. No
request handler imports this module (import-linter): it bypasses row level security.
"""

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from postroom_api.domain.tickets import Ticket, What
from postroom_runtime.postgres import Connection, Database

TICKET: Final = (
    "id, number, token, mailbox, queue, subject, requester, state, opened_at, changed_at, mails,"
    " version"
)
CLAIM_SECONDS: Final = 120
"""So long a call is left to who tries it."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket as a mail wants it, when there is none that it answers."""

    id: str
    account: str
    mailbox: str
    queue: str
    subject: str
    requester: str
    token: str
    mail: str
    message_ids: tuple[str, ...]
    marks: tuple[tuple[int, str], ...]
    """Of the subject: (number, token)."""
    references: tuple[str, ...]
    at: datetime


class DueCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that is to be made now."""

    id: str
    account: str
    webhook: str
    url: str
    sealed_secret: str
    body: str
    attempts: int


class EffectRows:
    """Rows across accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def may_answer(
        self, account: str, rule: str, address: str, mail: str, at: datetime, days: int
    ) -> bool:
        """Note an answer, unless the rule gave the address one within so many days.

        True also for the mail whose answer is noted already: it may not have gone out.
        """
        async with self._database.transaction() as connection:
            await _lock(connection, f"answer {account} {rule} {address}")
            noted = await connection.fetchrow(
                "SELECT mail FROM config.auto_answer WHERE account = $1 AND rule = $2 AND"
                " (mail = $3 OR (address = $4 AND at > $5)) ORDER BY mail = $3 DESC LIMIT 1",
                account,
                rule,
                mail,
                address,
                at - timedelta(days=days),
            )
            if noted is not None:
                return bool(noted["mail"] == mail)
            await connection.execute(
                "INSERT INTO config.auto_answer (account, rule, address, mail, at)"
                " VALUES ($1, $2, $3, $4, $5)",
                account,
                rule,
                address,
                mail,
                at,
            )
        return True

    async def file(self, wanted: Wanted) -> tuple[Ticket, What]:
        """Put a mail to its ticket, or make one; return it and what the mail did."""
        async with self._database.transaction() as connection:
            await _lock(connection, f"ticket {wanted.account}")
            row: Any = await connection.fetchrow(
                "SELECT ticket, what FROM config.ticket_mail WHERE account = $1 AND mail = $2",
                wanted.account,
                wanted.mail,
            )
            if row is not None:
                return await _ticket(connection, row["ticket"]), row["what"]
            found = await _answered(connection, wanted)
            what: What = "opened"
            if found is None:
                found = await _opened(connection, wanted)
            else:
                what = "reopened" if found["state"] == "closed" else "mail"
                await connection.execute(
                    "UPDATE config.ticket SET state = 'open',"
                    " changed_at = greatest(changed_at, $2), mails = mails + 1,"
                    " version = nextval('config.version') WHERE id = $1",
                    found["id"],
                    wanted.at,
                )
            await connection.execute(
                "INSERT INTO config.ticket_mail (account, ticket, mail, at, what, message_ids)"
                " VALUES ($1, $2, $3, $4, $5, $6)",
                wanted.account,
                found["id"],
                wanted.mail,
                wanted.at,
                what,
                list(wanted.message_ids),
            )
            return await _ticket(connection, found["id"]), what

    async def call(
        self, name: str, account: str, webhook: str, mail: str, body: str, now: datetime
    ) -> bool:
        """Note a call that is to be made; False when the webhook is gone or switched off."""
        async with self._database.transaction() as connection:
            made = await connection.fetchval(
                "INSERT INTO config.webhook_call"
                " (id, account, webhook, mail, body, next_attempt_at, created_at)"
                " SELECT $1, account, id, $4, $5, $6, $6 FROM config.webhook"
                " WHERE id = $3 AND account = $2 AND active"
                " ON CONFLICT (id) DO UPDATE SET mail = excluded.mail RETURNING id",
                name,
                account,
                webhook,
                mail,
                body,
                now,
            )
        return made is not None

    async def due_calls(self, now: datetime, most: int) -> list[DueCall]:
        """Take calls that are due; others leave them alone for CLAIM_SECONDS."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(
                "UPDATE config.webhook_call c SET next_attempt_at = $2 FROM config.webhook w"
                " WHERE w.id = c.webhook AND c.id = ANY(ARRAY(SELECT d.id FROM"
                " config.webhook_call d JOIN config.webhook v ON v.id = d.webhook AND v.active"
                " WHERE d.state = 'waiting' AND d.next_attempt_at <= $1"
                " ORDER BY d.next_attempt_at LIMIT $3 FOR UPDATE OF d SKIP LOCKED))"
                " RETURNING c.id, c.account, c.webhook, w.url, w.sealed_secret, c.body, c.attempts",
                now,
                now + timedelta(seconds=CLAIM_SECONDS),
                most,
            )
        return [DueCall(**dict(row)) for row in rows]

    async def called(
        self, call: DueCall, reply: str, again: datetime | None, *, delivered: bool
    ) -> None:
        """Note how an attempt ended; `again` None: it is the last one."""
        state = "delivered" if delivered else "waiting" if again else "dead"
        async with self._database.transaction() as connection:
            await connection.execute(
                "UPDATE config.webhook_call SET state = $2, attempts = $3, reply = $4,"
                " next_attempt_at = coalesce($5, next_attempt_at) WHERE id = $1",
                call.id,
                state,
                call.attempts + 1,
                reply.replace("\x00", ""),
                again,
            )

    async def switch_off(self, webhook: str, trouble: str) -> None:
        """Call a webhook no more: it said that it is gone."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "UPDATE config.webhook SET active = false, trouble = $2,"
                " version = nextval('config.version') WHERE id = $1",
                webhook,
                trouble,
            )

    async def forget(self, before: datetime) -> None:
        """Delete calls that were delivered, and answers, before a time."""
        async with self._database.transaction(seconds=30) as connection:
            await connection.execute(
                "DELETE FROM config.webhook_call WHERE state <> 'waiting' AND created_at < $1",
                before,
            )
            await connection.execute(
                "DELETE FROM config.auto_answer WHERE at < $1", before - timedelta(days=365)
            )


async def _lock(connection: Connection, name: str) -> None:
    """Let nobody else do this until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", name)


async def _ticket(connection: Connection, ticket: str) -> Ticket:
    row: Any = await connection.fetchrow(
        f"SELECT {TICKET} FROM config.ticket WHERE id = $1",  # noqa: S608 - constant
        ticket,
    )
    return Ticket(**dict(row))


async def _answered(connection: Connection, wanted: Wanted) -> Any:
    """Return the ticket that a mail answers: by its subject's mark, else by what it refers to."""
    for number, token in wanted.marks:
        row = await connection.fetchrow(
            "SELECT id, state FROM config.ticket WHERE account = $1 AND number = $2 AND token = $3",
            wanted.account,
            number,
            token,
        )
        if row is not None:
            return row
    if not wanted.references:
        return None
    return await connection.fetchrow(
        "SELECT t.id, t.state FROM config.ticket_mail m JOIN config.ticket t ON t.id = m.ticket"
        " WHERE m.account = $1 AND t.mailbox = $2 AND m.message_ids && $3::text[]"
        " ORDER BY m.at DESC LIMIT 1",
        wanted.account,
        wanted.mailbox,
        list(wanted.references),
    )


async def _opened(connection: Connection, wanted: Wanted) -> Any:
    return await connection.fetchrow(
        "INSERT INTO config.ticket (id, account, number, token, mailbox, queue, subject, requester,"
        " opened_at, changed_at) SELECT $1, $2, coalesce(max(number), 0) + 1, $3, $4, $5, $6, $7,"
        " $8, $8 FROM config.ticket WHERE account = $2 RETURNING id, state",
        wanted.id,
        wanted.account,
        wanted.token,
        wanted.mailbox,
        wanted.queue,
        wanted.subject,
        wanted.requester,
        wanted.at,
    )
