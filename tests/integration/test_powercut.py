"""What a power cut takes from a broker and a database: nothing of ours, all that is synced later.

The proof of the method of tests/e2e/test_powercut.py: it sees loss where there is some.
"""

import asyncio
import os
from pathlib import Path

import asyncpg
import pytest

from postroom.home import Home
from postroom_contract import subjects
from postroom_runtime.errors import UnavailableError
from postroom_runtime.messages import Publication
from support.operator import broker_at
from support.powercut import Disk, end_all, freeze_whole
from support.processes import Process
from support.servers import Nats, Postgres
from support.waiting import eventually

MANY = 200


def _cut(disk: Disk, process: Process | None) -> Path:
    """Stop it, copy the disk, and kill it."""
    assert process is not None
    frozen = freeze_whole(process.pid)
    image = disk.cut()
    end_all(frozen)
    process.wait()
    return image


def _start(server: Nats, sync_interval: str) -> None:
    path = server.server.write_configuration()
    path.write_text(path.read_text().replace('"always"', f'"{sync_interval}"'))
    log = server.directory.with_name("nats.log")
    server.process = Process(server.server.command(), os.environ, log)


def _access(server: Nats) -> tuple[str, str]:
    """Where it is, and the operator's password."""
    return server.url, server.operator[1]


async def _provisioned(server: Nats) -> bool:
    try:
        await server.provision()
    except UnavailableError:
        return False
    return True


@pytest.mark.parametrize("sync_interval", ["always", "2m"])
async def test_acknowledged_messages_outlive_a_cut_if_they_are_synced(
    disk: Disk, sync_interval: str
) -> None:
    server = Nats(disk.mount_point)
    _start(server, sync_interval)
    try:
        await eventually(lambda: _provisioned(server), what="the broker has its streams")
        await asyncio.to_thread(disk.sync)
        async with broker_at(*_access(server)) as bus:
            for one in range(MANY):
                where = subjects.outbox("acc", f"out_{one}")
                await bus.publish(Publication(where, b"x" * 500, None))
            image = _cut(disk, server.process)
        disk.replace(image)
        _start(server, sync_interval)
        async with broker_at(*_access(server)) as bus:
            found = (await bus.stream_info("OUTBOX"))["state"]["messages"]
    finally:
        server.stop()
    print(f"sync_interval {sync_interval}: {found} of {MANY} acknowledged messages")
    assert found == MANY if sync_interval == "always" else found < MANY


async def _checkpoint(server: Postgres) -> None:
    superuser = await server.server.connect()
    await superuser.execute("CHECKPOINT")
    await superuser.close()


@pytest.mark.parametrize("durable", [True, False])
async def test_commits_outlive_a_cut_if_they_are_synced(disk: Disk, *, durable: bool) -> None:
    server = Postgres(disk.mount_point, durable=durable)
    try:
        await asyncio.to_thread(server.start)
        url = (await server.create_database()).owner_url
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE SCHEMA s; CREATE TABLE s.t (n int)")
        await _checkpoint(server)
        await asyncio.to_thread(disk.sync)
        for one in range(MANY):
            await connection.execute("INSERT INTO s.t VALUES ($1)", one)
        image = _cut(disk, server.process)
        connection.terminate()
        disk.replace(image)
        await asyncio.to_thread(server.start)
        connection = await asyncpg.connect(url)
        found = await connection.fetchval("SELECT count(*) FROM s.t")
        await connection.close()
    finally:
        await asyncio.to_thread(server.stop)
    print(f"fsync {'on' if durable else 'off'}: {found} of {MANY} commits")
    assert found == MANY if durable else found < MANY


def test_a_secret_outlives_a_cut_right_after_it_was_made(disk: Disk) -> None:
    """Its content was synced and its name was not: the next start would have made another."""
    home = Home(disk.mount_point)
    home.create()
    made = home.secret("key")
    disk.replace(disk.cut())
    assert (home.secrets / "key").exists()
    assert home.secret("key") == made


async def test_a_broker_starts_after_a_cut_right_after_its_first_start(disk: Disk) -> None:
    """WORK is not synced, so its description was not on the disk: no start ever succeeded."""
    server = Nats(disk.mount_point)
    _start(server, "always")
    try:
        await eventually(lambda: _provisioned(server), what="the broker has its streams")
        disk.replace(_cut(disk, server.process))
        assert server.server.discard_half_made({"WORK"}) == ["WORK"]
        await server.start_again()
        await server.provision()
        async with broker_at(*_access(server)) as bus:
            assert (await bus.stream_info("WORK"))["config"]["persist_mode"] == "async"
    finally:
        server.stop()
