"""An SMTP server that takes everything and remembers it, or refuses whom a test says."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from support.waiting import eventually

ADDRESS = re.compile(rb"<([^<>]*)>")


@dataclass(frozen=True, slots=True)
class Received:
    """One transaction that was answered 250."""

    mail_from: str
    rcpt_tos: tuple[str, ...]
    raw: bytes
    """As between DATA and the dot, dot-unstuffed, line ends as they came."""


@dataclass
class Sink:
    """Use as `async with Sink() as sink`; it listens on a free loopback port."""

    received: list[Received] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    """Recipient (lower case) → the reply line it gets at RCPT, e.g. `550 5.1.1 no such user`."""
    data_reply: str | None = None
    """When set, every DATA ends with this reply (4xx/5xx) and nothing is kept."""
    extensions: tuple[str, ...] = ("8BITMIME", "SMTPUTF8", "PIPELINING", "ENHANCEDSTATUSCODES")
    refused: list[tuple[str, str]] = field(default_factory=list)
    """Every (recipient, reply) that was refused."""
    port: int = 0
    host: str = "127.0.0.1"
    sessions: int = 0
    open: set[asyncio.StreamWriter] = field(default_factory=set)
    on_received: Callable[[], None] = lambda: None
    """Called when a mail is kept, before its 250."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._session, self.host, self.port, limit=64 * 1024 * 1024
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for writer in list(self.open):
            writer.close()

    @property
    def relay(self) -> str:
        """What POSTROOM_RELAY is set to."""
        return f"{self.host}:{self.port}"

    def refuse(self, recipient: str, reply: str = "550 5.1.1 no such user") -> None:
        self.refusals[recipient.lower()] = reply

    def accept(self, recipient: str) -> None:
        self.refusals.pop(recipient.lower(), None)

    def to(self, recipient: str) -> list[Received]:
        """The mails that one recipient got."""
        return [m for m in self.received if recipient.lower() in map(str.lower, m.rcpt_tos)]

    async def wait_for(self, number: int, deadline: float = 20.0) -> list[Received]:
        """All received mails, as soon as there are `number` of them."""
        await eventually(
            lambda: len(self.received) >= number, deadline, what=f"{number} mails in the sink"
        )
        return list(self.received)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sessions += 1
        self.open.add(writer)
        try:
            await _Conversation(self, reader, writer).run()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client left: its business
        finally:
            self.open.discard(writer)
            writer.close()


class _Conversation:
    def __init__(
        self, sink: Sink, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.sink, self.reader, self.writer = sink, reader, writer
        self.mail_from = ""
        self.rcpt_tos: list[str] = []

    async def run(self) -> None:
        await self.say("220 sink ESMTP")
        while line := await self.reader.readline():
            verb = line.strip().split(b" ")[0].split(b":")[0].upper()
            if verb == b"QUIT":
                await self.say("221 2.0.0 bye")
                return
            await self.answer(verb, line.strip())

    async def answer(self, verb: bytes, line: bytes) -> None:
        if verb == b"EHLO":
            names = ["sink", *self.sink.extensions]
            text = [f"250-{n}" for n in names[:-1]] + [f"250 {names[-1]}"]
            await self.say("\r\n".join(text))
        elif verb == b"MAIL":
            self.mail_from, self.rcpt_tos = _address(line), []
            await self.say("250 2.1.0 ok")
        elif verb == b"RCPT":
            await self.recipient(_address(line))
        elif verb == b"DATA":
            await self.data()
        elif verb == b"RSET":
            self.mail_from, self.rcpt_tos = "", []
            await self.say("250 2.0.0 ok")
        elif verb in {b"HELO", b"NOOP"}:
            await self.say("250 ok")
        else:
            await self.say("500 5.5.2 what?")

    async def recipient(self, address: str) -> None:
        if reply := self.sink.refusals.get(address.lower()):
            self.sink.refused.append((address, reply))
            await self.say(reply)
            return
        self.rcpt_tos.append(address)
        await self.say("250 2.1.5 ok")

    async def data(self) -> None:
        if not self.rcpt_tos:
            await self.say("503 5.5.1 no recipients")
            return
        await self.say("354 go on")
        raw = await self.read_mail()
        if self.sink.data_reply:
            await self.say(self.sink.data_reply)
        else:
            self.sink.received.append(Received(self.mail_from, tuple(self.rcpt_tos), raw))
            self.sink.on_received()
            await self.say("250 2.0.0 kept")
        self.mail_from, self.rcpt_tos = "", []

    async def read_mail(self) -> bytes:
        """Up to CRLF.CRLF and nothing else (RFC 5321 §4.1.1.4); the last CRLF belongs to the mail."""
        lines: list[bytes] = []
        while (line := await self.reader.readuntil(b"\r\n")) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    async def say(self, text: str) -> None:
        self.writer.write(text.encode() + b"\r\n")
        await self.writer.drain()


def _address(line: bytes) -> str:
    found = ADDRESS.search(line)
    return found.group(1).decode("utf-8", "surrogateescape") if found else ""
