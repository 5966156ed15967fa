"""`make bench NAME=rules`: rules over real mail, ours and Pigeonhole's `sieve-filter`, in turn.

The same mails and rules for both (`support.rule_mix`), reading included. Ours is what runs in the
service: `SortMail`, as many mails at once as its consumers take, and one process that reads; from
the raw bytes to the decision, which is kept here and not sent. The peer's is one process over a
Maildir of which Dovecot knows nothing yet, its scripts compiled before; its start, measured on an
empty Maildir, is taken off. Proof of work for each round: the rules that matched are the same for
each mail. It prints, and gates nothing.
"""

import asyncio
import gc
import os
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from postroom_contract.codec import ENVELOPE_HEADER, envelope_to_header
from postroom_contract.documents import RuleDocument
from postroom_contract.events import MailSorted
from postroom_contract.mail import Envelope
from postroom_mail.tokens import TokenKeys
from postroom_rules.app import CONCURRENCY
from postroom_rules.domain.plan import Plan, Ruleset
from postroom_rules.domain.spam_tokens import MailAndTokens, to_sort
from postroom_rules.domain.taught import Taught
from postroom_rules.handlers import SortMail
from postroom_rules.ratings import Ratings, SpamDocuments
from postroom_runtime.clock import Clock
from postroom_runtime.consume import Delivered
from postroom_runtime.workers import WorkerPool
from support import pigeonhole
from support.corpora import SHARED, spam_and_ham
from support.pigeonhole import Pigeonhole, script
from support.rule_mix import Mix, canonical, is_plain

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SEED = int(os.environ.get("POSTROOM_SEED", "2"))
MAILS = int(os.environ.get("MAILS", "1000"))
SIZES = (10, 100, 1_000)
Matched = list[frozenset[int]]


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


class Kept:
    """In place of the broker: of what was decided, the rules that matched, by mail."""

    def __init__(self) -> None:
        self.matched: dict[str, frozenset[int]] = {}

    async def recorded(self, account: str, mailbox: str, mail: str) -> MailSorted | None:
        return None

    async def record(self, event: MailSorted) -> MailSorted:
        trace = event.decision.trace
        self.matched[event.about] = frozenset(int(one.name) for one in trace if one.matched)
        return event

    async def issue(self, command: object) -> None:
        raise AssertionError(command)

    async def tell(self, event: object) -> None:
        raise AssertionError(event)


class Nothing:
    """In place of the configuration of ratings: nobody has set anything."""

    def get(self, key: str, kind: type) -> None:
        return None

    def knows(self) -> bool:
        return True


class Nobody:
    """In place of the forums: no rule asks them."""

    async def facts(self, account: str, mail: object) -> None:
        raise AssertionError(account)


class Untaught:
    """In place of the filters: the account's has learnt nothing."""

    def __init__(self) -> None:
        self._taught = Taught()

    async def of(self, account: str) -> Taught:
        return self._taught


class Always:
    """In place of the configuration: one ruleset."""

    def __init__(self, rules: Sequence[RuleDocument]) -> None:
        self._plan = Plan(Ruleset(1, tuple(rules)))

    def of(self, account: str, mailbox: str) -> Plan:
        return self._plan

    def indexes_text(self, mailbox: str) -> bool:
        del mailbox
        return True

    def charset(self, mailbox: str) -> str:
        return ""


def _delivered(number: int, raw: bytes) -> Delivered:
    envelope = Envelope(
        id=f"msg_{number}", account="acc_1", mailbox="mbx_1", role="mail", size=len(raw),
        recipient="bench@example.org", sender="sender@example.net", sha256="", source="smtp",
        received_at=datetime(2026, 11, 30, tzinfo=UTC), transaction="txn_1",
    )  # fmt: skip
    return Delivered(
        data=raw, stream="INTAKE_0", subject="", sequence=number + 1, deliveries=1,
        stored_at=datetime(2026, 11, 30, tzinfo=UTC),
        headers={ENVELOPE_HEADER: envelope_to_header(envelope)},
    )  # fmt: skip


async def _ours(
    pool: WorkerPool[MailAndTokens], mails: Sequence[bytes], rules: Sequence[RuleDocument]
) -> tuple[float, Matched]:
    """Decide on all mails; return mails per second and what matched."""

    async def read(raw: bytes, charset: str, *, tokens: bool) -> MailAndTokens:
        return await pool.call(to_sort(raw, charset, tokens=tokens))

    kept = Kept()
    keys = TokenKeys((("k", b"k" * 32),))
    ratings = Ratings(SpamDocuments(Nothing()), Untaught())
    sort = SortMail(Always(rules), kept, read, keys, Clock(), ratings, Nobody())
    waiting = iter([_delivered(number, raw) for number, raw in enumerate(mails)])

    async def take() -> None:
        for one in waiting:
            await sort.on_mail(one)

    await sort.on_mail(_delivered(len(mails), mails[0]))
    began = time.monotonic()
    await asyncio.gather(*(take() for _ in range(CONCURRENCY)))
    took = time.monotonic() - began
    return len(mails) / took, [kept.matched[f"msg_{number}"] for number in range(len(mails))]


def _peer(peer: Pigeonhole, empty: Pigeonhole, rules: Path, mails: int) -> tuple[float, Matched]:
    began = time.monotonic()
    empty.filter(rules)
    start = time.monotonic() - began
    peer.forget()
    began = time.monotonic()
    matched = peer.filter(rules)
    return mails / (time.monotonic() - began - start), matched


def _agree(ours: Matched, peer: Matched, paths: Sequence[Path]) -> None:
    assert len(peer) == len(paths), f"{len(peer)} answers for {len(paths)} mails"
    differ = {p.name for o, t, p in zip(ours, peer, paths, strict=True) if o != t}
    assert not differ, f"other rules match: {sorted(differ)}"


async def _measure(directory: Path) -> None:
    paths = [one for one in spam_and_ham() if is_plain(canonical(one.read_bytes()))]
    paths = random.Random(SEED).sample(paths, MAILS)
    mails = [canonical(one.read_bytes()) for one in paths]
    rules = Mix(mails, random.Random(SEED)).rules(max(SIZES))
    peer, empty = Pigeonhole(directory / "peer"), Pigeonhole(directory / "empty")
    peer.put(mails)
    empty.put(())
    scripts = {size: peer.write(f"rules{size}", script(rules[:size])) for size in SIZES}
    figures = {size: Figures() for size in SIZES}
    pool = WorkerPool(
        "postroom_rules.domain.spam_tokens:read_to_sort",
        MailAndTokens,
        what="reading the mail",
        size=1,
    )
    await pool.start()
    gc.collect()
    gc.freeze()  # as services do when they have started
    try:
        for _ in range(ROUNDS):
            for size in SIZES:
                speed, ours = await _ours(pool, mails, rules[:size])
                figures[size].ours.append(speed)
                speed, theirs = await asyncio.to_thread(
                    _peer, peer, empty, scripts[size], len(mails)
                )
                figures[size].peer.append(speed)
                _agree(ours, theirs, paths)
                print(
                    f"{size} rules: ours {figures[size].ours[-1]:.0f}/s,"
                    f" sieve-filter {speed:.0f}/s",
                    flush=True,
                )
    finally:
        await pool.stop()
    for size in SIZES:
        print(f"{size} rules, median of {ROUNDS}: {figures[size].line()}")
    few, many = figures[min(SIZES)].ours, figures[max(SIZES)].ours
    growth = statistics.median(a / b for a, b in zip(few, many, strict=True))
    print(f"ours, {max(SIZES)} rules cost {growth:.2f} times what {min(SIZES)} do")
    print(f"proof: the same rules match, for each of {MAILS} mails, each round")
    print(figures[max(SIZES)].line())


def main() -> None:
    """Measure, or say what is missing."""
    if (needed := pigeonhole.missing()) or not SHARED.is_dir():
        print(f"skipped: needs {needed or SHARED}")
        return
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # Dovecot runs as somebody else when we are root
        asyncio.run(_measure(directory))


if __name__ == "__main__":
    main()
