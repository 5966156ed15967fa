"""The daily cap over two real processes and a real broker."""

import asyncio
from collections import Counter
from datetime import UTC, datetime

import pytest

from postroom_contract import subjects
from postroom_contract.codec import decode, encode
from postroom_contract.commands import (
    DeliverChunk,
    DropChunk,
    OutboxMail,
    Recipient,
    Sent,
    Template,
    subject_of,
)
from postroom_contract.events import DeliveryReported
from postroom_contract.mail import Pointer
from postroom_contract.streams import SMTP_COMMANDS
from postroom_runtime.messages import Publication
from postroom_smtp.domain.caps import day_of
from postroom_smtp.handlers.queueing import waits_at
from support.buses import connected, worked_off
from support.smtp_process import SmtpProcess, configure, looking
from support.waiting import eventually

CAP, ASKED = 25, 40
MAIL = OutboxMail(
    id="out_1", account="acc_one", scope="frm_1", origin="pst_1", message_id="1@ours.example",
    subject="Roses", template=Template((b"Subject: Roses\r\n\r\nhi\r\n",), ()),
)  # fmt: skip


def command(number: int) -> DeliverChunk:
    person = Recipient(
        serial=number, address=f"m{number}@theirs.example", sender="g@ours.example", places={}
    )
    return DeliverChunk(
        id=f"cmd_{number}", account="acc_one", correlation="msg_1", causation="evt_1",
        chunk=f"chk_{number}", scope="frm_1", origin="pst_1", outbox="out_1",
        domain="theirs.example", attempt=1, recipients=(person,),
    )  # fmt: skip


async def reports(bus) -> list[DeliveryReported]:
    found = []
    last = (await bus.stream_info("EVENTS"))["state"]["last_seq"]
    for sequence in range(1, last + 1):
        one = await bus.get(Pointer("EVENTS", sequence))
        if one is not None and ".delivery.reported." in one.subject:
            found.append(decode(one.data, DeliveryReported))
    return found


async def states(bus) -> Counter[str]:
    return Counter(result.state for one in await reports(bus) for result in one.results)


async def test_two_processes_send_so_many_and_no_more(smtp, nats_server, sink, tmp_path) -> None:
    (tmp_path / "two").mkdir()
    replicas = [smtp, SmtpProcess(tmp_path / "two", nats_server)]
    began = day_of(datetime.now(UTC))
    await configure(nats_server)
    try:
        for one in replicas:
            one.start(RELAY=sink.relay, SMTP_DAILY_CAP=CAP, SMTP_DELIVERIES=5)
        await asyncio.gather(*(one.ready() for one in replicas))
        async with connected(nats_server, "forum-bridge") as bus:
            where = subjects.outbox("acc_one", "out_1")
            await bus.publish(Publication(where, encode(MAIL), None))
            for one in map(command, range(ASKED)):
                await bus.publish(Publication(subject_of(one), encode(one), one.id))
        async with looking(nats_server) as bus:
            await eventually(lambda: worked_off(bus, SMTP_COMMANDS), 60, what="all is done")
            got = await states(bus)
            counted = await bus.last("PROGRESS", subjects.sent("acc_one", began))
            over = [one for one in await reports(bus) if one.part]
            places = [waits_at("acc_one", one.chunk, one.attempt + 1, one.part) for one in over]
            waiting = [one for one in places if await bus.last("COMMANDS", one) is not None]
        # Who does not want to wait may give them up; that costs nothing of the day.
        async with connected(nats_server, "api") as bus:
            for one in over:
                drop = DropChunk(
                    id=f"cmd_drop_{one.chunk}", account="acc_one", correlation="r", causation="r",
                    chunk=one.chunk, attempt=one.attempt + 1, part=one.part, words="dropped",
                )  # fmt: skip
                await bus.publish(Publication(subject_of(drop), encode(drop), drop.id))
        async with looking(nats_server) as bus:

            async def dropped() -> bool:
                return (await states(bus)).get("failed") == len(over)

            await eventually(dropped, 30, what="what waited is dropped")
    finally:
        replicas[1].stop()
    if day_of(datetime.now(UTC)) != began:
        pytest.skip("a new day began while this ran")
    assert len(sink.received) == CAP
    assert got == {"delivered": CAP, "deferred": ASKED - CAP}
    assert counted is not None
    assert decode(counted.data, Sent).copies == CAP
    assert len(waiting) == ASKED - CAP
