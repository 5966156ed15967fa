"""A mail server that says what a test wants, and remembers what it heard."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from support.listening import Listening

Talk = Callable[["Peer"], Awaitable[None]]


class Peer:
    """The client, as the script sees it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: list[bytes]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._heard = heard

    async def say(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def hear(self) -> bytes:
        """The next line without its end; ends the script when the client is gone."""
        line = await self._reader.readline()
        if not line:
            raise ConnectionResetError
        self._heard.append(line)
        return line.rstrip(b"\r\n")

    async def tagged(self, answer: bytes = b"OK done") -> bytes:
        """Hear one IMAP command and end it with `answer`; return its words behind the tag."""
        tag, _, rest = (await self.hear()).partition(b" ")
        await self.say(tag + b" " + answer + b"\r\n")
        return rest

    async def forever(self, data: bytes, pause: float = 0.0) -> None:
        while True:
            await self.say(data)
            await asyncio.sleep(pause)


class Hostile(Listening):
    """`async with Hostile(talk) as server`: it listens on `server.port`."""

    def __init__(self, talk: Talk) -> None:
        super().__init__()
        self._talk = talk
        self.heard: list[bytes] = []
        self.talking = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.talking += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
            await self._talk(Peer(reader, writer, self.heard))
        self.talking -= 1
        writer.close()


async def imap_until_selected(peer: Peer, exists: int = 1) -> None:
    """A well-behaved beginning."""
    await peer.say(b"* OK ready\r\n")
    for _ in range(3):  # CAPABILITY, LOGIN, CAPABILITY
        tag, _, rest = (await peer.hear()).partition(b" ")
        if rest == b"CAPABILITY":
            await peer.say(b"* CAPABILITY IMAP4rev1 UIDPLUS\r\n")
        await peer.say(tag + b" OK done\r\n")
    tag, _, _ = (await peer.hear()).partition(b" ")
    await peer.say(b"* %d EXISTS\r\n* OK [UIDVALIDITY 7] fine\r\n" % exists + tag + b" OK done\r\n")


async def pop3_until_signed_in(peer: Peer) -> None:
    """A well-behaved beginning."""
    await peer.say(b"+OK ready\r\n")
    for _ in range(2):
        await peer.hear()
        await peer.say(b"+OK\r\n")
