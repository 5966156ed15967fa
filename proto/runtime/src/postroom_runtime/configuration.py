"""Configuration as a service sees it: documents of the bucket, kept in memory, never older again.

Law: "not there" may be said only while in step (`knows`): the epoch key is there and, at a look
at most 15 s ago, nothing of the bucket was missing here.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec

from postroom_contract import subjects
from postroom_contract.codec import ContractError, decode
from postroom_runtime.bus import Bus
from postroom_runtime.errors import UnavailableError
from postroom_runtime.follow import Follower
from postroom_runtime.messages import Found

T = TypeVar("T")

STEP_SECONDS: Final = 15.0


class _Versioned(msgspec.Struct):
    version: int = 0
    deleted: bool = False


class Configuration:
    """The documents whose key begins with one of `families` (such as `address`), as raw bytes.

    Of those, where `needed` is given, what it answers to with yes (key, raw bytes): the others are
    as if they were not there, and only their versions are remembered.
    """

    def __init__(
        self,
        bus: Bus,
        families: Sequence[str],
        needed: Callable[[str, bytes], bool] = lambda _key, _data: True,
    ) -> None:
        self._bus = bus
        self._needed = needed
        self._wanted = frozenset(families)
        self._documents: dict[str, bytes] = {}
        self._versions: dict[str, int] = {}
        self._epoch: bytes | None = None
        self._listeners: list[Callable[[str], None]] = []
        stream = f"KV_{subjects.CONFIG_BUCKET}"
        self._follower = Follower(
            bus, stream, f"{subjects.CONFIG_SUBJECT}.>", self._take, self._forget
        )

    async def run(self) -> None:
        """Follow the bucket for ever; a bucket made anew is read from its beginning."""
        await self._follower.run()

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Call back with each key that changed."""
        self._listeners.append(listener)

    @property
    def trouble(self) -> str | None:
        """Return why the configuration cannot be trusted to be complete, or None."""
        if self._follower.trouble:
            return f"configuration: {self._follower.trouble}"
        if self._epoch is None:
            return "configuration: nothing has been published yet (epoch key missing)"
        if not self.knows():
            return "configuration: not in step with the broker"
        return None

    def knows(self) -> bool:
        """Return whether "not found" means "does not exist"."""
        seen = self._follower.in_step_at
        return (
            self._epoch is not None and seen is not None and time.monotonic() - seen <= STEP_SECONDS
        )

    @property
    def was_read(self) -> bool:
        """Return whether the bucket was read to its end, however long ago."""
        return self._follower.in_step_at is not None

    def get(self, key: str, kind: type[T]) -> T | None:
        """Return the document, or None when there is none here."""
        data = self._documents.get(key)
        if data is None:
            return None
        try:
            return decode(data, kind)
        except ContractError as error:
            raise UnavailableError(f"configuration {key} cannot be read: {error}") from error

    def keys(self, family: str) -> list[str]:
        """Return the keys of a family."""
        return [key for key in self._documents if key.startswith(f"{family}.")]

    def _forget(self) -> None:
        self._documents.clear()
        self._versions.clear()
        self._epoch = None

    async def _take(self, batch: Sequence[Found]) -> None:
        for found in batch:
            key = found.subject.removeprefix(f"{subjects.CONFIG_SUBJECT}.")
            if key == subjects.EPOCH_KEY:
                self._epoch = found.data
            elif key.partition(".")[0] in self._wanted:
                self._put(key, found.data)

    def _put(self, key: str, data: bytes) -> None:
        head = decode(data, _Versioned)
        if head.version < self._versions.get(key, 0):
            return
        self._versions[key] = head.version
        if head.deleted or not self._needed(key, data):
            self._documents.pop(key, None)
        else:
            self._documents[key] = data
        for listener in self._listeners:
            listener(key)
