"""What relay, projector and reconciler do across accounts, under the login `worker`.

Law: no request handler imports this module (import-linter): it bypasses row level security.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg
import msgspec

from postroom_api.domain.values import Principal
from postroom_api.postgres import stored_documents
from postroom_api.postgres.service_changes import pause_restricted
from postroom_api.postgres.stored_documents import Document
from postroom_api.postgres.worker_projecting import kept_for, write_event
from postroom_contract.commands import (
    Command,
    MailReference,
    ReleaseMail,
    SetAside,
    SilencePerson,
    TrainMail,
)
from postroom_contract.events import (
    Event,
)
from postroom_contract.ids import derived_id
from postroom_contract.mail import Pointer
from postroom_runtime.messages import Found
from postroom_runtime.postgres import Connection, Database

_REFUSED: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""Errors that lie in the value, not in the moment."""
MAIL_NOTES: Final = frozenset({"training", "released"})
"""Notes of a mail that rules hear of by a command."""


class UnwritableError(ValueError):
    """The database refuses an event; trying again does not help."""


class OpeningForum(msgspec.Struct, frozen=True):
    """A saga that has not come to its end."""

    id: str
    account: str
    name: str
    address: str


class KeptMailbox(msgspec.Struct, frozen=True):
    """A mailbox with keep days, and where mail of its lies that was set aside."""

    id: str
    account: str
    keep_days: int
    held: list[tuple[str, int]]
    """(stream, sequence)."""


class Worker:
    """Reads configuration for the relay, writes the projection, finds unfinished sagas."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def documents(self, keys: Sequence[str]) -> list[list[tuple[str, Document]]]:
        """Return for each noted change (bucket key, document), in order, as things are now."""
        split = [key.partition(" ") for key in keys]
        async with self.database.transaction() as connection:
            wanted = [rest for kind, _, rest in split if kind == "mailbox"]
            boxes = await stored_documents.mailboxes(connection, wanted)
            return [
                [boxes[rest]] if kind == "mailbox" else await _documents(connection, kind, rest)
                for kind, _, rest in split
            ]

    async def silences(self, keys: Sequence[str]) -> dict[str, SilencePerson]:
        """Return for each noted person what the forums are to be told, as things are now."""
        people = [key.partition(" ")[2] for key in keys if key.startswith("person ")]
        if not people:
            return {}
        async with self.database.transaction() as connection:
            rows = await connection.fetch(
                "SELECT id, account, email, state, version FROM config.person WHERE id = ANY($1)",
                people,
            )
        return {
            f"person {row['id']}": SilencePerson(
                id=derived_id("cmd", "silence", row["id"], str(row["version"])),
                account=row["account"],
                correlation=row["id"],
                causation=row["id"],
                email=row["email"],
                silent=row["state"] == "deactivated",
                version=row["version"],
            )
            for row in rows
        }

    async def mail_commands(self, keys: Sequence[str]) -> dict[str, Command]:
        """Return for each noted mail what rules are to do, as things are now.

        A key is `training <mail>` or `released <mail>`.
        """
        noted = [key.partition(" ") for key in keys]
        wanted = [rest for kind, _, rest in noted if kind in MAIL_NOTES]
        if not wanted:
            return {}
        async with self.database.transaction() as connection:
            rows = await connection.fetch(
                "SELECT id, account, mailbox, stream, sequence, envelope_sender, trained,"
                " trained_by, trained_at, released_at, coalesce(event ->> 'charset', '') AS charset"
                " FROM config.message WHERE id = ANY($1)",
                wanted,
            )
        found = {row["id"]: row for row in rows}
        return {
            f"{kind} {rest}": _mail_command(kind, found[rest])
            for kind, _, rest in noted
            if kind in MAIL_NOTES and rest in found
        }

    async def end_quarantine(self, now: datetime) -> int:
        """Delete what was kept apart long enough; return how many.

        What is brought back afterwards is kept apart for some days more (`log.RESTORED`).
        """
        async with self.database.transaction(seconds=30) as connection:
            status = await connection.execute(
                "UPDATE config.message SET deleted_at = $1"
                " WHERE quarantined_until < $1 AND deleted_at IS NULL",
                now,
            )
        return int(status.rpartition(" ")[2])

    async def note_everything(self) -> None:
        """Note all configuration for publication: the bucket is empty or was made anew."""
        async with self.database.transaction(seconds=20) as connection:
            for table, key in (
                ("domain", "'domain ' || domain"),
                ("mailbox", "'mailbox ' || id"),
                ("ruleset", "'ruleset ' || scope"),
                ("address", "'address ' || address"),
                ("submission_password", "'submission ' || login"),
                ("suppression", "'suppressed ' || account || ' ' || address"),
                ("hold", "'hold ' || account || ' ' || domain"),
                ("door", "'door smtp'"),
                ("spam_filter", "'spam ' || account"),
            ):
                await connection.execute(
                    f"INSERT INTO config.outbox (key) SELECT {key} FROM config.{table}"  # noqa: S608 - constants
                )

    async def noted(self) -> int:
        """Return how many changes wait for publication."""
        async with self.database.transaction() as connection:
            return int(await connection.fetchval("SELECT count(*) FROM config.outbox"))

    async def opening_forums(self, before: datetime) -> list[OpeningForum]:
        """Return the sagas begun before a time and not finished."""
        async with self.database.transaction() as connection:
            rows = await connection.fetch(
                "SELECT id, account, name, address FROM config.forum"
                " WHERE state = 'opening' AND created_at < $1 LIMIT 100",
                before,
            )
        return [OpeningForum(**dict(row)) for row in rows]

    async def forget_deleted(self, before: datetime) -> int:
        """Let go for good of what was deleted before a time; return how many mailboxes."""
        async with self.database.transaction() as connection:
            status = await connection.execute(
                "DELETE FROM config.deleted_mailbox WHERE deleted_at < $1", before
            )
            # Examples of rules that can be brought back no more.
            await connection.execute(
                "DELETE FROM config.rule_example e"
                " WHERE NOT EXISTS (SELECT 1 FROM config.rule WHERE id = e.rule)"
                " AND NOT EXISTS (SELECT 1 FROM config.deleted_mailbox d WHERE"
                " d.account = e.account AND d.rules @> jsonb_build_array("
                "jsonb_build_object('id', e.rule)))"
            )
        return int(status.rpartition(" ")[2])

    async def forget_refusals(self, before: datetime) -> int:
        """Delete refusals older than a time; return how many."""
        async with self.database.transaction(seconds=30) as connection:
            status = await connection.execute("DELETE FROM config.refusal WHERE at < $1", before)
        return int(status.rpartition(" ")[2])

    async def forget_hits(self, before: datetime) -> None:
        """Delete what rules matched on days before this one."""
        async with self.database.transaction(seconds=30) as connection:
            await connection.execute("DELETE FROM config.rule_hit WHERE day < $1", before.date())

    async def kept_mailboxes(self) -> list[KeptMailbox]:
        """Return the mailboxes whose raw mail is not kept for ever."""
        async with self.database.transaction() as connection:
            rows = await connection.fetch(
                "SELECT id, account, keep_days FROM config.mailbox WHERE keep_days > 0"
            )
            held = await connection.fetch(
                "SELECT original_stream, original_sequence FROM config.set_aside"
                " WHERE discarded_at IS NULL AND redone_at IS NULL"
                " AND original_stream LIKE 'INTAKE%'"
            )
        pointers = [(row["original_stream"], row["original_sequence"]) for row in held]
        return [KeptMailbox(row["id"], row["account"], row["keep_days"], pointers) for row in rows]

    async def pause_restricted(self, now: datetime) -> int:
        """Pause the mailboxes of services whose grace date has passed; return how many."""
        async with self.database.transaction(seconds=20) as connection:
            due = await connection.fetch(
                "SELECT id, account FROM config.mail_service WHERE NOT permitted"
                " AND grace_until <= $1 AND paused_at IS NULL ORDER BY id FOR UPDATE SKIP LOCKED",
                now,
            )
            paused = 0
            for row in due:
                who = Principal(
                    account=row["account"], id="", email="", name="Postroom", role="administrator"
                )
                # Whose audit it is: the transaction says in which account it is.
                await connection.execute("SELECT config.act_as($1, NULL, NULL)", who.account)
                paused += await pause_restricted(connection, who, row["id"])
        return paused

    async def position(self, name: str) -> int:
        """Return up to where a projection has come."""
        async with self.database.transaction() as connection:
            await connection.execute(
                "INSERT INTO config.projection VALUES ($1, 0) ON CONFLICT DO NOTHING", name
            )
            return int(
                await connection.fetchval(
                    "SELECT position FROM config.projection WHERE name = $1", name
                )
            )

    async def project(
        self, name: str, after: int, until: int, events: Sequence[tuple[Found, Event]]
    ) -> bool:
        """Write rows and position in one transaction; False when another projector was faster.

        UnwritableError when the database refuses one of the events; then nothing was written.
        """
        try:
            async with self.database.transaction(seconds=15) as connection:
                if not await _advance(connection, name, after, until):
                    return False
                kept = await kept_for(connection, [event for _, event in events])
                for found, event in events:
                    await write_event(connection, found, event, kept)
        except _REFUSED as error:
            raise UnwritableError(str(error)) from error
        return True

    async def project_one_by_one(
        self, name: str, after: int, until: int, events: Sequence[tuple[Found, Event]]
    ) -> tuple[bool, list[tuple[str, str]]]:
        """The same, each event in a savepoint; also return (subject, reason) of those left out."""
        refused: list[tuple[str, str]] = []
        async with self.database.transaction(seconds=30) as connection:
            if not await _advance(connection, name, after, until):
                return False, refused
            kept = await kept_for(connection, [event for _, event in events])
            for found, event in events:
                try:
                    async with connection.transaction():
                        await write_event(connection, found, event, kept)
                except _REFUSED as error:
                    refused.append((found.subject, str(error)))
        return True, refused

    async def project_set_aside(
        self, name: str, after: int, until: int, entries: Sequence[tuple[Found, SetAside]]
    ) -> bool:
        """The same for DEAD."""
        async with self.database.transaction(seconds=15) as connection:
            if not await _advance(connection, name, after, until):
                return False
            await connection.executemany(
                "INSERT INTO config.set_aside (id, account, service, subject, reason, deliveries,"
                " sequence, stored_at, original_stream, original_sequence, message_id, mail)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, CASE WHEN $12 <> '' THEN"
                " coalesce((SELECT mail FROM config.set_aside WHERE id = $12), '') ELSE $13 END)"
                " ON CONFLICT (id) DO NOTHING",
                [
                    (
                        entry.id,
                        entry.account,
                        entry.service,
                        entry.subject,
                        entry.reason.replace("\x00", ""),
                        entry.deliveries,
                        found.sequence,
                        found.stored_at,
                        entry.original.stream,
                        entry.original.sequence,
                        entry.message_id,
                        *_about(entry),
                    )
                    for found, entry in entries
                ],
            )
        return True


def _mail_command(kind: str, row: Any) -> Command:
    about: dict[str, Any] = {
        "account": row["account"],
        "correlation": row["id"],
        "causation": row["id"],
        "mail": MailReference(
            id=row["id"],
            mailbox=row["mailbox"],
            raw=Pointer(row["stream"], row["sequence"]),
            envelope_sender=row["envelope_sender"],
        ),
    }
    if kind == "released":
        return ReleaseMail(id=derived_id("cmd", "release", row["id"]), **about)
    at = row["trained_at"]
    return TrainMail(
        id=derived_id("cmd", "train", row["id"], at.isoformat()),
        spam=row["trained"],
        by=row["trained_by"],
        at=at,
        charset=row["charset"],
        **about,
    )


class _Payload(msgspec.Struct):
    """What a command that was set aside may tell of the mail it needs."""

    mail: MailReference | None = None
    dead: str = ""


def _about(entry: SetAside) -> tuple[str, str]:
    """Return the entry that was tried again, or the mail it is about; each may be empty."""
    if entry.original.stream.startswith("INTAKE"):
        return "", entry.message_id
    try:
        payload = msgspec.json.decode(entry.payload or b"{}", type=_Payload)
    except msgspec.MsgspecError:
        return "", ""  # it is no command that anybody understands
    return payload.dead, payload.mail.id if payload.mail else ""


async def _documents(connection: Connection, kind: str, rest: str) -> list[tuple[str, Document]]:
    if kind == "person" or kind in MAIL_NOTES:
        return []  # no document: the forums, and rules, are told by a command
    return await stored_documents.READERS[kind](connection, rest)


async def _advance(connection: Connection, name: str, after: int, until: int) -> bool:
    status = await connection.execute(
        "UPDATE config.projection SET position = $3 WHERE name = $1 AND position = $2",
        name,
        after,
        until,
    )
    return bool(status == "UPDATE 1")
