"""The outbox by key: a transaction notes "X changed", the relay publishes X as it is now.

Laws: a key is deleted only after what it led to was acked by the broker, and only the row that was
read (a change in between leaves a newer row). What one key leads to is published in its order, what
several lead to side by side. One relay at a time per table, by advisory lock; should two run after
all, the published ids and versions make it harmless.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog

from postroom_runtime.bus import Bus
from postroom_runtime.errors import UnavailableError
from postroom_runtime.messages import Publication
from postroom_runtime.postgres import Database

BATCH: Final = 50
BATCH_SECONDS: Final = 15.0
LOOK_SECONDS: Final = 1.0
PROBE_SECONDS: Final = 0.1
"""Between looks at what another relay of the table does."""

Read = Callable[[Sequence[str]], Awaitable[Sequence[Sequence[Publication]]]]
"""Keys → for each of them what is to be published, in order."""


class Relay:
    """Works off `table` (columns `id bigint`, `key text`); `read` turns keys into publications.

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
        self._stepped = asyncio.Event()
        self._log = structlog.get_logger().bind(outbox=table)
        self.trouble: str | None = None

    def wake(self) -> None:
        """Look now: something was committed."""
        self._wake.set()

    async def settled(self, seconds: float) -> bool:
        """Wait until what was committed before is published; False when it takes longer.

        By whichever relay of the table, and whatever is noted meanwhile.
        """
        try:
            async with asyncio.timeout(seconds):
                last = await self._ask(f"SELECT max(id) FROM {self._table}")  # noqa: S608 - our own constant
                while await self._ask(f"SELECT min(id) <= $1 FROM {self._table}", last):  # noqa: S608 - our own constant
                    self._stepped.clear()
                    self.wake()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(PROBE_SECONDS):
                            await self._stepped.wait()
        except (TimeoutError, UnavailableError):
            return False
        return True

    async def _ask(self, query: str, *arguments: object) -> Any:
        async with self._database.transaction() as connection:
            return await connection.fetchval(query, *arguments)

    async def run(self) -> None:
        """Relay for ever."""
        while True:
            self._wake.clear()
            try:
                while await self._step():
                    self._stepped.set()
                self.trouble = None
                self._stepped.set()
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
            found = await self._read(list(dict.fromkeys(row["key"] for row in rows)))
            # Each is waited for, so that nothing is published behind the back of a next attempt.
            ends = await asyncio.gather(*map(self._publish, found), return_exceptions=True)
            for end in ends:
                if end is not None:
                    raise end
            await connection.execute(
                f"DELETE FROM {self._table} WHERE id = ANY($1)",  # noqa: S608 - our own constant
                [row["id"] for row in rows],
            )
        return len(rows) == self._batch

    async def _publish(self, publications: Sequence[Publication]) -> None:
        for one in publications:
            await self._bus.publish(one)
