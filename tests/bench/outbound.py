"""`make bench NAME=outbound`: copies delivered per second, ours and Postfix's, into Postfix's smtp-sink.

Ours: forum-like personal copies, 50 in a chunk, from COMMANDS, with what belongs to it (PROGRESS,
reports, acks, a broker that syncs); Postfix: as many mails, each to one recipient, from its queue.
Both wait complete while the process that begins (smtp, qmgr) is stopped; the clock runs from its
going on to the last mail in the sink, in turn. Proof of work for each round of both: smtp-sink has as
many mails as copies (in the first, for as many distinct recipients), each chunk is reported once, and
Postfix's queue is empty.
It prints, and gates nothing.
"""

import asyncio
import os
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.smtp import sync_always
from postroom_contract import subjects
from postroom_contract.codec import encode
from postroom_contract.commands import DeliverChunk, OutboxMail, Recipient, Template, subject_of
from postroom_contract.streams import SMTP_COMMANDS
from postroom_runtime.bus import Bus
from postroom_runtime.messages import Publication
from support import postfix
from support.buses import connected, worked_off
from support.postfix import Postfix, SmtpSink, load
from support.servers import Nats
from support.smtp_process import SmtpProcess, configure, looking
from support.waiting import eventually, eventually_sync

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SIZES = ((5_120, int(os.environ.get("MAILS", "3000"))), (51_200, 500))
CHUNK = 50
SECONDS = 300.0


@dataclass
class Figures:
    """Mails per second of each round."""

    ours: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios: neighbours disturb both sides of a round alike."""
        return statistics.median(o / p for o, p in zip(self.ours, self.peer, strict=True))


def _mail(name: str, octets: int) -> OutboxMail:
    """A post as mail, with its personal places."""
    head = b"From: Anna <garden@ours.example>\r\nTo: garden@ours.example\r\nSubject: Roses\r\n"
    lines = b"Every rose has its time, and this line its seventy octets or so.\r\n"
    segments = (
        head + b"Reply-To: ",
        b"\r\nList-Unsubscribe: <http://localhost/u/",
        b">\r\n\r\n" + lines * (octets // len(lines)),
    )
    return OutboxMail(
        id=f"out_{name}", account="acc_one", scope="frm_1", origin=f"pst_{name}",
        message_id=f"{name}@ours.example", subject="Roses",
        template=Template(segments, ("reply", "leave")),
    )  # fmt: skip


def _chunk(name: str, first: int, last: int) -> DeliverChunk:
    recipients = tuple(
        Recipient(
            serial=number, address=f"m{number}@theirs.example",
            sender=f"garden+b{number}@ours.example",
            places={"reply": f"garden+r{number}@ours.example", "leave": f"{number:030}"},
        )
        for number in range(first, last)
    )  # fmt: skip
    return DeliverChunk(
        id=f"cmd_{name}_{first}", account="acc_one", correlation=f"pst_{name}",
        causation=f"pst_{name}", chunk=f"chk_{name}_{first}", scope="frm_1", origin=f"pst_{name}",
        outbox=f"out_{name}", domain="theirs.example", attempt=1, recipients=recipients,
    )  # fmt: skip


async def _delivered(bus: Bus) -> int:
    """Events so far; each chunk ends with one."""
    return int((await bus.stream_info("EVENTS"))["state"]["last_seq"])


async def _our_round(
    nats: Nats, bus: Bus, smtp: SmtpProcess, sink: SmtpSink, name: str, size: tuple[int, int]
) -> float:
    octets, mails = size
    chunks = [_chunk(name, n, min(n + CHUNK, mails)) for n in range(0, mails, CHUNK)]
    reported = await _delivered(bus)
    mail = _mail(name, octets)
    assert smtp.process is not None
    smtp.process.sigstop()
    async with connected(nats, "forum-bridge") as forum:
        await forum.publish(Publication(subjects.outbox("acc_one", mail.id), encode(mail), None))
        for one in chunks:
            await forum.publish(Publication(subject_of(one), encode(one), one.id))
    began = time.monotonic()
    smtp.process.sigcont()
    await eventually(lambda: sink.count() >= mails, SECONDS, what="every copy is in the sink")
    took = time.monotonic() - began
    await eventually(lambda: worked_off(bus, SMTP_COMMANDS), SECONDS, what="all is acknowledged")
    assert await _delivered(bus) - reported == len(chunks), "each chunk is reported once"
    _prove(sink, mails)
    return mails / took


def _peer_round(peer: Postfix, sink: SmtpSink, size: tuple[int, int]) -> float:
    octets, mails = size
    with peer.held():
        load(peer.port, "m@theirs.example", mails=mails, octets=octets, numbered=True)
        began = time.monotonic()
    eventually_sync(lambda: sink.count() >= mails, SECONDS, what="every mail is in the sink")
    took = time.monotonic() - began
    eventually_sync(lambda: peer.waiting() == 0, SECONDS, what="Postfix's queue is empty")
    _prove(sink, mails)
    return mails / took


def _prove(sink: SmtpSink, mails: int) -> None:
    count, people = sink.taken()
    assert count == mails, f"{count} mails"
    assert people is None or len(people) == len(set(people)) == mails, f"{len(set(people))} people"


async def _measured(
    nats: Nats,
    bus: Bus,
    smtp: SmtpProcess,
    sink: SmtpSink,
    peer: Postfix,
    size: tuple[int, int],
) -> str:
    octets, mails = size
    figures = Figures()
    for turn in range(ROUNDS + 1):
        # The first round warms both, and the sink keeps whom it got mail for.
        sink.start(keeping=not turn)
        ours = await _our_round(nats, bus, smtp, sink, f"{octets}r{turn}", size)
        theirs = await asyncio.to_thread(_peer_round, peer, sink, size)
        if turn:
            figures.ours.append(ours)
            figures.peer.append(theirs)
            print(
                f"  {octets} octets, {mails} copies: ours {ours:.0f}/s, Postfix {theirs:.0f}/s",
                flush=True,
            )
    ours, theirs = statistics.median(figures.ours), statistics.median(figures.peer)
    return f"ratio={figures.ratio:.2f} ours={ours:.0f} peer={theirs:.0f} unit=mails/s"


async def _measure(nats: Nats, smtp: SmtpProcess, peer: Postfix, sink: SmtpSink) -> None:
    await configure(nats)
    assert await sync_always(nats), "the broker does not sync before it acks"
    lines: list[str] = []
    async with looking(nats) as bus:
        smtp.start(RELAY=f"127.0.0.1:{sink.port}", LOG_FORMAT="json")
        await smtp.ready()
        for size in SIZES:
            lines.append(await _measured(nats, bus, smtp, sink, peer, size))
            print(f"{size[0]} octets, median of {ROUNDS}: {lines[-1]}", flush=True)
    print("proof: mails in smtp-sink = copies, for distinct recipients, of both; sync_always=true")
    print(lines[0])


def main() -> None:
    """Measure, or say what is missing."""
    if reason := postfix.missing():
        print(f"skipped: {reason}")
        return
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(prefix="postroom-bench-") as name,
        tempfile.TemporaryDirectory(prefix="postroom-bench-", dir=memory) as kept,
    ):
        directory = Path(name)
        nats = Nats(directory)
        smtp = SmtpProcess(directory, nats)
        try:
            nats.start()
            asyncio.run(nats.provision())
            with (
                SmtpSink(Path(kept)) as sink,
                Postfix(directory / "postfix", sink.port) as peer,
            ):
                asyncio.run(_measure(nats, smtp, peer, sink))
        finally:
            smtp.stop()
            nats.stop()


if __name__ == "__main__":
    main()
