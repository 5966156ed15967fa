"""Where mail goes: the recipients' own servers, found in a DNS; and smarthosts with TLS and a password."""

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from postroom.probe import get
from postroom_contract import subjects
from postroom_contract.codec import encode
from postroom_contract.commands import DeliverChunk, OutboxMail, Recipient, Template, subject_of
from postroom_runtime.messages import Publication
from postroom_runtime.reach import parse_internal
from postroom_smtp.aiosmtplib_relay import Patience, Security, SmtpRelay
from postroom_smtp.handlers.delivering import SLOTS
from postroom_smtp.mx_relay import MxRelay
from support.buses import connected
from support.certificates import believing, write_pair
from support.corpora import soaking
from support.names import TIMEOUT, KnownNames, NameServer
from support.sink import Sink
from support.smtp_process import configure
from support.waiting import eventually

MAIL = b"From: a@ours.example\r\n\r\nhello\r\n"
PATIENCE = Patience(connect=2.0, command=2.0, data=2.0)
HERE = parse_internal("127.0.0.0/8")


def relay(zone, port: int, internal=HERE) -> MxRelay:
    return MxRelay(KnownNames(zone), internal, name="us.example", patience=PATIENCE, port=port)


def smarthost(port: int, **security) -> SmtpRelay:
    # By its name, which the certificate bears; aiosmtpd answers a wrong password late.
    patience = Patience(connect=20.0, command=20.0, data=20.0)
    return SmtpRelay(
        "localhost", port, name="us.example", patience=patience, security=Security(**security)
    )


async def sent(relay: MxRelay | SmtpRelay, domain: str = "theirs.example"):
    hop = relay.hop(domain)
    try:
        return await hop.send("a@ours.example", f"b@{domain}", MAIL)
    finally:
        await hop.close()


async def test_the_best_server_that_can_be_reached_gets_it() -> None:
    async with Sink() as sink:
        servers = [(10, "one.example"), (20, "two.example"), (5, "no.example")]
        zone = {
            "theirs.example": [("MX", one) for one in servers],
            "one.example": [("A", "127.0.0.9")],  # nobody listens there
            "two.example": [("A", sink.host)],
        }
        assert (await sent(relay(zone, sink.port))).code == 250
        assert sink.received[0].rcpt_tos == ("b@theirs.example",)
        # Without an MX, the domain itself (RFC 5321 §5.1).
        assert (await sent(relay({"theirs.example": [("A", sink.host)]}, sink.port))).code == 250


@pytest.mark.parametrize(
    ("zone", "code", "trouble", "words"),
    [
        ({}, 550, "", "no such domain"),
        ({"theirs.example": [("MX", (0, ""))]}, 556, "", "takes no mail"),
        ({"theirs.example": [("TXT", "x")]}, 550, "", "no mail server"),
        ({"theirs.example": [("MX", (0, "gone.example"))]}, 550, "", "no mail server"),
        ({"theirs.example": TIMEOUT}, 0, "unreachable", "DNS does not say who"),
        ({"theirs.example": [("MX", (0, "m.example"))], "m.example": TIMEOUT}, 0, "unreachable", "where m.example is"),
        ({"theirs.example": [("A", "127.0.0.1")]}, 0, "unreachable", "internal address"),
        ({"theirs.example": [("A", "169.254.169.254")]}, 0, "unreachable", "internal address"),
        ({"theirs.example": [("MX", (0, "localhost"))], "localhost": [("A", "127.0.0.1")]}, 0, "unreachable", "internal"),
    ],
)  # fmt: skip
async def test_why_there_is_no_way(zone, code: int, trouble: str, words: str) -> None:
    reply = await sent(relay(zone, 9, parse_internal("")))
    assert (reply.code, reply.trouble) == (code, trouble)
    assert words in reply.text


class Taking:
    """aiosmtpd's handler: keeps whether mail came under TLS, and who signed in."""

    def __init__(self) -> None:
        self.mails: list[tuple[bool, str]] = []

    async def handle_DATA(self, server, session, envelope) -> str:  # noqa: N802 - aiosmtpd calls it
        self.mails.append((session.ssl is not None, str(session.auth_data or "")))
        return "250 2.0.0 ok"


@asynccontextmanager
async def taking(pair, **options) -> AsyncIterator[tuple[int, Taking]]:
    """A smarthost with a certificate; `anna` signs in with `open sesame`."""
    handler = Taking()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)

    def check(server, session, envelope, mechanism, data) -> AuthResult:
        good = (data.login, data.password) == (b"anna", b"open sesame")
        return AuthResult(success=good, handled=good, auth_data="anna" if good else None)

    def made() -> SMTP:
        return SMTP(
            handler, hostname="relay.example", tls_context=context, authenticator=check, **options
        )

    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], handler
    finally:
        server.close()


@pytest.fixture
def pair(tmp_path):
    return write_pair(tmp_path, "localhost")


async def test_tls_where_it_is_offered_and_not_where_it_cannot_be_believed(pair) -> None:
    async with taking(pair) as (port, handler):
        assert (await sent(smarthost(port))).code == 250
        reply = await sent(smarthost(port, tls="starttls"))
        assert reply.trouble == "unreachable"
        assert "certificate" in reply.text.lower()
        assert (await sent(smarthost(port, tls="none"))).code == 250
    assert [secured for secured, _ in handler.mails] == [True, False]


async def test_starttls_that_is_not_offered_is_not_done_without() -> None:
    async with Sink() as sink:
        reply = await sent(smarthost(sink.port, tls="starttls"))
        assert reply.trouble == "unreachable"
        assert "no STARTTLS is offered" in reply.text
        assert sink.received == []


async def test_we_sign_in_and_a_wrong_password_puts_mail_off(pair, monkeypatch) -> None:
    monkeypatch.setattr(Security, "context", lambda _: believing(pair[0]))
    async with taking(pair, auth_required=True, auth_require_tls=True) as (port, handler):
        good = smarthost(port, tls="starttls", login="anna", password="open sesame")
        assert (await sent(good)).code == 250
        wrong = await sent(smarthost(port, tls="starttls", login="anna", password="wrong"))
        assert (wrong.code, wrong.trouble) == (535, "unreachable"), wrong
    assert handler.mails == [(True, "anna")]


def command(number: int, domain: str) -> DeliverChunk:
    person = Recipient(
        serial=number, address=f"m{number}@{domain}", sender="g@ours.example", places={}
    )
    return DeliverChunk(
        id=f"cmd_{number}", account="acc_one", correlation="msg_1", causation="evt_1",
        chunk=f"chk_{number}", scope="frm_1", origin="pst_1", outbox="out_1", domain=domain,
        attempt=1, recipients=(person,),
    )  # fmt: skip


async def ask(nats, commands) -> None:
    mail = OutboxMail(
        id="out_1", account="acc_one", scope="frm_1", origin="pst_1", message_id="1@ours.example",
        subject="Roses", template=Template((MAIL,), ()),
    )  # fmt: skip
    async with connected(nats, "forum-bridge") as bus:
        await bus.publish(Publication(subjects.outbox("acc_one", "out_1"), encode(mail), None))
        for begin in range(0, len(commands), 100):
            some = commands[begin : begin + 100]
            await asyncio.gather(
                *(bus.publish(Publication(subject_of(one), encode(one), one.id)) for one in some)
            )


async def test_a_destination_that_hangs_holds_its_own_slots_and_nothing_else(
    smtp, nats_server
) -> None:
    """In `make soak NAME=smtp-slots` 5,000 mails to the one that hangs, then 100 to a good one."""
    stuck, good = (5_000, 100) if soaking("smtp-slots") else (300, 20)
    held: list[asyncio.StreamWriter] = []

    async def hang(_reader, writer) -> None:
        held.append(writer)

    names = NameServer("hangs.example. 300 A 127.0.0.2", "good.example. 300 A 127.0.0.3")
    async with Sink(host="127.0.0.3") as sink, names.listening() as (host, port):
        server = await asyncio.start_server(hang, "127.0.0.2", sink.port)
        await configure(nats_server)
        smtp.start(
            RELAY="mx", RELAY_MX_PORT=sink.port, SMTP_NAMESERVERS=f"{host}:{port}",
            INTERNAL_HOSTS="127.0.0.0/8", RELAY_CONNECT_SECONDS=600,
        )  # fmt: skip
        await smtp.ready()
        await ask(nats_server, [command(n, "hangs.example") for n in range(stuck)])
        await eventually(lambda: len(held) == SLOTS, what="all slots of the one are taken")
        began = time.monotonic()
        await ask(nats_server, [command(stuck + n, "good.example") for n in range(good)])
        await eventually(lambda: len(sink.received) == good, 60, what="the good one has its mail")
        took = time.monotonic() - began
        print(f"{good} behind {stuck} that hang: out in {took:.1f} s")
        assert took < 10 * (1 if soaking("smtp-slots") else 3)
        assert len(held) == SLOTS
        smtp.kill9()
        for writer in held:
            writer.close()
        server.close()


class Slow(Sink):
    """Holds its first conversation back until told."""

    async def __aenter__(self) -> Self:
        self.go = asyncio.Event()
        return await super().__aenter__()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.go.wait()
        await super()._session(reader, writer)


async def test_what_was_parked_is_delivered_once(smtp, nats_server) -> None:
    names = NameServer("good.example. 300 A 127.0.0.3")
    async with Slow(host="127.0.0.3") as sink, names.listening() as (host, port):
        await configure(nats_server)
        smtp.start(
            RELAY="mx", RELAY_MX_PORT=sink.port, SMTP_NAMESERVERS=f"{host}:{port}",
            INTERNAL_HOSTS="127.0.0.0/8", SMTP_DESTINATION_SLOTS=1, TIME_SCALE="0.1",
        )  # fmt: skip
        await smtp.ready()
        await ask(nats_server, [command(n, "good.example") for n in range(30)])

        async def parked() -> bool:
            answer = await get("127.0.0.1", smtp.health_port, "/metrics")
            assert answer is not None
            found = re.search(r'sent_total\{state="parked"\} ([0-9.]+)', answer.body.decode())
            return found is not None and float(found[1]) >= 29

        await eventually(parked, what="all but one are parked")
        assert sink.received == []
        sink.go.set()
        await eventually(lambda: len(sink.received) == 30, 60, what="all are delivered")
        assert len({one.rcpt_tos for one in sink.received}) == 30


async def test_a_quick_destination_parks_nothing(smtp, nats_server) -> None:
    names = NameServer("good.example. 300 A 127.0.0.3")
    async with Sink(host="127.0.0.3") as sink, names.listening() as (host, port):
        await configure(nats_server)
        smtp.start(
            RELAY="mx", RELAY_MX_PORT=sink.port, SMTP_NAMESERVERS=f"{host}:{port}",
            INTERNAL_HOSTS="127.0.0.0/8", SMTP_DELIVERIES=20, SMTP_DESTINATION_SLOTS=10,
        )  # fmt: skip
        await smtp.ready()
        await ask(nats_server, [command(n, "good.example") for n in range(100)])
        await eventually(lambda: len(sink.received) == 100, 60, what="all are delivered")
        answer = await get("127.0.0.1", smtp.health_port, "/metrics")
        assert answer is not None
        assert 'state="parked"' not in answer.body.decode()
