"""What one fetcher process takes of memory for mailboxes that are quiet.

10,000 mailboxes that are scheduled, then 1,000 on whose news it waits (IMAP IDLE, TLS is not part
of it) at a scripted server. The peer does nothing but keep 1,000 such connections by asyncio's
streams in a process of its own: what the connections alone take. Proof: the broker's count of held
jobs and the server's of idling connections.
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from support.buses import connected
from support.fetching import Office, mailbox
from support.hostile import Hostile, Peer
from support.servers import Nats, Postgres
from support.stack import Stack, migrate
from support.waiting import eventually

SCHEDULED, WAITED_FOR = 10_000, 1_000
SECONDS = 300.0


def resident(pid: int) -> int:
    """Return the kilobytes of memory that a process has."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError(f"no such process: {pid}")


class Server:
    """An empty mailbox for everybody, and nothing new."""

    def __init__(self) -> None:
        self.idling = 0

    async def talk(self, peer: Peer) -> None:
        await peer.say(b"* OK ready\r\n")
        while True:
            tag, _, rest = (await peer.hear()).partition(b" ")
            if rest == b"CAPABILITY":
                await peer.say(b"* CAPABILITY IMAP4rev1 IDLE\r\n")
            if rest.startswith(b"EXAMINE"):
                await peer.say(b"* 0 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 1] x\r\n")
            if rest == b"IDLE":
                self.idling += 1
                await peer.say(b"+ idling\r\n")
                try:
                    await peer.hear()
                finally:
                    self.idling -= 1
            await peer.say(tag + b" OK done\r\n")


async def bare(port: int) -> None:
    """The peer: connections that idle, and nothing else."""
    before = resident(os.getpid())

    async def one() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.readline()
        for words in (b"a LOGIN x y", b"b EXAMINE INBOX"):
            writer.write(words + b"\r\n")
            while not (await reader.readline()).startswith(words[:1]):
                pass
        writer.write(b"c IDLE\r\n")
        await reader.readline()
        return reader, writer

    held = [await one() for _ in range(WAITED_FOR)]
    print(f"{len(held)} {resident(os.getpid()) - before}", flush=True)


async def _peer(server: Server, port: int) -> float:
    """Return kilobytes a connection."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"import asyncio; from bench.idle import bare; asyncio.run(bare({port}))",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    held, kilobytes = map(int, out.split())
    assert held == WAITED_FOR
    await eventually(lambda: server.idling == 0, 60, what="the peer has gone")
    return kilobytes / held


async def _ours(stack: Stack, office: Office, server: Server, port: int) -> float:
    """Return kilobytes a connection, besides what its mailbox takes."""
    quick = {"POSTROOM_FETCHER_HOST_CONNECTIONS": "200"}
    await office.publish()
    (first,) = await stack.start("fetcher", POSTROOM_FETCHER_WAITS="0", **quick)
    empty = resident(first.pid)
    await office.publish(
        *(
            mailbox(f"mbx_{n}", "imap", port, interval_minutes=720, login=f"user{n}")
            for n in range(SCHEDULED)
        )
    )

    async def all_scheduled() -> bool:
        info = await office.bus.ask("$JS.API.STREAM.INFO.WORK")
        return int(info["state"]["num_subjects"]) >= SCHEDULED

    await eventually(all_scheduled, SECONDS, what="every mailbox is scheduled")
    scheduled = resident(first.pid)
    print(
        f"empty {empty / 1024:.0f} MB, with {SCHEDULED} scheduled mailboxes"
        f" {scheduled / 1024:.0f} MB: {(scheduled - empty) / SCHEDULED:.1f} KB a mailbox",
        flush=True,
    )
    first.terminate()
    (second,) = await stack.start("fetcher", POSTROOM_FETCHER_WAITS=str(WAITED_FOR), **quick)
    before = resident(second.pid)
    for number in range(WAITED_FOR):
        await office.receive_now(f"mbx_{number}")

    async def all_waited_for() -> bool:
        info = await office.bus.ask("$JS.API.CONSUMER.INFO.WORK.fetcher-idle")
        return bool(info["num_ack_pending"] >= WAITED_FOR and server.idling >= WAITED_FOR)

    await eventually(all_waited_for, SECONDS, what="news of 1,000 mailboxes are waited for")
    waited = resident(second.pid)
    print(
        f"before {before / 1024:.0f} MB, with {server.idling} IDLE connections {waited / 1024:.0f} MB"
    )
    return (waited - before) / server.idling


async def _all(directory: Path, postgres: Postgres, nats: Nats) -> None:
    server = Server()
    await nats.provision()
    database = await postgres.create_database()
    await asyncio.to_thread(migrate, database, directory / "migrate")
    stack = Stack(directory, postgres, nats, database)
    try:
        async with Hostile(server.talk) as hostile, connected(nats, "operator") as bus:
            peer = await _peer(server, hostile.port)
            ours = await _ours(stack, Office(bus), server, hostile.port)
    finally:
        await asyncio.to_thread(stack.stop)
    print(f"proof: {WAITED_FOR} jobs held, as many connections idling; the peer keeps as many")
    print(f"ratio={ours / peer:.2f} ours={ours:.1f} peer={peer:.1f} unit=KB/connection")


def main() -> None:
    """Measure."""
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # Postgres runs as somebody else when we are root
        postgres, nats = Postgres(directory), Nats(directory)
        try:
            postgres.start()
            nats.start()
            asyncio.run(_all(directory, postgres, nats))
        finally:
            nats.stop()
            postgres.stop()


if __name__ == "__main__":
    main()
