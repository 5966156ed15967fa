"""Raw mail that is not kept goes only when nobody needs it; the log is written without the text."""

import asyncio
from datetime import UTC, datetime

import asyncpg
import msgspec
import pytest

from postroom_api import privacy
from postroom_api.postgres.people import DEFAULT_ACCOUNT
from postroom_api.postgres.worker import Worker
from postroom_api.postgres.worker_privacy import PrivacyRows
from postroom_api.privacy import Privacy
from postroom_contract import schema, subjects
from postroom_contract.codec import ENVELOPE_HEADER, decode, encode, envelope_to_header
from postroom_contract.commands import ForwardMail, MailReference, Redo, SetAside, subject_of
from postroom_contract.events import MailSorted
from postroom_contract.mail import Pointer
from postroom_contract.streams import RULES_INTAKE, SMTP_COMMANDS, ConsumerSpec
from postroom_runtime.bus import Bus
from postroom_runtime.clock import Clock
from postroom_runtime.consume import Consumer, Delivered
from postroom_runtime.messages import Found, Publication
from postroom_runtime.postgres import Database
from support.buses import connected
from support.rules import envelope
from support.servers import Database as Made
from support.servers import Nats
from support.waiting import eventually

SAMPLES = schema.DIRECTORY.parent / "samples"
SAMPLE = decode((SAMPLES / "event.mail.sorted.v1.json").read_bytes(), MailSorted)
NOW = datetime(2026, 11, 30, tzinfo=UTC)
SHARD = subjects.intake_shard("mbx_1")


def event(name: str, sequence: int) -> MailSorted:
    summary = msgspec.structs.replace(SAMPLE.summary, preview="cucumbers")
    return msgspec.structs.replace(
        SAMPLE, id=f"evt_{name}", about=f"msg_{name}", account=DEFAULT_ACCOUNT, mailbox="mbx_1",
        summary=summary, raw=Pointer(f"INTAKE_{SHARD}", sequence),
    )  # fmt: skip


def found(data: object) -> Found:
    return Found("x", encode(data), {}, "EVENTS", 1, NOW)


def forward(mail: MailSorted) -> ForwardMail:
    reference = MailReference(
        id=mail.about, mailbox=mail.mailbox, raw=mail.raw, envelope_sender=mail.envelope_sender
    )
    return ForwardMail(
        id=f"cmd_{mail.about}", account=DEFAULT_ACCOUNT, correlation=mail.about,
        causation=mail.id, mail=reference, message_id="x", subject="x", to="ben@example.net",
    )  # fmt: skip


def aside(name: str, command: ForwardMail | Redo) -> SetAside:
    return SetAside(
        id=name, account=DEFAULT_ACCOUNT, service="smtp", consumer=SMTP_COMMANDS.name,
        subject=subject_of(command), message_id=command.id, original=Pointer("COMMANDS", 1),
        reason="it broke", deliveries=5, payload=encode(command),
    )  # fmt: skip


async def prepare(rows: asyncpg.Connection) -> None:
    """A mailbox that keeps neither text nor raw mail."""
    await rows.execute(
        "INSERT INTO config.account (id, name) VALUES ($1, 'x') ON CONFLICT DO NOTHING",
        DEFAULT_ACCOUNT,
    )
    await rows.execute(
        "INSERT INTO config.mailbox (id, account, name, kind, source, index_text, keep_raw)"
        " VALUES ('mbx_1', $1, 'Box', 'system', 'smtp', false, false)",
        DEFAULT_ACCOUNT,
    )


async def waiting(rows: PrivacyRows) -> list[str]:
    return [one.mail.id for one in await rows.unkept(NOW)]


async def test_a_row_has_no_text_and_what_is_set_aside_keeps_its_mail(database: Made) -> None:
    worker_database = Database(database.worker_url, "worker")
    worker, rows = Worker(worker_database), PrivacyRows(worker_database)
    looker = await asyncpg.connect(database.worker_url)
    try:
        await prepare(looker)
        one = event("one", 1)
        after = await worker.position("events")
        # It was decided before rules heard of the setting: its text is still in the event.
        assert await worker.project("events", after, 1, [(found(one), one)])
        said = await looker.fetchval("SELECT m::text FROM config.message m WHERE id = 'msg_one'")
        assert "cucumbers" not in said
        assert await waiting(rows) == ["msg_one"]

        first = aside("ded_1", forward(one))
        redo = Redo(
            id="cmd_redo", account=DEFAULT_ACCOUNT, correlation="ded_1", causation="ded_1",
            service="smtp", dead="ded_1", original=Pointer("DEAD", 1),
        )  # fmt: skip
        position = await worker.position("dead")
        assert await worker.project_set_aside("dead", position, 1, [(found(first), first)])
        assert await waiting(rows) == []
        await looker.execute("UPDATE config.set_aside SET redone_at = $1", NOW)
        assert await waiting(rows) == ["msg_one"]
        again = aside("ded_2", redo)  # tried again, it broke again
        assert await worker.project_set_aside("dead", 1, 2, [(found(again), again)])
        assert await waiting(rows) == []
        await looker.execute("UPDATE config.set_aside SET discarded_at = $1", NOW)
        assert await waiting(rows) == ["msg_one"]
        for held in ("quarantined_until = now()", "quarantined_until = NULL"):
            await looker.execute(f"UPDATE config.message SET {held}")
            assert await waiting(rows) == ([] if "now" in held else ["msg_one"])
        await looker.execute("INSERT INTO config.outbox (key) VALUES ('released msg_one')")
        assert await waiting(rows) == []
    finally:
        await looker.close()
        await worker_database.close()


async def handle(bus: Bus, spec: ConsumerSpec, number: int) -> None:
    """Take what a consumer has, as its service does."""
    seen: list[Delivered] = []

    async def take(delivered: Delivered) -> None:
        seen.append(delivered)

    consumer = Consumer(bus, spec, take)
    task = asyncio.create_task(consumer.run())
    await eventually(lambda: len(seen) == number)

    async def acked() -> bool:
        info = await bus.ask(f"$JS.API.CONSUMER.INFO.{spec.stream}.{spec.name}")
        return bool(info["num_ack_pending"] == 0)

    await eventually(acked)
    await consumer.stop()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_raw_mail_waits_for_rules_and_for_who_sends_it_on(
    database: Made, nats_server: Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(privacy, "PATIENCE", 1)
    worker_database = Database(database.worker_url, "worker")
    worker, rows = Worker(worker_database), PrivacyRows(worker_database)
    looker = await asyncpg.connect(database.worker_url)
    async with connected(nats_server, "operator") as operator, connected(nats_server, "api") as api:
        try:
            await prepare(looker)
            about = envelope(id="msg_one", account=DEFAULT_ACCOUNT, mailbox="mbx_1")
            header = {ENVELOPE_HEADER: envelope_to_header(about)}
            where = subjects.intake(SHARD, DEFAULT_ACCOUNT, "mbx_1")
            stored = await operator.publish(Publication(where, b"raw", "msg_one", header))
            one = event("one", stored.sequence)
            after = await worker.position("events")
            assert await worker.project("events", after, 1, [(found(one), one)])
            job = Privacy(rows, worker, api, Clock())

            assert await job.remove() == 0, "rules are not done with it"
            await handle(operator, RULES_INTAKE[SHARD], 1)
            command = forward(one)
            await operator.publish(Publication(subject_of(command), encode(command), command.id))
            assert await job.remove() == 0, "it is not sent on yet"
            assert await operator.get(one.raw) is not None
            await handle(operator, SMTP_COMMANDS, 1)

            entry = aside("ded_9", command)
            dead = subjects.dead(DEFAULT_ACCOUNT, "smtp")
            told = await operator.publish(Publication(dead, encode(entry), entry.id))
            assert await job.remove() == 0, "what was set aside is not in the log yet"
            position = await worker.position("dead")
            assert await worker.project_set_aside("dead", position, told.sequence, [])
            assert await job.remove() == 1
            assert await operator.get(one.raw) is None
            assert await waiting(rows) == []
        finally:
            await looker.close()
            await worker_database.close()
