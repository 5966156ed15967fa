"""Every account's spam filter, in step with TRAIN.

Laws: a filter in memory is the fold over its account's messages up to the sequence it names;
snapshots in MODELS only shorten the way there, and a wrong or lost one costs time alone.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import structlog

from postroom_contract import subjects
from postroom_contract.codec import ContractError, decode, encode
from postroom_contract.training import ModelSnapshot, Training
from postroom_rules.domain.spam_model import NoSnapshotError, NotLearntError
from postroom_rules.domain.taught import Taught
from postroom_runtime.bus import Bus
from postroom_runtime.errors import UnavailableError
from postroom_runtime.follow import Follower
from postroom_runtime.messages import Found, Publication

SNAPSHOT_EVERY: Final = 500
"""Trainings that were folded since the last snapshot."""
START_PAUSE: Final = 0.5
KEPT: Final = 2_000
KEPT_MODELS: Final = 32
"""Of those, filters that have learnt something: up to 8 MB each."""


class _Kept:
    """One account's filter; `lock` is held while it changes."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.taught: Taught | None = None
        self.folded = 0


class Models:
    """Loads filters when they are first needed, and keeps those used last."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._follower = Follower(
            bus, "TRAIN", f"{subjects.ROOT}.train.>", self._take, self._kept.clear
        )
        self._log = structlog.get_logger()

    @property
    def trouble(self) -> str | None:
        """Return why filters may be behind, or None."""
        return self._follower.trouble

    async def run(self) -> None:
        """Follow what is taught; it begins now, for a filter is loaded when it is needed."""
        while True:
            try:
                end = int((await self._bus.stream_info("TRAIN"))["state"]["last_seq"])
                break
            except UnavailableError:
                await asyncio.sleep(START_PAUSE)
        await self._follower.run(end)

    async def of(self, account: str) -> Taught:
        """Return an account's filter; UnavailableError while it cannot be read."""
        kept = self._kept.get(account)
        if kept is None:
            kept = self._kept[account] = _Kept()
            self._let_go()
        self._kept.move_to_end(account)
        if kept.taught is None:
            async with kept.lock:
                if kept.taught is None:
                    kept.taught = await self._loaded(account, kept)
        return kept.taught

    def _let_go(self) -> None:
        """Forget the filters that were used longest ago."""
        trained = sum(one.folded > 0 for one in self._kept.values())
        for account, kept in list(self._kept.items())[:-1]:
            if len(self._kept) <= KEPT and trained <= KEPT_MODELS:
                return
            if (kept.folded or len(self._kept) > KEPT) and not kept.lock.locked():
                trained -= kept.folded > 0
                del self._kept[account]

    async def _loaded(self, account: str, kept: _Kept) -> Taught:
        taught = await self._snapshot(account)
        before = taught.sequence
        try:
            await self._fold(account, taught)
        except NotLearntError as error:
            self._log.warning("folding a filter anew", account=account, reason=str(error))
            taught = Taught()
            await self._fold(account, taught)
        kept.folded += taught.sequence > 0
        if taught.sequence > before:
            await self._note(account, taught, kept, SNAPSHOT_EVERY if before == 0 else 1)
        return taught

    async def _snapshot(self, account: str) -> Taught:
        found = await self._bus.last("MODELS", subjects.model(account))
        if found is None:
            return Taught()
        try:
            return Taught.restore(decode(found.data, ModelSnapshot))
        except (ContractError, NoSnapshotError) as error:
            self._log.info("a filter is folded anew", account=account, reason=str(error))
            return Taught()

    async def _fold(self, account: str, taught: Taught) -> None:
        """Take everything that the account was taught after what is counted."""

        async def take(batch: Sequence[Found]) -> None:
            for found in batch:
                taught.take(decode(found.data, Training), found.sequence)
            await asyncio.sleep(0)  # thousands of trainings must not hold up the mail of others

        reader = Follower(self._bus, "TRAIN", f"{subjects.ROOT}.train.{account}.*", take)
        reader.position = taught.sequence
        await reader.catch_up()

    async def _take(self, batch: Sequence[Found]) -> None:
        for found in batch:
            kept = self._kept.get(found.subject.split(".")[3])
            if kept is None:
                continue
            async with kept.lock:
                await self._add(found, kept)

    async def _add(self, found: Found, kept: _Kept) -> None:
        if kept.taught is None:
            return  # it will be read when it is needed
        training = decode(found.data, Training)
        try:
            taken = kept.taught.take(training, found.sequence)
        except NotLearntError:
            kept.taught = None
            return
        if taken:
            await self._note(training.account, kept.taught, kept, 1)

    async def _note(self, account: str, taught: Taught, kept: _Kept, folded: int) -> None:
        """Count what was folded, and leave a snapshot now and then."""
        kept.folded += folded
        if kept.folded < SNAPSHOT_EVERY:
            return
        # In a thread: nothing changes the filter while its lock is held, and rating only reads.
        data = encode(await asyncio.to_thread(taught.snapshot, account))
        try:
            await self._bus.publish(Publication(subjects.model(account), data, None))
        except UnavailableError as error:
            self._log.warning("no snapshot of a filter", account=account, reason=str(error))
        kept.folded = 1
