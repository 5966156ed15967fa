"""MTA-STS on real sockets: a web server with the policy, and mail servers with certificates."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP

from postroom_runtime.reach import parse_internal
from postroom_smtp.aiosmtplib_relay import Patience, Security
from postroom_smtp.handlers.securing import Securing
from postroom_smtp.httpx_policies import MOST_OCTETS, HttpxPolicies
from postroom_smtp.kept import Kept
from postroom_smtp.mx_relay import MxRelay
from postroom_smtp.ports import PolicyTroubleError
from support.certificates import write_pair
from support.names import KnownNames
from support.sink import Sink

HERE = parse_internal("127.0.0.0/8")
MAIL = b"From: a@ours.example\r\n\r\nhello\r\n"
PATIENCE = Patience(connect=5.0, command=5.0, data=5.0)
PLAIN = b"Content-Type: text/plain; charset=utf-8"


def policy(mode: str, *servers: str) -> bytes:
    lines = [
        "version: STSv1",
        f"mode: {mode}",
        "max_age: 86400",
        *(f"mx: {one}" for one in servers),
    ]
    return "\r\n".join(lines).encode()


class Authority:
    """Certificates of the test's own, and who believes in them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.believed = ssl.create_default_context()

    def server(self, name: str, *, believed: bool = True) -> ssl.SSLContext:
        folder = self._directory / f"{name}-{believed}"
        folder.mkdir(exist_ok=True)
        chain, key = write_pair(folder, name)
        if believed:
            self.believed.load_verify_locations(chain)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        return context


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def web(context: ssl.SSLContext, answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A web server that says one thing to everybody; its port and what it was asked."""
    asked: list[bytes] = []

    async def serve(reader, writer) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], asked
    finally:
        server.close()


def answer(body: bytes, status: bytes = b"200 OK", *fields: bytes) -> bytes:
    head = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *(fields or (PLAIN,))]
    return b"\r\n".join([*head, b"Connection: close", b"", body])


@asynccontextmanager
async def mail_server(
    context: ssl.SSLContext | None, port: int = 0
) -> AsyncIterator[tuple[int, list[bool]]]:
    """Takes mail on 127.0.0.3, under TLS where it has a certificate; whether it came so."""
    taken: list[bool] = []

    class Taking:
        async def handle_DATA(self, server, session, envelope) -> str:  # noqa: N802 - aiosmtpd calls it
            taken.append(session.ssl is not None)
            return "250 2.0.0 ok"

    loop = asyncio.get_running_loop()
    made = lambda: SMTP(Taking(), hostname="mx", tls_context=context)  # noqa: E731 - a factory
    server = await loop.create_server(made, "127.0.0.3", port)
    try:
        yield server.sockets[0].getsockname()[1], taken
    finally:
        server.close()


ZONE = {
    "_mta-sts.theirs.example": [("TXT", "v=STSv1; id=1")],
    "mta-sts.theirs.example": [("A", "127.0.0.1")],
    "theirs.example": [("MX", (10, "mx.theirs.example"))],
    "mx.theirs.example": [("A", "127.0.0.3")],
}


async def sent(authority: Authority, zone, web_port: int, mx_port: int):
    names = KnownNames(zone)
    policies = HttpxPolicies(names, HERE, port=web_port, context=authority.believed)
    relay = MxRelay(
        names, HERE, name="us.example", patience=PATIENCE, port=mx_port, kept=Kept(most=0),
        securing=Securing(names, policies.fetch),
    )  # fmt: skip
    hop = relay.hop("theirs.example")
    try:
        return await hop.send("a@ours.example", "b@theirs.example", MAIL)
    finally:
        await hop.close()


@pytest.fixture
def believing(authority, monkeypatch) -> None:
    """Verified means: by the test's authority."""
    usual = Security.context
    monkeypatch.setattr(
        Security, "context", lambda s: authority.believed if s.tls == "starttls" else usual(s)
    )


@pytest.mark.usefixtures("believing")
@pytest.mark.parametrize(
    ("mode", "pattern", "certificate", "taken", "words"),
    [
        ("enforce", "mx.theirs.example", "mx.theirs.example", [True], ""),
        ("enforce", "*.theirs.example", "mx.theirs.example", [True], ""),
        ("enforce", "mx.theirs.example", None, [], "mx.theirs.example (MTA-STS: enforce): no STARTTLS"),
        ("enforce", "mx.theirs.example", "other.example", [], "(MTA-STS: enforce): "),
        ("enforce", "mx.theirs.example", "unknown", [], "(MTA-STS: enforce): "),
        ("enforce", "mx2.theirs.example", "mx.theirs.example", [], "names none of its servers"),
        ("testing", "mx.theirs.example", None, [False], ""),
        ("testing", "mx.theirs.example", "unknown", [True], ""),
        ("testing", "mx2.theirs.example", None, [False], ""),
        ("none", "mx2.theirs.example", None, [False], ""),
    ],
)  # fmt: skip
async def test_what_a_policy_does(authority, mode, pattern, certificate, taken, words) -> None:
    theirs = certificate and authority.server(
        "mx.theirs.example" if certificate == "unknown" else certificate,
        believed=certificate != "unknown",
    )
    page = authority.server("mta-sts.theirs.example")
    async with web(page, answer(policy(mode, pattern))) as (web_port, asked):
        async with mail_server(theirs) as (mx_port, got):
            reply = await sent(authority, ZONE, web_port, mx_port)
    assert got == taken
    assert (reply.code // 100, reply.trouble) == ((2, "") if taken else (0, "unreachable"))
    assert words in reply.text
    (question,) = asked
    assert question.startswith(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\n")
    assert b"host: mta-sts.theirs.example\r\n" in question.lower()


@pytest.mark.usefixtures("believing")
async def test_only_named_servers_are_tried_and_the_next_after_one_without_tls(authority) -> None:
    zone = {
        **ZONE,
        "theirs.example": [
            ("MX", (n, f"{name}.theirs.example")) for n, name in enumerate(("evil", "plain", "mx"))
        ],
        "evil.theirs.example": [("A", "127.0.0.2")],
        "plain.theirs.example": [("A", "127.0.0.2")],
    }
    page = authority.server("mta-sts.theirs.example")
    text = policy("enforce", "plain.theirs.example", "mx.theirs.example")
    async with web(page, answer(text)) as (web_port, _), Sink(host="127.0.0.2") as plain:
        secure = authority.server("mx.theirs.example")
        async with mail_server(secure, plain.port) as (mx_port, got):
            assert (await sent(authority, zone, web_port, mx_port)).code == 250
        assert got == [True]
        assert (plain.sessions, plain.received) == (1, [])


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (answer(b"", b"301 Moved", b"Location: https://mta-sts.theirs.example/x", PLAIN), "answers 301"),
        (answer(b"", b"404 Not Found"), "answers 404"),
        (answer(b"<html>", b"200 OK", b"Content-Type: text/html"), "something else than plain text"),
        (answer(b"x" * (MOST_OCTETS + 1)), "too long"),
        (b"nonsense\r\n\r\n", "mta-sts.theirs.example: "),
    ],
)  # fmt: skip
async def test_answers_that_are_no_policy(authority, said, words) -> None:
    page = authority.server("mta-sts.theirs.example")
    async with web(page, said) as (port, asked):
        policies = HttpxPolicies(KnownNames(ZONE), HERE, port=port, context=authority.believed)
        with pytest.raises(PolicyTroubleError, match=words):
            await policies.fetch("theirs.example")
        assert len(asked) == 1


@pytest.mark.parametrize(
    ("name", "believed"), [("other.example", True), ("mta-sts.theirs.example", False)]
)
async def test_a_certificate_that_does_not_fit_is_not_believed(authority, name, believed) -> None:
    page = authority.server(name, believed=believed)
    async with web(page, answer(policy("enforce", "x.example"))) as (port, asked):
        policies = HttpxPolicies(KnownNames(ZONE), HERE, port=port, context=authority.believed)
        with pytest.raises(PolicyTroubleError, match="(?i)certificate"):
            await policies.fetch("theirs.example")
        assert asked == []


async def test_an_internal_address_is_not_connected_to(authority) -> None:
    page = authority.server("mta-sts.theirs.example")
    async with web(page, answer(policy("enforce", "x.example"))) as (port, asked):
        nothing = parse_internal("")
        policies = HttpxPolicies(KnownNames(ZONE), nothing, port=port, context=authority.believed)
        with pytest.raises(PolicyTroubleError, match="internal address"):
            await policies.fetch("theirs.example")
        assert asked == []


async def test_a_web_server_that_hangs_is_left(authority) -> None:
    async def hang(reader, _writer) -> None:
        await reader.read()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    policies = HttpxPolicies(KnownNames(ZONE), HERE, port=port, seconds=0.2)
    with pytest.raises(PolicyTroubleError, match="mta-sts.theirs.example: "):
        await policies.fetch("theirs.example")
    server.close()
