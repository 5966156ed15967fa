"""Several processes behind one port: POSTROOM_SMTP_PROCESSES."""

import asyncio
import contextlib
import os
import signal

import psutil
import pytest

from postroom.probe import get
from postroom_contract import subjects
from postroom_runtime.messages import Publication
from support.buses import connected
from support.smtp_process import Client, SmtpProcess, configure, stored
from support.waiting import eventually

PROCESSES = 3
A, B = b"a@ours.example", b"b@ours.example"


def mail(number: int) -> bytes:
    return b"Message-ID: <%d@x>\r\nSubject: hi\r\n\r\nhello\r\n" % number


def family(smtp: SmtpProcess) -> list[psutil.Process]:
    """The first process and those beside it."""
    assert smtp.process is not None
    first = psutil.Process(smtp.process.pid)
    return [first, *(one for one in first.children() if "beside" in one.cmdline())]


def connected_to_broker(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return any(c.status == psutil.CONN_ESTABLISHED for c in process.net_connections("tcp"))
    return False


async def counted(smtp: SmtpProcess, name: str) -> float:
    """A sum in /metrics of the first process."""
    answer = await get("127.0.0.1", smtp.health_port, "/metrics")
    assert answer is not None
    lines = answer.body.decode().splitlines()
    return sum(float(one.rpartition(" ")[2]) for one in lines if one.startswith(name))


@contextlib.contextmanager
def alone(one: psutil.Process, smtp: SmtpProcess):
    """Freeze all others: who connects is served by this one."""
    others = [other for other in family(smtp) if other.pid != one.pid]
    for other in others:
        other.suspend()
    try:
        yield
    finally:
        for other in others:
            with contextlib.suppress(psutil.NoSuchProcess):
                other.resume()


async def served(client: Client, recipients: list[bytes], number: int) -> str:
    await client.say(b"EHLO peer.example")
    return await client.mail(recipients, mail(number))


@pytest.fixture
async def running(smtp, nats_server):
    await configure(nats_server)
    smtp.start(SMTP_PROCESSES=PROCESSES, SMTP_MAX_CONNECTIONS_PER_ADDRESS=20)
    await smtp.ready()

    async def all_there() -> bool:
        found = family(smtp)
        return len(found) == PROCESSES and all(map(connected_to_broker, found))

    await eventually(all_there, 30, what="all processes have found the broker")
    return smtp


async def test_each_of_them_stores_mail_and_their_counts_add_up(running, nats_server):
    for number, one in enumerate(family(running)):
        with alone(one, running):
            async with running.client() as client:
                # It takes nobody before it knows all addresses.
                assert (await served(client, [A, B], number)).startswith("250 2.0.0")
    assert len({envelope.id for envelope, _ in await stored(nats_server)}) == 2 * PROCESSES
    total = await counted(running, "postroom_smtp_accepted_total")
    assert total == 2 * PROCESSES


async def test_one_that_is_killed_takes_its_own_sessions_and_is_replaced(running):
    first, second, third = family(running)
    with alone(second, running):
        mine = await running.client().__aenter__()
    with alone(third, running):
        others = await running.client().__aenter__()
    second.kill()
    assert await mine.rest() == []
    assert (await others.say(b"NOOP")).startswith("250")
    async with running.client() as fresh:
        assert fresh.greeting.startswith("220")

    async def replaced() -> bool:
        return len(family(running)) == PROCESSES and second.pid not in {
            one.pid for one in family(running)
        }

    await eventually(replaced, 15, what="there are three again")
    await running.ready()
    await others.__aexit__()
    assert first.is_running()


async def test_they_end_when_the_first_is_killed(running):
    first, *others = family(running)
    os.kill(first.pid, signal.SIGKILL)

    async def gone() -> bool:
        return not any(one.is_running() for one in others)

    await eventually(gone, 15, what="nobody listens any more")


async def test_told_to_stop_each_says_421_and_all_are_gone(running):
    guests = []
    for one in family(running):
        with alone(one, running):
            guests.append(await running.client().__aenter__())
    others = family(running)[1:]
    assert running.stop() == 0
    for guest in guests:
        assert [line[:9] for line in await guest.rest()] == ["421 4.3.2"]
        await guest.__aexit__()
    assert not any(one.is_running() for one in others)


async def test_a_batch_that_a_killed_process_left_open_keeps_nobody_waiting(running, nats_server):
    """The broker keeps it for 10 s; the others' batches go on beside it."""
    async with connected(nats_server, "smtp") as bus:
        for shard in range(subjects.INTAKE_SHARDS):
            where = subjects.intake(shard, "acc_one", "mbx_left")
            await bus._batch().add(Publication(where, b"left", f"left_{shard}"))
    async with running.client() as client, asyncio.timeout(5):
        assert (await served(client, [A, B], 1)).startswith("250 2.0.0")
    assert len(await stored(nats_server)) == 2
