"""`make bench NAME=smtp`: mails received and stored per second, ours and Postfix's.

The same load (smtp-source, 20 sessions, a connection per mail) on the same disk in turn; 250 comes
after the mail is durable on both sides; behind ours rules decides on each mail while it comes in,
behind Postfix qmgr and discard. Proof of work for each of our rounds: as many distinct ids in
INTAKE and as many decisions as mails, and a broker that syncs before it acks; for Postfix's: each
mail got 250, and the queue is empty in the end. It prints, and gates nothing.
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
from postroom_contract.streams import INTAKE
from postroom_runtime.bus import Bus
from postroom_runtime.messages import MESSAGE_ID
from support import postfix
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
    decided: list[float] = field(default_factory=list)

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


async def _our_round(bus: Bus, port: int, octets: int, mails: int, figures: Figures) -> None:
    since = {spec.name: await _last(bus, spec.name) for spec in INTAKE}
    decisions = await _last(bus, "EVENTS")
    loop = asyncio.get_running_loop()
    began = loop.time()
    seconds = await asyncio.to_thread(load, port, RECIPIENT, mails=mails, octets=octets)

    async def decided() -> bool:
        return await _last(bus, "EVENTS") - decisions >= mails

    await eventually(decided, DRAIN_SECONDS, what="every mail is decided")
    figures.decided.append(mails / (loop.time() - began))
    stored = await _ids(bus, since)
    assert len(stored) == mails, f"{len(stored)} distinct ids in INTAKE for {mails} mails"
    figures.ours.append(mails / seconds)


def _peer_round(peer: Postfix, octets: int, mails: int, figures: Figures) -> None:
    seconds = load(peer.port, RECIPIENT, mails=mails, octets=octets)
    eventually_sync(lambda: peer.waiting() == 0, DRAIN_SECONDS, what="Postfix's queue is empty")
    figures.peer.append(mails / seconds)


async def _sync_always(nats: Nats) -> bool:
    answer = await get("127.0.0.1", nats.server.monitor_port, "/jsz")
    return answer is not None and bool(json.loads(answer.body)["config"].get("sync_always"))


def _rules(nats: Nats, directory: Path) -> Process:
    mine = {
        "NATS_URL": nats.url,
        "NATS_USER": "rules",
        "NATS_PASSWORD": nats.passwords["rules"],
        "TOKEN_KEYS": "1:" + "5a" * 32,
        "LOG_FORMAT": "line",
    }
    environment = {n: v for n, v in os.environ.items() if not n.startswith("POSTROOM_")}
    environment |= {f"POSTROOM_{name}": value for name, value in mine.items()}
    return Process([sys.executable, "-m", "postroom_rules"], environment, directory / "rules.log")


async def _measure(nats: Nats, smtp: SmtpProcess, peer: Postfix) -> None:
    await configure(nats)
    smtp.start(SMTP_MAX_CONNECTIONS_PER_ADDRESS=200)
    await smtp.ready()
    assert await _sync_always(nats), "the broker does not sync before it acks"
    ratios: list[str] = []
    async with looking(nats) as bus:
        await _our_round(bus, smtp.port, 1_024, 200, Figures())  # both are warm
        await asyncio.to_thread(_peer_round, peer, 1_024, 200, Figures())
        for octets, mails in SIZES:
            figures = Figures()
            for _ in range(ROUNDS):
                await _our_round(bus, smtp.port, octets, mails, figures)
                await asyncio.to_thread(_peer_round, peer, octets, mails, figures)
                print(
                    f"{octets} octets, {mails} mails: ours {figures.ours[-1]:.0f}/s"
                    f" (decided {figures.decided[-1]:.0f}/s), Postfix {figures.peer[-1]:.0f}/s",
                    flush=True,
                )
            ours, theirs = statistics.median(figures.ours), statistics.median(figures.peer)
            ratios.append(
                f"ratio={figures.ratio:.2f} ours={ours:.0f} peer={theirs:.0f} unit=mails/s"
            )
            print(f"{octets} octets, median of {ROUNDS}: {ratios[-1]}", flush=True)
    print("proof: distinct ids and decisions equal the mails of each round; sync_always=true")
    print(ratios[0])


def main() -> None:
    """Measure, or say what is missing."""
    if reason := postfix.missing():
        print(f"skipped: {reason}")
        return
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as name:
        directory = Path(name)
        nats = Nats(directory)
        smtp = SmtpProcess(directory, nats)
        rules: Process | None = None
        try:
            nats.start()
            asyncio.run(nats.provision())
            rules = _rules(nats, directory)
            with Postfix(directory / "postfix") as peer:
                asyncio.run(_measure(nats, smtp, peer))
        finally:
            smtp.stop()
            if rules is not None:
                rules.terminate()
            nats.stop()


if __name__ == "__main__":
    main()
