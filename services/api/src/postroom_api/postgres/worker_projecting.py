"""The message log's rows as they follow from events, under the login `worker`.

Law: no request handler imports this module (import-linter): it bypasses row level security.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from postroom_api.postgres.checks import write_check
from postroom_api.postgres.rule_hits import count_hits
from postroom_api.postgres.suppressing import suppress_failing
from postroom_api.postgres.worker_privacy import Kept, kept_of
from postroom_contract.codec import encode
from postroom_contract.events import (
    DeliveryReported,
    Event,
    MailboxChecked,
    MailRefused,
    MailSorted,
    PostCreated,
)
from postroom_contract.rules import MarkSpam
from postroom_contract.textless import without_text
from postroom_runtime.messages import Found
from postroom_runtime.postgres import Connection, json_for_postgres


async def write_event(
    connection: Connection, found: Found, event: Event, kept: Mapping[str, Kept]
) -> None:
    """Write what an event tells of; what has no row here is passed over.

    `kept` is of mailboxes that do not keep everything (`kept_of`).
    """
    if isinstance(event, MailSorted):
        await _write_mail(connection, found, event, kept.get(event.mailbox, Kept()))
    elif isinstance(event, PostCreated) and event.mail is not None:
        await connection.execute(
            "UPDATE config.message SET forum = $2, topic = $3, post = $4 WHERE id = $1",
            event.mail,
            event.forum,
            event.topic,
            event.post,
        )
    elif isinstance(event, DeliveryReported):
        await _write_deliveries(connection, event)
        await suppress_failing(connection, event)
    elif isinstance(event, MailRefused):
        await _write_refusal(connection, event)
    elif isinstance(event, MailboxChecked):
        await write_check(connection, event)


async def kept_for(connection: Connection, events: Iterable[Event]) -> Mapping[str, Kept]:
    """Return what `write_event` has to know of the mailboxes that these events tell of."""
    boxes = {event.mailbox for event in events if isinstance(event, MailSorted)}
    return await kept_of(connection, boxes) if boxes else {}


async def _write_mail(connection: Connection, found: Found, event: MailSorted, kept: Kept) -> None:
    """Write a row; where the text is not kept and it was decided before that, without it."""
    data = found.data
    if not kept.index_text and (textless := without_text(event)) != event:
        event, data = textless, encode(textless)
    sender = event.summary.sender
    taught = [one for one in event.decision.actions if isinstance(one, MarkSpam) and one.train]
    status = await connection.execute(
        "INSERT INTO config.message (id, account, mailbox, received_at, recipient,"
        " envelope_sender, from_name, from_address, subject, size, importance, spam_rating,"
        " stream, sequence, event, spam, tags, read, deleted_at, quarantined_until, trained,"
        " trained_by, raw_due)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,"
        " $16, $17, $18, $19, $20, $21::boolean,"
        " CASE WHEN $21::boolean IS NULL THEN '' ELSE 'rules' END, $22)"
        " ON CONFLICT (id) DO NOTHING",
        event.about,
        event.account,
        event.mailbox,
        event.received_at,
        event.recipient,
        event.envelope_sender,
        _text(sender.name if sender else ""),
        _text(sender.address if sender else ""),
        _text(event.summary.subject),
        event.size,
        event.decision.importance,
        event.decision.spam_rating,
        event.raw.stream,
        event.raw.sequence,
        json_for_postgres(data),
        event.decision.spam,
        [_text(tag) for tag in event.decision.tags],
        event.decision.read,
        event.time if event.decision.deleted else None,
        event.time + timedelta(days=event.decision.quarantine_days)
        if event.decision.quarantine_days
        else None,
        taught[-1].spam if taught else None,
        not kept.keep_raw,
    )
    if status == "INSERT 0 1":
        await count_hits(connection, event)


def _text(value: str) -> str:
    """Postgres text holds no NUL; mail may."""
    return value.replace("\x00", "")


async def _write_deliveries(connection: Connection, event: DeliveryReported) -> None:
    """What a mail told of a copy stays, whatever report of an attempt comes after it."""
    await connection.executemany(
        "INSERT INTO config.delivery AS d (account, serial, origin, outbox, forum, recipient,"
        " subject, message_id, state, reply, attempt, next_attempt_at, reported_at, status, chunk,"
        " part, destination)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
        " ON CONFLICT (account, serial) DO UPDATE SET state = excluded.state,"
        " reply = excluded.reply, attempt = greatest(d.attempt, excluded.attempt),"
        " next_attempt_at = excluded.next_attempt_at, reported_at = excluded.reported_at,"
        " status = excluded.status, chunk = coalesce(nullif(excluded.chunk, ''), d.chunk),"
        " part = excluded.part, destination = excluded.destination"
        " WHERE d.state NOT IN ('bounced', 'complained')"
        " OR excluded.state IN ('bounced', 'complained')",
        [
            (
                event.account,
                result.serial,
                event.origin,
                event.outbox,
                event.scope,
                result.recipient,
                _text(event.subject),
                event.message_id,
                result.state,
                _text(result.reply),
                event.attempt,
                event.next_attempt_at if result.state == "deferred" else None,
                event.time,
                result.status,
                event.chunk,
                event.part,
                event.domain or result.recipient.rpartition("@")[2].lower(),
            )
            for result in event.results
        ],
    )


async def _write_refusal(connection: Connection, event: MailRefused) -> None:
    if event.account == "-":
        return  # for nobody's address: counted, and in the stream for who looks there
    await connection.execute(
        "INSERT INTO config.refusal (id, account, at, network, reason, reply, count, helo, sender,"
        " recipient) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING",
        event.id,
        event.account,
        event.time,
        event.network,
        event.reason,
        _text(event.reply),
        event.count,
        _text(event.helo),
        _text(event.sender),
        _text(event.recipient),
    )
