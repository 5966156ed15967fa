"""A TCP proxy between two of ours: it counts, and it can cut, hold up, slow down and garble.

Faults happen once, after so many bytes have passed both ways together; then all flows again, on
new connections.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Literal

from support.listening import Listening

CHUNK = 1_024
Fault = Literal["cut", "hold", "garble"]


class Proxy(Listening):
    """`async with Proxy(port) as proxy`: connect to `proxy.port`."""

    def __init__(self, target: int) -> None:
        super().__init__()
        self._target = target
        self._trip: tuple[int, Callable[[], None]] | None = None
        self._fault: tuple[int, Fault] | None = None
        self.passed = 0
        self.tripped = False
        self.delay = 0.0
        """Seconds before each piece of at most 1,024 bytes is passed on."""

    def trip(self, after: int, callback: Callable[[], None]) -> None:
        """Call back, once, when `after` more bytes have passed."""
        self._trip = (self.passed + after, callback)

    def fault(self, after: int, kind: Fault) -> None:
        """Let it happen, once, when `after` more bytes have passed.

        `cut`: both sides lose the connection; `hold`: this way says nothing more; `garble`: a bit
        of the next piece is flipped.
        """
        self._fault = (self.passed + after, kind)
        self.tripped = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there, back = await asyncio.open_connection("127.0.0.1", self._target)

        def cut() -> None:
            writer.transport.abort()
            back.transport.abort()

        ways = [
            asyncio.create_task(self._pump(reader, back, cut)),
            asyncio.create_task(self._pump(there, writer, cut)),
        ]
        self._tasks.update(ways)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cut: Callable[[], None]
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                self.passed += len(data)
                self._call_back()
                kind = self._due()
                if kind == "cut":
                    return cut()
                if kind == "hold":
                    await asyncio.Event().wait()
                if kind == "garble":
                    data = bytes([*data[:-1], data[-1] ^ 1])
                await asyncio.sleep(self.delay)
                writer.write(data)
                await writer.drain()
        writer.close()
        return None

    def _call_back(self) -> None:
        if self._trip is not None and self.passed >= self._trip[0]:
            callback, self._trip = self._trip[1], None
            self.tripped = True
            callback()

    def _due(self) -> Fault | None:
        if self._fault is None or self.passed < self._fault[0]:
            return None
        kind, self._fault = self._fault[1], None
        self.tripped = True
        return kind
