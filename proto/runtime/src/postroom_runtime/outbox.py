"""The outbox by key: a transaction notes "X changed", the relay publishes X as it is now.

Laws: a key is deleted only after what it led to was acked by the broker, and only the row that was
read (a change in between leaves a newer row). One relay at a time per table, by advisory lock;
should two run after all, the published ids and versions make it harmless.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from postroom_runtime.bus import Bus
from postroom_runtime.errors import UnavailableError
from postroom_runtime.messages import Publication
from postroom_runtime.postgres import Database

BATCH: Final = 50
BATCH_SECONDS: Final = 15.0
LOOK_SECONDS: Final = 1.0

Read = Callable[[str], Awaitable[Sequence[Publication]]]


class Relay:
    """Works off `table` (columns `id bigint`, `key text`); `read` turns a key into publications.

    `batch`: rows of one transaction of at most 15 s; few where one key is many publications.
    """

    def __init__(
        self, database: Database, bus: Bus, table: str, read: Read, *, batch: int = BATCH
    ) -> None:
        self._database = database
        self._bus = bus
        self._table = table
        self._read = read
        self._batch = batch
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._log = structlog.get_logger().bind(outbox=table)
        self.trouble: str | None = None

    def wake(self) -> None:
        """Look now: something was committed."""
        self._idle.clear()
        self._wake.set()

    async def settled(self, seconds: float) -> bool:
        """Wait until what was committed before is published; False when it takes longer."""
        self.wake()
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Relay for ever."""
        while True:
            self._wake.clear()
            try:
                while await self._step():
                    pass
                self.trouble = None
                if not self._wake.is_set():
                    self._idle.set()
            except UnavailableError as error:
                self.trouble = str(error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wake.wait()

    async def _step(self) -> bool:
        """Publish one batch; return whether there may be more."""
        async with self._database.transaction(seconds=BATCH_SECONDS) as connection:
            alone = await connection.fetchval(
                "SELECT pg_try_advisory_xact_lock(hashtext($1))", f"relay {self._table}"
            )
            if not alone:
                return False
            rows = await connection.fetch(
                f"SELECT id, key FROM {self._table} ORDER BY id LIMIT $1",  # noqa: S608 - our own constant
                self._batch,
            )
            # Several rows of one key are one publication: the state is read after all of them.
            for key in dict.fromkeys(row["key"] for row in rows):
                for publication in await self._read(key):
                    await self._bus.publish(publication)
            await connection.execute(
                f"DELETE FROM {self._table} WHERE id = ANY($1)",  # noqa: S608 - our own constant
                [row["id"] for row in rows],
            )
        return len(rows) == self._batch
