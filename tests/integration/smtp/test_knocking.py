"""A look at real SMTP servers: with a certificate, with a wrong one, without, silent, and none."""

import ssl
from contextlib import contextmanager

import pytest
from aiosmtpd.controller import Controller

from postroom import tcp_ports
from postroom_runtime.reach import parse_internal
from postroom_smtp.aiosmtplib_knocking import SmtpKnocking
from support.certificates import believing, write_pair
from support.listening import Listening

HERE = "127.0.0.1"
LOOPBACK = parse_internal("127.0.0.0/8")


@contextmanager
def server(context: ssl.SSLContext | None = None):
    port = tcp_ports.choose()
    running = Controller(object(), hostname=HERE, port=port, tls_context=context)
    running.start()
    try:
        yield port
    finally:
        running.stop()


class Silent(Listening):
    """Takes connections and says nothing."""

    async def _serve(self, reader, writer) -> None:
        await reader.read()


def knocking(port: int, **more) -> SmtpKnocking:
    return SmtpKnocking(LOOPBACK, name="mx.ours.example", port=port, **more)


async def test_what_its_certificate_is_worth(tmp_path) -> None:
    chain, key = write_pair(tmp_path, "mx.theirs.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    with server(context) as port:
        ours = knocking(port, believes=believing(chain))
        found = await ours.knock("mx.theirs.example", [HERE])
        assert (found.tls, found.why, found.shut) == ("verified", "", "")
        assert "SMTP" in found.greeting
        other = await ours.knock("mail.theirs.example", [HERE])
        assert other.tls == "offered"
        assert "mismatch" in other.why
        assert (await knocking(port).knock("mx.theirs.example", [HERE])).tls == "offered"


async def test_without_tls_and_without_a_server() -> None:
    with server() as port:
        found = await knocking(port).knock("mx.theirs.example", ["127.0.0.9", HERE])
        assert (found.tls, found.shut) == ("", "")
    found = await knocking(tcp_ports.choose()).knock("mx.theirs.example", [HERE])
    assert found.shut
    assert found.looked


async def test_one_that_says_nothing_is_left_in_time() -> None:
    async with Silent() as silent:
        found = await knocking(silent.port, seconds=0.5).knock("mx.theirs.example", [HERE])
    assert found.shut == "no answer in time"


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["203.0.113.1", "10.0.0.1"], []])
async def test_what_is_internal_is_not_looked_at(addresses) -> None:
    careful = SmtpKnocking(parse_internal(""), name="mx.ours.example", port=9)
    found = await careful.knock("mx.theirs.example", addresses)
    assert (bool(found.shut), found.looked) == (True, False)
