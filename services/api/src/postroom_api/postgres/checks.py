"""How checks of mailboxes went, and the notices that follow from them (login `worker`)."""

from typing import Final

import msgspec

from postroom_api.domain.notices import Kind, after_check
from postroom_contract.events import MailboxChecked
from postroom_contract.ids import derived_id
from postroom_runtime.postgres import Connection, json_for_postgres

_WRITE: Final = (
    "INSERT INTO config.mailbox_check (mailbox, account, state, error, checked_at,"
    " next_check_at, found, stored, skipped, failures, told_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
    " ON CONFLICT (mailbox) DO UPDATE SET state = excluded.state, error = excluded.error,"
    " checked_at = excluded.checked_at, next_check_at = excluded.next_check_at,"
    " found = excluded.found, stored = mailbox_check.stored + excluded.stored,"
    " failures = excluded.failures, told_at = excluded.told_at,"
    " skipped = (SELECT coalesce(jsonb_agg(one), '[]') FROM (SELECT one FROM"
    " jsonb_array_elements(excluded.skipped || mailbox_check.skipped) one LIMIT 200) newest)"
)


async def write_check(connection: Connection, event: MailboxChecked) -> None:
    """Write the outcome of a check; in the same transaction the notice it calls for."""
    before = await connection.fetchrow(
        "SELECT failures, told_at FROM config.mailbox_check WHERE mailbox = $1 FOR UPDATE",
        event.about,
    )
    failures, told_at = (before["failures"], before["told_at"]) if before else (0, None)
    step = after_check(event.state, failures, told=told_at is not None)
    if step.notice == "trouble":
        told_at = event.time
    elif step.notice == "recovered":
        told_at = None
    await connection.execute(
        _WRITE,
        event.about,
        event.account,
        event.state,
        event.error.replace("\x00", "") if event.error else None,
        event.time,
        event.next_check_at,
        event.found,
        event.stored,
        json_for_postgres(msgspec.json.encode(event.skipped)),
        step.failures,
        told_at,
    )
    if step.notice is not None:
        await _note(connection, event, step.notice)


async def _note(connection: Connection, event: MailboxChecked, kind: Kind) -> None:
    await connection.execute(
        "INSERT INTO config.notice (id, account, mailbox, kind, state, words, created_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        derived_id("ntc", event.id),
        event.account,
        event.about,
        kind,
        event.state,
        (event.error or "").replace("\x00", ""),
        event.time,
    )
