"""One HTTP GET to a health address on this machine, with a deadline and no library."""

import asyncio
from dataclasses import dataclass

LARGEST_ANSWER = 1 << 20
HTTP_OK = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """The status code and the body of an HTTP answer."""

    status: int
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the status is 200."""
        return self.status == HTTP_OK


async def get(host: str, port: int, path: str, *, seconds: float = 3.0) -> Answer | None:
    """The answer, or None when there was none that makes sense within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            return await _get(host, port, path)
    except (OSError, TimeoutError, ValueError, IndexError):
        return None  # refused, silent, or not HTTP: to the caller all the same


async def _get(host: str, port: int, path: str) -> Answer:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        # HTTP/1.0: the server closes after its answer, which is then neither kept nor chunked.
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode("ascii"))
        await writer.drain()
        raw = bytearray()
        while len(raw) < LARGEST_ANSWER and (block := await reader.read(65_536)):
            raw += block
    finally:
        writer.close()
    head, _, body = bytes(raw).partition(b"\r\n\r\n")
    return Answer(int(head.split(b" ", 2)[1]), body)
