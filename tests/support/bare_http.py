"""An HTTP/1.1 client that costs next to nothing: for walks of ten thousand requests.

It knows what our own server sends: Content-Length or chunks, connections that stay open. For
everything else there is httpx.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import quote, urlsplit

LIMIT = 16 * 1024 * 1024


class BareHttp:
    """One connection, one request at a time; opened anew where the server closed it."""

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(base_url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        lines = {"Host": parts.netloc, "Accept": "*/*", **headers}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def ask(self, method: str, url: str, body: Any = None) -> tuple[int, str]:
        """The status and the text; of an event stream that opens, only that it does."""
        sent = b"" if body is None else json.dumps(body).encode()
        kind = "Content-Type: application/json\r\n" if body is not None else ""
        length = f"Content-Length: {len(sent)}\r\n" if method != "GET" else ""
        target = quote(url, safe="/?=&%:,~!$'()*+;@")
        head = f"{method} {target} HTTP/1.1\r\n{self._head}{kind}{length}\r\n".encode()
        fresh = self._streams is None
        try:
            return await self._exchange(head + sent)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.close()
            if fresh:
                raise
            return await self._exchange(head + sent)  # it had been closed as idle

    async def _exchange(self, request: bytes) -> tuple[int, str]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=LIMIT)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ", 2)[1])
        fields = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:])
        }
        if status < 300 and fields.get("content-type", "").startswith("text/event-stream"):
            self.close()
            return status, ""
        if fields.get("transfer-encoding") == "chunked":
            content = b"".join([chunk async for chunk in _chunks(reader)])
        else:
            content = await reader.readexactly(int(fields.get("content-length", 0)))
        if fields.get("connection") == "close":
            self.close()
        return status, content.decode(errors="replace")


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")


@asynccontextmanager
async def many(
    base_url: str, headers: Mapping[str, str], number: int
) -> AsyncIterator[list[BareHttp]]:
    """So many connections, closed at the end."""
    made = [BareHttp(base_url, headers) for _ in range(number)]
    try:
        yield made
    finally:
        for one in made:
            one.close()
