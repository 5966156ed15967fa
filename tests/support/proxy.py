"""A TCP proxy that calls back when so many bytes have passed, both ways together."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Self

CHUNK = 1_024


class Proxy:
    """`async with Proxy(port) as proxy`: connect to `proxy.port`."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._trip: tuple[int, Callable[[], None]] | None = None
        self.passed = 0
        self.tripped = False
        self.connections = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def trip(self, after: int, callback: Callable[[], None]) -> None:
        """Call back, once, when `after` more bytes have passed."""
        self._trip = (self.passed + after, callback)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        ways = [
            asyncio.create_task(self._pump(reader, back)),
            asyncio.create_task(self._pump(there, writer)),
        ]
        self._tasks.update(ways)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                self.passed += len(data)
                if self._trip is not None and self.passed >= self._trip[0]:
                    callback, self._trip = self._trip[1], None
                    self.tripped = True
                    callback()
                writer.write(data)
                await writer.drain()
        writer.close()
