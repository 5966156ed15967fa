"""Effects with a memory over a real database: each once, whoever asks again; and what ends."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from postroom_api.domain.webhooks import signature
from postroom_api.postgres.log import Log
from postroom_api.postgres.people import DEFAULT_ACCOUNT
from postroom_api.postgres.worker_effects import EffectRows, Wanted
from postroom_api.sealing import WEBHOOKS, OwnSeal
from postroom_api.webhook_caller import WebhookCaller
from postroom_runtime.clock import Clock
from postroom_runtime.reach import Internal, parse_internal

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
KEY = "ab" * 32


@pytest.fixture
def rows(desks) -> EffectRows:
    return EffectRows(desks.worker.database)


async def test_somebody_is_answered_once_in_so_many_days(rows: EffectRows) -> None:
    async def asked(mail: str, at: datetime, rule: str = "rul_1", address: str = "a@x") -> bool:
        return await rows.may_answer(DEFAULT_ACCOUNT, rule, address, mail, at, 7)

    assert await asked("msg_1", NOW)
    assert await asked("msg_1", NOW), "it may not have gone out: it is told again"
    assert not await asked("msg_2", NOW + timedelta(days=6))
    assert await asked("msg_3", NOW + timedelta(days=6), address="b@x")
    assert await asked("msg_4", NOW + timedelta(days=6), rule="rul_2")
    assert await asked("msg_5", NOW + timedelta(days=8))
    both = await asyncio.gather(*(asked(f"msg_{n}", NOW, address="c@x") for n in range(10, 16)))
    assert sum(both) == 1, "of mails at the same time one is answered"


def wanted(mail: str, **more: Any) -> Wanted:
    plain: dict[str, Any] = {
        "id": f"tkt_{mail}", "account": DEFAULT_ACCOUNT, "mailbox": "mbx_1", "queue": "",
        "subject": "x", "requester": "a@x", "token": "aaaaaaaa", "mail": mail,
        "message_ids": (f"{mail}@x",), "marks": (), "references": (), "at": NOW,
    }  # fmt: skip
    return Wanted(**plain | more)


async def test_a_mail_is_filed_once_and_where_it_belongs(rows: EffectRows) -> None:
    first, what = await rows.file(wanted("1"))
    assert (first.number, what) == (1, "opened")
    assert await rows.file(wanted("1", token="bbbbbbbb")) == (first, "opened")
    by_mark, what = await rows.file(wanted("2", marks=((1, "bbbbbbbb"), (1, "aaaaaaaa"))))
    assert (by_mark.id, by_mark.mails, what) == (first.id, 2, "mail")
    by_reference, what = await rows.file(wanted("3", references=("other@x", "2@x")))
    assert (by_reference.id, what) == (first.id, "mail")
    elsewhere, what = await rows.file(wanted("4", references=("2@x",), mailbox="mbx_2"))
    assert (elsewhere.number, what) == (2, "opened"), "another mailbox's mail begins its own"
    numbers = await asyncio.gather(*(rows.file(wanted(f"n{n}")) for n in range(8)))
    assert sorted(ticket.number for ticket, _ in numbers) == list(range(3, 11))


async def hook(desks, url: str, name: str = "whk_1") -> None:
    sealed = OwnSeal(KEY, WEBHOOKS).seal(name, "whsec_" + "QUJD" * 8)
    async with desks.worker.database.transaction() as connection:
        await connection.execute(
            "INSERT INTO config.webhook (id, account, name, url, sealed_secret)"
            " VALUES ($1, $2, 'x', $3, $4)",
            name, DEFAULT_ACCOUNT, url, sealed,
        )  # fmt: skip


async def calls(desks) -> list[dict[str, Any]]:
    async with desks.worker.database.transaction() as connection:
        found = await connection.fetch("SELECT * FROM config.webhook_call ORDER BY id")
    return [dict(row) for row in found]


async def test_a_call_is_noted_once_and_taken_by_one(desks, rows: EffectRows) -> None:
    assert not await rows.call("whc_0", DEFAULT_ACCOUNT, "whk_1", "msg_1", "{}", NOW)
    await hook(desks, "https://example.org/")
    for _ in range(2):
        assert await rows.call("whc_1", DEFAULT_ACCOUNT, "whk_1", "msg_1", "{}", NOW)
    taken = await asyncio.gather(*(rows.due_calls(NOW, 10) for _ in range(4)))
    assert sum(map(len, taken)) == 1
    (one,) = next(found for found in taken if found)
    assert await rows.due_calls(NOW + timedelta(seconds=60), 10) == []
    assert len(await rows.due_calls(NOW + timedelta(seconds=121), 10)) == 1, "who took it died"
    await rows.called(one, "500", NOW + timedelta(hours=1), delivered=False)
    assert [(c["state"], c["attempts"]) for c in await calls(desks)] == [("waiting", 1)]
    await rows.called(one, "500", None, delivered=False)
    assert [c["state"] for c in await calls(desks)] == ["dead"]
    await rows.switch_off("whk_1", "gone")
    assert not await rows.call("whc_2", DEFAULT_ACCOUNT, "whk_1", "msg_2", "{}", NOW)


class Listening:
    """Counts who connects, and keeps what they say."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
        )
        await writer.drain()
        writer.close()


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433", "[::1]"],
)
@pytest.mark.parametrize("allowed", ["", "127.0.0.0/8, ::1"])
async def test_no_call_goes_inside_unless_the_operator_says_so(
    desks, rows: EffectRows, host: str, allowed: str
) -> None:
    listening = Listening()
    server = await asyncio.start_server(listening.serve, "127.0.0.1", 0)
    listening.port = server.sockets[0].getsockname()[1]
    async with server:
        await hook(desks, f"http://{host}:{listening.port}/in")
        clock = Clock()
        await rows.call("whc_1", DEFAULT_ACCOUNT, "whk_1", "msg_1", "{}", clock.now())
        internal = parse_internal(allowed) if allowed else Internal()
        caller = WebhookCaller(rows, OwnSeal(KEY, WEBHOOKS), internal, clock, "1")
        for due in await rows.due_calls(clock.now(), 10):
            await caller.attempt(due)
    (call,) = await calls(desks)
    if allowed and host != "[::1]":
        # It was called, signed, and its redirect not followed.
        assert call["reply"].startswith("302")
        (heard,) = listening.heard
        assert b"webhook-signature: v1," in heard
        assert signature("whsec_QUJD", "a", 1, b"") != signature("whsec_QUJE", "a", 1, b"")
    else:
        assert listening.heard == []
        if not allowed:
            assert "internal address: no connection was made" in call["reply"]
    assert call["state"] == "waiting"


async def test_what_ended_its_quarantine_and_is_brought_back_stays_a_while(desks) -> None:
    worker, log, admin = desks.worker, Log(desks.access), desks.admin
    async with worker.database.transaction() as connection:
        await connection.execute(
            "INSERT INTO config.message (id, account, mailbox, received_at, recipient,"
            " envelope_sender, from_name, from_address, subject, size, importance, stream,"
            " sequence, event, quarantined_until) VALUES ('msg_q', $1, 'mbx_q', $2, '', '', '', '',"
            " 'x', 1, 'normal', 'INTAKE_0', 1, '{}', $2)",
            admin.account, NOW,
        )  # fmt: skip

    async def seen() -> tuple[int, int]:
        apart = await log.messages(admin, None, 9, quarantine=True)
        deleted = await log.messages(admin, None, 9, deleted=True)
        return len(apart.data), len(deleted.data)

    assert await worker.end_quarantine(NOW - timedelta(seconds=1)) == 0
    assert await seen() == (1, 0)
    later = NOW + timedelta(seconds=1)
    assert await worker.end_quarantine(later) == 1
    assert await seen() == (0, 1)
    assert await log.mark(admin, ["msg_q"], "restore", "", later) == ["msg_q"]
    assert await worker.end_quarantine(later + timedelta(hours=1)) == 0
    assert await seen() == (1, 0)
    assert await log.mark(admin, ["msg_q"], "release", "", later) == ["msg_q"]
    assert await worker.end_quarantine(NOW + timedelta(days=99)) == 0
