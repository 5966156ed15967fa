"""Signatures, checked in worker processes. Port: Signatures.

Law: whatever a mail's signatures are made of, checking them costs a worker at worst.
"""

from collections.abc import Mapping

import msgspec

from postroom_runtime.workers import Limits, WorkerPool
from postroom_smtp.ports import Checked

TARGET = "postroom_smtp.dkimpy_signatures:check_framed"
SECONDS = 4.0
"""Below the deadline of all that is asked of a mail."""


class WorkedSignatures:
    """Hands mails to workers; these start with the first that is signed."""

    def __init__(self, seconds: float = SECONDS) -> None:
        limits = Limits(wall_seconds=seconds, cpu_seconds=seconds)
        self._pool = WorkerPool(TARGET, Checked, what="checking signatures", limits=limits)
        self._pool.defer()

    async def check(self, raw: bytes, keys: Mapping[str, bytes | None]) -> Checked:
        """Return what signatures and chain are worth.

        RefusedError: they took too much. UnavailableError: there is no worker now.
        """
        return await self._pool.call(framed(raw, keys))

    async def stop(self) -> None:
        """End the workers."""
        await self._pool.stop()


def framed(raw: bytes, keys: Mapping[str, bytes | None]) -> bytes:
    """Return one task for `dkimpy_signatures.check_framed`."""
    return msgspec.msgpack.encode((raw, dict(keys)))
