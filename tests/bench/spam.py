"""`make bench NAME=spam`: how well and how fast mail is rated, ours and bogofilter.

SpamAssassin's public corpus, in two settings. *halves*: both learn a random half of all five folders
and judge the other; the medians of SEEDS seeds. *later*: both learn `easy-ham-1` and `spam-1` (2002)
and judge `easy-ham-2`, `hard-ham-1` and `spam-2` (2003). Quality is 1-AUC and the share of spam that
is caught where 1 % of the wanted mails would be false alarms (0.1 % is printed too); bogofilter's
spamicity with all its digits (`-TT`).

Speed is from the files to a score, in the first seed's half, in turn, both in bulk.
Ours in the shape of the rules service: one process that rates and two workers that read what rating
needs, BULK mails a task. bogofilter with `-b`, its word list in memory (tmpfs): one process, it has
no other shape. Not compared, but printed: all of ours in one process with evidence, two bogofilters
side by side, and mail as it comes in: one by one, with evidence, read whole for the rules as well.

Proof of work: every judged file has a score on both sides. The numbers of our filter were compared on
the 2002 folders only (`bench.spam_tuning`); four of them were judged here, and which way to go from
the first two was seen from the figures of these runs (they stand in the commits of
`services/rules/…/spam_model.py`). It prints, and gates nothing.
"""

import asyncio
import contextlib
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec

from bench.spam_figures import CORPUS, Scored, caught, one_minus_auc
from postroom_mail.read import framed
from postroom_rules.domain.spam_model import Model, Rating
from postroom_rules.domain.spam_tokens import (
    MailAndTokens,
    Tokens,
    framed_tokens,
    many_framed_tokens,
    read_framed_with_tokens,
)
from postroom_runtime.workers import WorkerPool

SEEDS = int(os.environ.get("SEEDS", "10"))
ROUNDS = int(os.environ.get("ROUNDS", "7"))
FOLDERS = ("easy-ham-1", "easy-ham-2", "hard-ham-1", "spam-1", "spam-2")
EARLIER = ("easy-ham-1", "spam-1")
SECONDS = 300.0
BULK = 32
CONCURRENCY = 16
"""Mails that rules has in hand at once."""


@dataclass(frozen=True)
class Quality:
    """1-AUC, and the spam that is caught at 1 % and at 0.1 % false alarms, in percent."""

    wrong: float
    hundredth: float
    thousandth: float

    @classmethod
    def of(cls, found: Sequence[Scored]) -> "Quality":
        # None wrong would be a division by zero: half of one pair is what could not be seen.
        pairs = sum(one.spam for one in found) * sum(not one.spam for one in found)
        wrong = max(one_minus_auc(found), 0.5 / pairs)
        return cls(*(100 * one for one in (wrong, caught(found, 0.01), caught(found, 0.001))))

    @classmethod
    def median(cls, every: Sequence["Quality"]) -> "Quality":
        rows = zip(*((one.wrong, one.hundredth, one.thousandth) for one in every), strict=True)
        return cls(*map(statistics.median, rows))

    def __str__(self) -> str:
        return f"1-AUC {self.wrong:.4f} %, caught {self.hundredth:.2f} % ({self.thousandth:.1f} % at 0.1 %)"


@dataclass(frozen=True)
class Line:
    """One comparison; a ratio above 1 is better than the peer."""

    what: str
    ours: float
    peer: float
    ratio: float

    def __str__(self) -> str:
        return f"ratio={self.ratio:.3f} ours={self.ours:.4g} peer={self.peer:.4g} unit={self.what}"


def is_spam(path: Path) -> bool:
    return path.parent.name.startswith("spam")


class Bogofilter:
    """A word list in memory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def learn(self, paths: Sequence[Path]) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir()
        for flag, wanted in (("-s", True), ("-n", False)):
            mine = [path for path in paths if is_spam(path) == wanted]
            # Registering exits with 0, judging with the last mail's verdict.
            subprocess.run(self._command(flag, "-b"), input=_lines(mine), check=True)

    def judge(self, paths: Sequence[Path], processes: int = 1) -> list[Scored]:
        # Lists and answers in files: pipes would fill while the other end is not read.
        with contextlib.ExitStack() as stack:
            answers = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(processes)]
            running = []
            for n, answer in enumerate(answers):
                given = stack.enter_context(tempfile.TemporaryFile())
                given.write(_lines(paths[n::processes]))
                given.seek(0)
                running.append(
                    subprocess.Popen(self._command("-TT", "-b"), stdin=given, stdout=answer)
                )
            for process in running:
                process.wait(timeout=SECONDS)
            for answer in answers:
                answer.seek(0)
            lines = [line for answer in answers for line in answer.read().decode().splitlines()]
        by_name = {name: float(score) for name, score in (line.rsplit(" ", 1) for line in lines)}
        return [Scored(is_spam(path), by_name[str(path)]) for path in paths]

    def _command(self, *flags: str) -> list[str]:
        return ["bogofilter", "-C", "-d", str(self._directory), *flags]


def _lines(paths: Sequence[Path]) -> bytes:
    return "".join(f"{path}\n" for path in paths).encode()


class Ours:
    """A model; all mails are read once beforehand for the figures of quality."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.tokens: dict[Path, Tokens] = {
            path: framed_tokens(framed(path.read_bytes(), "")) for path in paths
        }
        self.model = Model()

    def learn(self, paths: Sequence[Path]) -> None:
        self.model = Model()
        for path in paths:
            self.model.learn(self.tokens[path], spam=is_spam(path))

    def judge(self, paths: Sequence[Path]) -> list[Scored]:
        return [_scored(path, self.model.rate(self.tokens[path])) for path in paths]

    def alone(self, paths: Sequence[Path]) -> list[Scored]:
        """From the files, in this process."""
        found = []
        for path in paths:
            tokens = framed_tokens(framed(path.read_bytes(), ""))
            found.append(_scored(path, self.model.rate(tokens)))
        return found

    async def in_bulk(self, pool: WorkerPool[list[Tokens]], paths: Sequence[Path]) -> list[Scored]:
        """From the files, several mails to a worker at once."""
        waiting, found = iter(paths), list[Scored]()

        async def work() -> None:
            while some := list(islice(waiting, BULK)):
                task = [framed(path.read_bytes(), "") for path in some]
                read = await pool.call(msgspec.msgpack.encode(task))
                for path, tokens in zip(some, read, strict=True):
                    found.append(_scored(path, self.model.rate(tokens)))

        # A third is made ready while two are read.
        await asyncio.gather(*(work() for _ in range(3)))
        return found

    async def one_by_one(
        self, pool: WorkerPool[MailAndTokens], paths: Sequence[Path]
    ) -> list[Scored]:
        """From the files, as rules works on mail that comes in."""
        waiting, found = iter(paths), list[Scored]()

        async def work() -> None:
            for path in waiting:
                read = await pool.call(framed(path.read_bytes(), ""))
                found.append(_scored(path, self.model.rate(read.tokens)))

        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
        return found


def _scored(path: Path, rating: Rating | None) -> Scored:
    assert rating is not None
    return Scored(is_spam(path), rating.score)


def _compared(setting: str, ours: Quality, peer: Quality) -> list[Line]:
    print(f"{setting}: ours {ours}; bogofilter {peer}", flush=True)
    return [
        Line(f"{setting}-1-AUC-%", ours.wrong, peer.wrong, peer.wrong / ours.wrong),
        Line(
            f"{setting}-caught-at-1%", ours.hundredth, peer.hundredth,
            ours.hundredth / peer.hundredth,
        ),
    ]  # fmt: skip


def _both(
    ours: Ours, peer: Bogofilter, learnt: Sequence[Path], judged: Sequence[Path]
) -> tuple[Quality, Quality]:
    ours.learn(learnt)
    peer.learn(learnt)
    mine, theirs = ours.judge(judged), peer.judge(judged)
    assert len(mine) == len(theirs) == len(judged), "every judged mail has a score on both sides"
    return Quality.of(mine), Quality.of(theirs)


def _halves(paths: Sequence[Path], seed: int) -> tuple[list[Path], list[Path]]:
    mixed = random.Random(f"halves {seed}").sample(paths, len(paths))
    return mixed[::2], mixed[1::2]


def _quality(ours: Ours, peer: Bogofilter, paths: Sequence[Path]) -> list[Line]:
    lines, pairs = [], []
    for seed in range(SEEDS):
        pairs.append(_both(ours, peer, *_halves(paths, seed)))
        print(f"  seed {seed}: ours {pairs[-1][0]}; bogofilter {pairs[-1][1]}", flush=True)
    mine, theirs = zip(*pairs, strict=True)
    lines += _compared("halves", Quality.median(mine), Quality.median(theirs))
    learnt = [path for path in paths if path.parent.name in EARLIER]
    judged = [path for path in paths if path.parent.name not in EARLIER]
    return lines + _compared("later", *_both(ours, peer, learnt, judged))


def _taken(judged: Sequence[Path], found: Sequence[Scored], began: float) -> float:
    """Mails per second since, each of them with a score."""
    took = time.monotonic() - began
    assert len(found) == len(judged), "every judged mail has a score"
    return len(judged) / took


async def _speed(ours: Ours, peer: Bogofilter, paths: Sequence[Path]) -> Line:
    learnt, judged = _halves(paths, 0)
    ours.learn(learnt)
    peer.learn(learnt)
    where, what = framed_tokens.__module__, "reading the mail"
    bulk = WorkerPool(f"{where}:{many_framed_tokens.__name__}", list[Tokens], what=what)
    whole = WorkerPool(f"{where}:{read_framed_with_tokens.__name__}", MailAndTokens, what=what)
    await bulk.start()
    await whole.start()
    await ours.in_bulk(bulk, judged[:200])
    await ours.one_by_one(whole, judged[:200])
    rows: list[tuple[float, ...]] = []
    for _ in range(ROUNDS):
        row = []
        for judging in (
            lambda: ours.in_bulk(bulk, judged),
            lambda: asyncio.to_thread(peer.judge, judged),
            lambda: asyncio.to_thread(ours.alone, judged),
            lambda: asyncio.to_thread(peer.judge, judged, 2),
            lambda: ours.one_by_one(whole, judged),
        ):
            began = time.monotonic()
            row.append(_taken(judged, await judging(), began))
        rows.append(tuple(row))
        print(f"  {_said(*row)}", flush=True)
    await bulk.stop()
    await whole.stop()
    medians = [statistics.median(one) for one in zip(*rows, strict=True)]
    print(f"speed: {_said(*medians)}", flush=True)
    ratio = statistics.median(one[0] / one[1] for one in rows)
    return Line("mails/s", medians[0], medians[1], ratio)


def _said(ours: float, peer: float, alone: float, two: float, whole: float) -> str:
    return (
        f"ours {ours:.0f}/s, bogofilter {peer:.0f}/s; not compared: ours in one process {alone:.0f},"
        f" two bogofilters {two:.0f}, as incoming mail is read {whole:.0f}"
    )


def main() -> None:
    """Measure, or say what is missing."""
    if shutil.which("bogofilter") is None:
        print("skipped: needs bogofilter: apt-get install --no-install-recommends bogofilter")
        return
    paths = [path for one in FOLDERS for path in sorted((CORPUS / one).glob("*.txt"))]
    if not paths:
        print(f"skipped: needs the corpus in {CORPUS}")
        return
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="postroom-bench-", dir=memory) as name:
        ours, peer = Ours(paths), Bogofilter(Path(name) / "words")
        lines = _quality(ours, peer, paths)
        lines.append(asyncio.run(_speed(ours, peer, paths)))
    print(f"proof: each of the judged files has a score on both sides, of {len(paths)} files")
    for line in lines:
        print(line)
    print(min(lines, key=lambda one: one.ratio))


if __name__ == "__main__":
    main()
