"""Finding the server of an address: the catalogue, DNS that answers, lies or is silent, a guess."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import dns.flags
import dns.message
import dns.rrset
import pytest

from postroom_api.dnspython_resolver import DnspythonResolver
from postroom_api.domain.discovery import SrvRecord
from postroom_api.http import discovering
from postroom_api.http.discovering import Discovering
from postroom_api.http.problems import ProblemError


class Known:
    """DNS of a dictionary: name → (priority, weight, port, target)."""

    def __init__(self, **records: Sequence[tuple[int, int, int, str]]) -> None:
        self.records = {f"_{name}._tcp.example.com": found for name, found in records.items()}
        self.asked: list[str] = []

    async def srv(self, name: str, seconds: float) -> list[SrvRecord]:
        self.asked.append(name)
        return [SrvRecord(*one) for one in self.records.get(name, ())]


class Silent:
    """DNS that never answers."""

    async def srv(self, name: str, seconds: float) -> list[SrvRecord]:
        await asyncio.Event().wait()
        return []


async def permit(desks: Any, name: str) -> None:
    for one in await desks.catalogue.services(desks.admin):
        if one.name == name:
            await desks.catalogue.permit(desks.admin, one.id)


async def test_a_permitted_service_is_known_by_its_domain_without_dns(desks, somebody) -> None:
    anna, records = await somebody("anna"), Known()
    await permit(desks, "GMX")
    found = await Discovering(desks.catalogue, records).discover(anna, "Anna@GMX.de")
    assert (found.found, found.service.name, found.host) == ("service", "GMX", "imap.gmx.net")
    assert records.asked == []
    other = await Discovering(desks.catalogue, records).discover(anna, "anna@web.de")
    assert (other.found, other.service) == ("guess", None), "WEB.DE is not permitted"


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (
            {"imaps": [(20, 0, 993, "b.example.com."), (10, 0, 1993, "A.example.com.")]},
            ("srv", "imap", "a.example.com", 1993, "implicit", False),
        ),
        (
            {"imaps": [(0, 0, 0, ".")], "imap": [(0, 1, 143, "mail.example.com.")]},
            ("srv", "imap", "mail.example.com", 143, "starttls", False),
        ),
        (
            {"pop3s": [(0, 1, 995, "pop.hoster.example.")]},
            ("srv", "pop3", "pop.hoster.example", 995, "implicit", True),
        ),
        (
            {"imaps": [(0, 0, 993, "badexample.com.")]},
            ("srv", "imap", "badexample.com", 993, "implicit", True),
        ),
        ({}, ("guess", "imap", "imap.example.com", 993, "implicit", False)),
    ],
)
async def test_dns_is_asked_for_the_rest(desks, records: Any, expected: tuple[Any, ...]) -> None:
    await permit(desks, "Other")
    found = await Discovering(desks.catalogue, Known(**records)).discover(
        desks.admin, "a@example.com"
    )
    assert (
        found.found, found.type, found.host, found.port, found.tls, found.elsewhere,
    ) == expected  # fmt: skip
    assert (found.service is not None) == (found.type == "imap")
    assert found.login == "a@example.com"


async def test_silence_ends_in_time_with_a_guess(desks, monkeypatch) -> None:
    monkeypatch.setattr(discovering, "SECONDS", 0.2)
    found = await Discovering(desks.catalogue, Silent()).discover(desks.admin, "a@example.com")
    assert (found.found, found.host) == ("guess", "imap.example.com")


async def test_what_is_no_address_is_refused(desks) -> None:
    for text in ("anna", "anna@", "a@b@c.example", "a@[127.0.0.1]"):
        with pytest.raises(ProblemError):
            await Discovering(desks.catalogue, Known()).discover(desks.admin, text)


class _Zone(asyncio.DatagramProtocol):
    def __init__(self, *, silent: bool) -> None:
        self._silent = silent

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self._silent:
            return
        question = dns.message.from_wire(data)
        answer = dns.message.make_response(question)
        name = question.question[0].name
        if name.to_text().startswith("_imaps."):
            answer.answer.append(
                dns.rrset.from_text(name, 60, "IN", "SRV", "5 1 993 mail.example.com.")
            )
        self.transport.sendto(answer.to_wire(), addr)


@asynccontextmanager
async def zone(*, silent: bool) -> AsyncIterator[int]:
    """A name server on loopback; its port."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Zone(silent=silent), sock=made
    )
    try:
        yield made.getsockname()[1]
    finally:
        transport.close()


async def test_a_real_resolver_asks_and_gives_up_in_time() -> None:
    async with zone(silent=False) as port:
        resolver = DnspythonResolver(["127.0.0.1"], port)
        assert await resolver.srv("_imaps._tcp.example.com", 2) == [
            SrvRecord(5, 1, 993, "mail.example.com.")
        ]
        assert await resolver.srv("_imap._tcp.example.com", 2) == []
    async with zone(silent=True) as port:
        begun = time.monotonic()
        assert await DnspythonResolver(["127.0.0.1"], port).srv("_imaps._tcp.x.example", 0.3) == []
        assert time.monotonic() - begun < 2
