"""Fetching from a real Dovecot: ours into durable intake, the peer's into a Maildir, in turn.

The same server and mailbox for both; ours with the fetcher as it runs (schema `fetch` in a Postgres
that syncs, a broker that syncs before it acks), the clock from *receive now* to the event that says
it is done; the peer's from its start to its end. Proof of work for each round: as many distinct ids
in INTAKE as mails, their contents those of the mailbox; as many files in the peer's Maildir.
It prints, and gates nothing.
"""

import asyncio
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from nats.aio.msg import Msg

from postroom.probe import get
from postroom_contract.codec import decode
from postroom_contract.events import MailboxChecked
from support import dovecot as harness
from support.buses import connected
from support.dovecot import PASSWORD, USER, Dovecot
from support.fetching import Office, letter, mailbox
from support.servers import Nats, Postgres
from support.stack import Stack, migrate

Protocol = Literal["imap", "pop3"]
PEERS = Path(__file__).parent / "peers"
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SIZES = ((6_000, int(os.environ.get("MAILS", "5000"))), (200_000, 500))
SECONDS = 300.0


@dataclass(frozen=True)
class Peer:
    """A program that fetches into a Maildir; `package` brings it."""

    program: str
    package: str
    configuration: str
    arguments: tuple[str, ...]


PEER: dict[Protocol, Peer] = {
    "imap": Peer("mbsync", "isync", "mbsync/mbsyncrc", ("-c", "{rc}", "bench")),
    "pop3": Peer("mpop", "mpop", "mpop/mpoprc", ("-C", "{rc}", "--quiet")),
}


@dataclass
class Figures:
    """Mails per second of each round."""

    ours: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)

    def line(self) -> str:
        """The medians; the ratio is the median of the rounds' ratios."""
        ratio = statistics.median(o / p for o, p in zip(self.ours, self.peer, strict=True))
        ours, peer = statistics.median(self.ours), statistics.median(self.peer)
        return f"ratio={ratio:.2f} ours={ours:.0f} peer={peer:.0f} unit=mails/s"


def _letters(octets: int, mails: int) -> list[bytes]:
    return [letter(number, size=octets) for number in range(mails)]


def _peer_round(peer: Peer, protocol: Protocol, server: Dovecot, mails: int) -> float:
    """Fetch into an empty Maildir; return mails per second."""
    with tempfile.TemporaryDirectory(prefix="postroom-peer-") as name:
        directory = Path(name)
        for folder in ("cur", "new", "tmp"):
            (directory / "inbox" / folder).mkdir(parents=True)
        text = (PEERS / peer.configuration).read_text()
        for key, value in (
            ("DIRECTORY", name),
            ("PORT", str(getattr(server, protocol))),
            ("USER", USER),
            ("PASSWORD", PASSWORD),
        ):
            text = text.replace(f"@{key}@", value)
        rc = directory / "rc"
        rc.touch(mode=0o600)
        rc.write_text(text)
        arguments = [one.format(rc=rc) for one in peer.arguments]
        began = time.monotonic()
        subprocess.run([peer.program, *arguments], check=True, timeout=SECONDS, cwd=directory)
        took = time.monotonic() - began
        files = sum(len(list((directory / "inbox" / one).iterdir())) for one in ("cur", "new"))
        assert files == mails, f"{files} files for {mails} mails"
    return mails / took


class Ours:
    """The fetcher with its broker and database."""

    def __init__(self, stack: Stack, office: Office) -> None:
        self._stack = stack
        self._office = office
        self._done: asyncio.Queue[MailboxChecked] = asyncio.Queue()
        self._round = 0

    async def start(self) -> None:
        """Start it, and listen for what it tells."""
        monitor = self._stack.nats.server.monitor_port
        answer = await get("127.0.0.1", monitor, "/jsz")
        assert answer is not None
        assert json.loads(answer.body)["config"]["sync_always"], "the broker does not sync"
        await self._office.bus.client.subscribe(
            "postroom.v1.event.*.*.mailbox.checked.*", cb=self._on_event
        )
        await self._office.publish()  # the epoch: the fetcher is ready without a mailbox
        await self._stack.start("fetcher")

    async def _on_event(self, message: Msg) -> None:
        self._done.put_nowait(decode(message.data, MailboxChecked))

    async def round(self, protocol: Protocol, server: Dovecot, wanted: list[str]) -> float:
        """Fetch into a mailbox of its own; return mails per second."""
        self._round += 1
        id_ = f"mbx_round{self._round}"
        await self._office.publish(mailbox(id_, protocol, getattr(server, protocol)))
        began = time.monotonic()
        assert await self._office.receive_now(id_)
        async with asyncio.timeout(SECONDS):
            told = await self._done.get()
        took = time.monotonic() - began
        assert (told.about, told.error, told.stored) == (id_, None, len(wanted))
        mine = [(one, raw) for one, raw in await self._office.mails() if one.mailbox == id_]
        assert len({one.id for one, _ in mine}) == len(wanted), "distinct ids"
        got = sorted(hashlib.sha256(raw.data).hexdigest() for _, raw in mine)
        assert got == wanted, "contents differ"
        await self._office.bus.ask("$JS.API.STREAM.PURGE.INTAKE_0")
        await self._office.bus.ask("$JS.API.STREAM.PURGE.INTAKE_1")
        return len(wanted) / took


@asynccontextmanager
async def _ours(directory: Path, postgres: Postgres, nats: Nats) -> AsyncIterator[Ours]:
    await nats.provision()
    database = await postgres.create_database()
    await asyncio.to_thread(migrate, database, directory / "migrate")
    stack = Stack(directory, postgres, nats, database)
    try:
        async with connected(nats, "operator") as bus:
            ours = Ours(stack, Office(bus))
            await ours.start()
            yield ours
    finally:
        await asyncio.to_thread(stack.stop)


async def _measure(protocol: Protocol, ours: Ours, octets: int, mails: int) -> Figures:
    peer, figures = PEER[protocol], Figures()
    server = Dovecot()
    try:
        server.start()
        letters = _letters(octets, mails)
        server.put(*letters)
        wanted = sorted(hashlib.sha256(one).hexdigest() for one in letters)
        del letters
        await asyncio.to_thread(_peer_round, peer, protocol, server, mails)  # Dovecot's index
        for _ in range(ROUNDS):
            figures.ours.append(await ours.round(protocol, server, wanted))
            figures.peer.append(await asyncio.to_thread(_peer_round, peer, protocol, server, mails))
            print(
                f"{octets} octets, {mails} mails: ours {figures.ours[-1]:.0f}/s,"
                f" {peer.program} {figures.peer[-1]:.0f}/s",
                flush=True,
            )
    finally:
        server.remove()
    return figures


async def _all(protocol: Protocol, directory: Path, postgres: Postgres, nats: Nats) -> None:
    lines = []
    async with _ours(directory, postgres, nats) as ours:
        for octets, mails in SIZES:
            figures = await _measure(protocol, ours, octets, mails)
            lines.append(figures.line())
            print(f"{octets} octets, median of {ROUNDS}: {lines[-1]}", flush=True)
    print("proof: distinct ids and contents are the mailbox's, each round; sync_always=true")
    print(lines[0])


def _missing(peer: Peer) -> str | None:
    if needed := harness.missing():
        return f"needs {needed}"
    if shutil.which(peer.program) is None:
        return f"needs {peer.program}: apt-get install --no-install-recommends {peer.package}"
    return None


def main(protocol: Protocol) -> None:
    """Measure, or say what is missing."""
    if reason := _missing(PEER[protocol]):
        print(f"skipped: {reason}")
        return
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # Postgres runs as somebody else when we are root
        postgres, nats = Postgres(directory, durable=True), Nats(directory)
        try:
            postgres.start()
            nats.start()
            asyncio.run(_all(protocol, directory, postgres, nats))
        finally:
            nats.stop()
            postgres.stop()
