"""Who sent a mail: the process, a broker, and a DNS on a socket."""

import time

import pytest

from postroom_smtp import dnspython_names
from postroom_smtp.dnspython_names import DnspythonNames
from postroom_smtp.ports import DnsTroubleError, NoSuchNameError
from postroom_smtp.signing import Signer, body_hash, make_key, read_key
from support.names import NameServer
from support.smtp import ADDRESSES
from support.smtp_process import configure, stored

TO = [ADDRESSES[0].encode()]
KEY = make_key("rsa")
HEADER = b"From: Anna <anna@theirs.example>\r\nMessage-ID: <1@theirs.example>\r\nSubject: x\r\n"
BODY = b"hello\r\n"
FORGED = b"Authentication-Results: mx.ours.example; dmarc=pass\r\n"


def _chunks(text: str) -> str:
    return " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))


def records() -> list[str]:
    return [
        'theirs.example. 300 TXT "v=spf1 ip4:127.0.0.1 -all"',
        'forged.example. 300 TXT "v=spf1 -all"',
        "forged.example. 300 A 192.0.2.1",
        f"s1._domainkey.theirs.example. 300 TXT {_chunks(KEY.record)}",
        '_dmarc.theirs.example. 300 TXT "v=DMARC1; p=reject"',
        "2.0.0.127.list.example. 300 A 127.0.0.2",
        "1.0.0.127.bad.example. 300 A 127.0.0.2",
    ]


def nameserver() -> NameServer:
    return NameServer(*records())


async def test_a_stored_mail_says_who_sent_it_and_a_forged_field_goes(smtp, nats_server) -> None:
    server = nameserver()
    async with server.listening() as (host, port):
        await configure(nats_server)
        smtp.start(SMTP_TRUSTED="none", SMTP_NAMESERVERS=f"{host}:{port}")
        await smtp.ready()
        signature = Signer("theirs.example", "s1", read_key(KEY.private)).signature(
            HEADER, body_hash(BODY), int(time.time())
        )
        raw = FORGED + signature + HEADER + b"\r\n" + BODY
        async with smtp.client() as client:
            await client.say(b"EHLO mail.theirs.example")
            assert (await client.mail(TO, raw, b"x@theirs.example")).startswith("250")
            assert (
                await client.mail(TO, HEADER + b"X: y\r\n\r\n", b"x@forged.example")
            ).startswith("250")
    good, bad = await stored(nats_server)
    found = good[0].authentication
    assert (found.spf, found.dmarc, found.policy) == ("pass", "pass", "reject")
    assert [one.result for one in found.dkim] == ["pass"]
    assert good[1].data.startswith(
        b"Authentication-Results: mx.ours.example;\r\n\tspf=pass smtp.mailfrom=x@theirs.example;\r\n"
    )
    assert good[1].data.endswith(signature + HEADER + b"\r\n" + BODY)
    assert FORGED not in good[1].data
    assert (bad[0].authentication.spf, bad[0].authentication.dmarc) == ("fail", "fail")


async def test_a_resolver_that_is_silent_delays_a_mail_five_seconds_at_most_and_the_next_not_at_all(
    smtp, nats_server
) -> None:
    server = nameserver()
    server.silent = True
    async with server.listening() as (host, port):
        await configure(nats_server)
        smtp.start(SMTP_TRUSTED="none", SMTP_NAMESERVERS=f"{host}:{port}")
        await smtp.ready()
        async with smtp.client() as client:
            await client.say(b"EHLO mail.theirs.example")
            for number, most in ((1, 5.0 + 1.0), (2, 5.0 + 1.0), (3, 2.5)):
                begin = time.monotonic()
                raw = HEADER.replace(b"<1@", b"<%d@" % number) + b"\r\n" + BODY
                assert (await client.mail(TO, raw, b"x@theirs.example")).startswith("250")
                assert time.monotonic() - begin < most
    for envelope, _ in await stored(nats_server):
        assert (envelope.authentication.spf, envelope.authentication.dmarc) == (
            "temperror",
            "temperror",
        )


async def test_mail_from_a_trusted_network_is_not_asked_about(smtp, nats_server) -> None:
    server = nameserver()
    async with server.listening() as (host, port):
        await configure(nats_server)
        smtp.start(SMTP_NAMESERVERS=f"{host}:{port}")
        await smtp.ready()
        async with smtp.client() as client:
            await client.say(b"EHLO x")
            assert (await client.mail(TO, FORGED + HEADER + b"\r\n" + BODY)).startswith("250")
    ((envelope, found),) = await stored(nats_server)
    assert envelope.authentication is None
    assert not server.asked
    assert b"uthentication-Results" not in found.data


async def test_who_is_on_a_list_is_turned_away(smtp, nats_server) -> None:
    server = nameserver()
    async with server.listening() as (host, port):
        await configure(nats_server)
        smtp.start(SMTP_DNSBL="bad.example", SMTP_NAMESERVERS=f"{host}:{port}")
        await smtp.ready()
        async with smtp.client() as client:
            assert client.greeting.startswith("554 5.7.1")
        smtp.stop()
        smtp.start(SMTP_DNSBL="list.example", SMTP_NAMESERVERS=f"{host}:{port}")
        await smtp.ready()
        async with smtp.client() as client:
            assert client.greeting.startswith("220")


async def test_answers_are_kept_and_troubles_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dnspython_names, "QUESTION_SECONDS", 0.2)
    server = nameserver()
    async with server.listening() as where:
        names = DnspythonNames([where])
        for _ in range(3):
            assert await names.txt("theirs.example") == (b"v=spf1 ip4:127.0.0.1 -all",)
        assert await names.addresses("theirs.example", 4) == ()
        for _ in range(2):
            with pytest.raises(NoSuchNameError):
                await names.txt("nobody.example")
        assert server.asked == [
            "theirs.example. IN TXT", "theirs.example. IN A", "nobody.example. IN TXT",
        ]  # fmt: skip
        server.silent = True
        for number in range(3):
            with pytest.raises(DnsTroubleError):
                await names.txt(f"other{number}.example")
        before = len(server.asked)
        begin = time.monotonic()
        with pytest.raises(DnsTroubleError, match="a moment ago"):
            await names.txt("more.example")
        assert time.monotonic() - begin < 1
        assert len(server.asked) == before


@pytest.mark.parametrize(
    "name", ["", ".", "a..b", "x" * 64 + ".example", "é\x00.example", "a" * 300]
)
async def test_what_is_no_name_is_none(name: str) -> None:
    server = nameserver()
    async with server.listening() as where:
        with pytest.raises((NoSuchNameError, DnsTroubleError)):
            await DnspythonNames([where]).txt(name)
