"""A DNS of a dictionary, and one on a socket of this machine."""

import asyncio
import socketserver
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from postroom_smtp.ports import DnsTroubleError, NoSuchNameError

TIMEOUT = "TIMEOUT"


class KnownNames:
    """Port Names. Zone: name to a list of (kind, value), or TIMEOUT for all or for one kind."""

    def __init__(self, zone: Mapping[str, Any]) -> None:
        self.zone = {name.lower().rstrip("."): found for name, found in zone.items()}
        self.asked: list[tuple[str, str]] = []

    async def _ask(self, name: str, kind: str) -> list[Any]:
        name = name.lower().rstrip(".")
        self.asked.append((name, kind))
        for _ in range(10):
            found = self.zone.get(name)
            if found is None:
                raise NoSuchNameError(name)
            if found == TIMEOUT or (kind, TIMEOUT) in found or TIMEOUT in found:
                matching = [] if found == TIMEOUT else [v for k, v in _pairs(found) if k == kind]
                if not matching or TIMEOUT in matching:
                    raise DnsTroubleError(name)
                return matching
            aliases = [v for k, v in _pairs(found) if k == "CNAME"]
            if not aliases or kind == "CNAME":
                return [v for k, v in _pairs(found) if k == kind]
            name = aliases[0].lower().rstrip(".")
        raise DnsTroubleError(f"{name}: a loop of aliases")

    async def txt(self, name: str) -> tuple[bytes, ...]:
        return tuple(
            ("".join(one) if isinstance(one, list) else one).encode("utf-8", "surrogateescape")
            for one in await self._ask(name, "TXT")
        )

    async def addresses(self, name: str, family: int) -> tuple[str, ...]:
        return tuple(await self._ask(name, "A" if family == 4 else "AAAA"))

    async def mx(self, name: str) -> tuple[tuple[int, str], ...]:
        return tuple((int(p), str(host).rstrip(".")) for p, host in await self._ask(name, "MX"))

    async def ptr(self, name: str) -> tuple[str, ...]:
        return tuple(str(one).rstrip(".") for one in await self._ask(name, "PTR"))


def _pairs(found: Sequence[Any]) -> list[tuple[str, Any]]:
    return [one for one in found if isinstance(one, tuple)]


def answer_to(data: bytes, records: Sequence[dns.rrset.RRset]) -> bytes:
    """The answer to a question, from these records."""
    question = dns.message.from_wire(data)
    (asked,) = question.question
    answer = dns.message.make_response(question)
    answer.flags |= dns.flags.RA
    answer.answer = [
        one for one in records if one.name == asked.name and one.rdtype == asked.rdtype
    ]
    if not any(one.name == asked.name for one in records):
        answer.set_rcode(dns.rcode.NXDOMAIN)
    return answer.to_wire()


class NameServer(asyncio.DatagramProtocol):
    """Answers from texts like `example.org. 60 IN TXT "…"`; `silent`: not at all."""

    def __init__(self, *records: str) -> None:
        self.records = [dns.rrset.from_text(*_parts(one)) for one in records]
        self.asked: list[str] = []
        self.silent = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, peer: Any) -> None:
        self.asked.append(dns.message.from_wire(data).question[0].to_text())
        if not self.silent:
            self.transport.sendto(answer_to(data, self.records), peer)  # type: ignore[attr-defined]  # of datagrams

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[tuple[str, int]]:
        """Give host and port while it listens."""
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, ("127.0.0.1", 0)
        )
        try:
            yield transport.get_extra_info("sockname")[:2]
        finally:
            transport.close()


def _parts(text: str) -> tuple[str, int, str, str, str]:
    name, ttl, kind, value = text.split(" ", 3)
    return name, int(ttl), "IN", kind, value


class LocalNames:
    """The same in a thread of its own, for a system that runs; knows nothing until told."""

    def __init__(self) -> None:
        served = self
        self.records: list[dns.rrset.RRset] = []

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data, socket = self.request
                socket.sendto(answer_to(data, served.records), self.client_address)

        self._server = socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def where(self) -> str:
        host, port = self._server.server_address[:2]
        return f"{host}:{port}"

    def publish(self, *records: str) -> None:
        """Know these from now on, in place of others of their names and kinds."""
        for text in records:
            new = dns.rrset.from_text(*_parts(text))
            self.records = [
                one for one in self.records if (one.name, one.rdtype) != (new.name, new.rdtype)
            ] + [new]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
