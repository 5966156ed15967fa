"""Real peers: Postfix in front of us (LMTP and SMTP), Postfix as next hop, swaks."""

import asyncio
import shutil
import smtplib
import tempfile
from pathlib import Path

import pytest

from postroom import tcp_ports
from support import postfix
from support.deliveries import World, chunk, states
from support.postfix import Postfix, SmtpSink
from support.smtp_process import configure, stored
from support.waiting import eventually

NEEDS_POSTFIX = pytest.mark.skipif(bool(postfix.missing()), reason=postfix.missing() or "")
MAIL = "Message-ID: <%s@theirs.example>\r\nSubject: hi\r\n\r\n.hello\r\n"


@pytest.fixture
def open_path():
    """A directory that Postfix's own users may pass through, which pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="postroom-peers-") as name:
        yield Path(name)


def send(port: int, *recipients: str) -> None:
    """By Postfix, under the null sender: what it cannot deliver comes back to nobody."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.sendmail("", recipients, MAIL % recipients[0].partition("@")[0])


async def arrived(nats, number: int):
    async def there():
        found = await stored(nats)
        return found if len(found) >= number else None

    return await eventually(there, 30, what=f"{number} mails are stored")


@NEEDS_POSTFIX
@pytest.mark.parametrize("way", ["lmtp", "smtp"])
async def test_postfix_in_front_of_us(smtp, nats_server, open_path, way):
    """Its queue is empty in the end: known addresses are stored, the unknown one is refused."""
    await configure(nats_server)
    smtp.start(SMTP_LMTP_PORT=smtp.tls_port)
    await smtp.ready()
    port = smtp.tls_port if way == "lmtp" else smtp.port
    own = {
        "mydestination": "",
        "relay_domains": "ours.example",
        "relay_transport": f"{way}:inet:127.0.0.1:{port}" if way == "lmtp" else f"smtp:[127.0.0.1]:{port}",
        "smtpd_recipient_restrictions": "reject_unauth_destination",
    }  # fmt: skip
    with Postfix(open_path / "postfix", settings=own) as front:
        await asyncio.to_thread(
            send, front.port, "a@ours.example", "b@ours.example", "nobody@ours.example"
        )
        found = await arrived(nats_server, 2)
        await eventually(lambda: front.waiting() == 0, 30, what="Postfix has nothing left")
    assert {one.recipient for one, _ in found} == {"a@ours.example", "b@ours.example"}
    for envelope, mail in found:
        assert b"\r\nSubject: hi\r\n" in mail.data
        assert mail.data.endswith(b"\r\n\r\n.hello\r\n")
        assert envelope.sender == ""
        assert envelope.helo == "mx.ours.example"
    assert len({one.transaction for one, _ in found}) == 1
    assert (b"with LMTP id" in found[0][1].data) is (way == "lmtp")


@NEEDS_POSTFIX
async def test_postfix_as_the_next_hop(smtp, nats_server, open_path):
    """It takes every copy, and brings each to its recipient."""
    world = World(nats_server)
    with SmtpSink(open_path / "sink") as sink:
        sink.start(keeping=True)
        with Postfix(open_path / "postfix", sink=sink.port) as hop:
            smtp.start(RELAY=f"127.0.0.1:{hop.port}")
            await world.ask(chunk(*range(1, 21)))
            (report,) = await world.wait_for_reports(1)
            assert set(states(report).values()) == {"delivered"}
            assert report.results[0].reply.startswith("250 2.0.0 Ok: queued as ")
            await eventually(lambda: hop.waiting() == 0, 30, what="Postfix has nothing left")
            count, recipients = sink.taken()
    assert count == 20
    assert sorted(recipients or ()) == sorted(f"m{n}@theirs.example" for n in range(1, 21))


@pytest.mark.skipif(shutil.which("swaks") is None, reason="needs apt-get install swaks")
@pytest.mark.parametrize(
    ("settings", "options", "helo"),
    [
        ({"SMTP_LMTP_PORT": "PORT"}, ("--protocol", "LMTP"), "LHLO"),
        (
            {"SMTP_PROXIES": "127.0.0.0/8", "SMTP_ALLOW": "203.0.113.0/24"},
            (
                "--proxy-version", "1", "--proxy-family", "TCP4", "--proxy-source", "203.0.113.9",
                "--proxy-source-port", "4711", "--proxy-dest", "127.0.0.1", "--proxy-dest-port", "25",
            ),
            "EHLO",
        ),
    ],
)  # fmt: skip
async def test_swaks_speaks_lmtp_and_proxy(smtp, nats_server, settings, options, helo):
    await configure(nats_server)
    port = tcp_ports.choose(besides=(smtp.port, smtp.health_port))
    smtp.start(**{name: port if value == "PORT" else value for name, value in settings.items()})
    await smtp.ready()
    process = await asyncio.create_subprocess_exec(
        "swaks", "--server", "127.0.0.1", "--port", str(port if "--protocol" in options else smtp.port),
        *options, "--from", "x@theirs.example", "--to", "a@ours.example", "--helo", "peer.example",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    assert f"{helo} peer.example".encode() in said
    ((envelope, _),) = await stored(nats_server)
    assert envelope.client == ("127.0.0.1" if "--protocol" in options else "203.0.113.9")
