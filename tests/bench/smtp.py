"""`make bench NAME=smtp`: mails received and stored per second, ours and Postfix's.

The same load (smtp-source, 20 sessions, a connection per mail) on the same disk in turn; 250 comes
after the mail is durable on both sides; behind ours a consumer drains the streams while mail comes
in, behind Postfix qmgr and discard. More lines: with SPF and DMARC asked for each mail (a DNS on
loopback; Postfix without), with rules deciding on each instead of the mere drain, and with two
processes of ours. Proof of work for each of our rounds: as many distinct ids in INTAKE as mails,
all of it acknowledged by the consumer (or as many decisions), and a broker that syncs before it
acks; for Postfix's: each mail got 250, and the queue is empty in the end. It prints, and gates
nothing.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from postroom.probe import get
from postroom_contract.mail import Pointer
from postroom_contract.streams import INTAKE, RULES_INTAKE
from postroom_runtime.bus import Bus
from postroom_runtime.messages import MESSAGE_ID
from support import postfix
from support.buses import worked_off
from support.names import LocalNames
from support.postfix import Postfix, load
from support.processes import Process
from support.servers import Nats
from support.smtp_process import SmtpProcess, configure, looking
from support.waiting import eventually, eventually_sync

RECIPIENT = "a@ours.example"
ROUNDS = int(os.environ.get("ROUNDS", "7"))
SIZES = ((5_120, int(os.environ.get("MAILS", "2000"))), (51_200, 500))
DRAIN_SECONDS = 120.0


@dataclass
class Figures:
    """Mails per second of each round."""

    ours: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)
    drained: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios: neighbours disturb both sides of a round alike."""
        return statistics.median(o / p for o, p in zip(self.ours, self.peer, strict=True))


async def _last(bus: Bus, stream: str) -> int:
    return int((await bus.stream_info(stream))["state"]["last_seq"])


async def _ids(bus: Bus, since: dict[str, int]) -> set[str]:
    found = set[str]()
    for stream, first in since.items():
        for sequence in range(first + 1, await _last(bus, stream) + 1):
            one = await bus.get(Pointer(stream, sequence))
            found |= {one.headers[MESSAGE_ID]} if one else set()
    return found


async def _our_round(
    bus: Bus, port: int, octets: int, mails: int, figures: Figures, *, decide: bool
) -> None:
    since = {spec.name: await _last(bus, spec.name) for spec in INTAKE}
    decisions = await _last(bus, "EVENTS")
    loop = asyncio.get_running_loop()
    began = loop.time()
    seconds = await asyncio.to_thread(load, port, RECIPIENT, mails=mails, octets=octets)

    async def drained() -> bool:
        if decide:
            return await _last(bus, "EVENTS") - decisions >= mails
        return all([await worked_off(bus, spec) for spec in RULES_INTAKE])

    await eventually(drained, DRAIN_SECONDS, what="every mail is taken on")
    figures.drained.append(mails / (loop.time() - began))
    stored = await _ids(bus, since)
    assert len(stored) == mails, f"{len(stored)} distinct ids in INTAKE for {mails} mails"
    figures.ours.append(mails / seconds)


def _peer_round(peer: Postfix, octets: int, mails: int, figures: Figures) -> None:
    seconds = load(peer.port, RECIPIENT, mails=mails, octets=octets)
    eventually_sync(lambda: peer.waiting() == 0, DRAIN_SECONDS, what="Postfix's queue is empty")
    figures.peer.append(mails / seconds)


async def sync_always(nats: Nats) -> bool:
    answer = await get("127.0.0.1", nats.server.monitor_port, "/jsz")
    return answer is not None and bool(json.loads(answer.body)["config"].get("sync_always"))


def _behind(nats: Nats, directory: Path, module: str) -> Process:
    """What takes the mail on: rules, or a mere drain, under the same user."""
    mine = {
        "NATS_URL": nats.url,
        "NATS_USER": "rules",
        "NATS_PASSWORD": nats.passwords["rules"],
        "TOKEN_KEYS": "1:" + "5a" * 32,
        "LOG_FORMAT": "line",
    }
    environment = {n: v for n, v in os.environ.items() if not n.startswith("POSTROOM_")}
    environment |= {f"POSTROOM_{name}": value for name, value in mine.items()}
    return Process([sys.executable, "-m", module], environment, directory / "behind.log")


async def _measured(
    bus: Bus, smtp: SmtpProcess, peer: Postfix, size: tuple[int, int], *, decide: bool
) -> str:
    octets, mails = size
    figures = Figures()
    await _our_round(bus, smtp.port, 1_024, 200, Figures(), decide=decide)  # both are warm
    await asyncio.to_thread(_peer_round, peer, 1_024, 200, Figures())
    for _ in range(ROUNDS):
        await _our_round(bus, smtp.port, octets, mails, figures, decide=decide)
        await asyncio.to_thread(_peer_round, peer, octets, mails, figures)
        print(
            f"  {octets} octets, {mails} mails: ours {figures.ours[-1]:.0f}/s"
            f" (taken on {figures.drained[-1]:.0f}/s), Postfix {figures.peer[-1]:.0f}/s",
            flush=True,
        )
    ours, theirs = statistics.median(figures.ours), statistics.median(figures.peer)
    return f"ratio={figures.ratio:.2f} ours={ours:.0f} peer={theirs:.0f} unit=mails/s"


async def _measure(nats: Nats, smtp: SmtpProcess, peer: Postfix, directory: Path) -> None:
    await configure(nats)
    assert await sync_always(nats), "the broker does not sync before it acks"
    names = LocalNames()
    # smtp-source sends from its machine's name; whatever that is, it may.
    names.publish('example.com. 300 TXT "v=spf1 ip4:127.0.0.1 -all"')
    asked = {"SMTP_TRUSTED": "none", "SMTP_NAMESERVERS": names.where}
    lines: list[str] = []
    try:
        async with looking(nats) as bus:
            for title, module, settings, size in (
                ("", "bench.drain", {}, SIZES[0]),
                ("", "bench.drain", {}, SIZES[1]),
                (", SPF and DMARC asked", "bench.drain", asked, SIZES[0]),
                (", rules decide on each", "postroom_rules", {}, SIZES[0]),
                (", two processes", "bench.drain", {"SMTP_PROCESSES": "2"}, SIZES[0]),
            ):
                smtp.start(SMTP_MAX_CONNECTIONS_PER_ADDRESS=200, **settings)
                behind = _behind(nats, directory, module)
                try:
                    await smtp.ready()
                    decide = module == "postroom_rules"
                    lines.append(await _measured(bus, smtp, peer, size, decide=decide))
                finally:
                    smtp.stop()
                    behind.terminate()
                print(f"{size[0]} octets{title}, median of {ROUNDS}: {lines[-1]}", flush=True)
    finally:
        names.stop()
    print("proof: distinct ids equal the mails of each round, all taken on; sync_always=true")
    print(lines[0])


def main() -> None:
    """Measure, or say what is missing."""
    if reason := postfix.missing():
        print(f"skipped: {reason}")
        return
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as name:
        directory = Path(name)
        nats = Nats(directory)
        smtp = SmtpProcess(directory, nats)
        try:
            nats.start()
            asyncio.run(nats.provision())
            with Postfix(directory / "postfix") as peer:
                asyncio.run(_measure(nats, smtp, peer, directory))
        finally:
            smtp.stop()
            nats.stop()


if __name__ == "__main__":
    main()
