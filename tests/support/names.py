"""A DNS of a dictionary, and one on a socket of this machine."""

import asyncio
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


class NameServer(asyncio.DatagramProtocol):
    """Answers from texts like `example.org. 60 IN TXT "…"`; `silent`: not at all."""

    def __init__(self, *records: str) -> None:
        self.records = [dns.rrset.from_text(*_parts(one)) for one in records]
        self.asked: list[str] = []
        self.silent = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, peer: Any) -> None:
        question = dns.message.from_wire(data)
        (asked,) = question.question
        self.asked.append(asked.to_text())
        if self.silent:
            return
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        answer.answer = [
            one for one in self.records if one.name == asked.name and one.rdtype == asked.rdtype
        ]
        if not any(one.name == asked.name for one in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), peer)  # type: ignore[attr-defined]  # of datagrams

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
