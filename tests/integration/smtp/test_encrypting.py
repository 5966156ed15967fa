"""STARTTLS, implicit TLS and AUTH of the real process, with real clients."""

import asyncio
import hashlib
import shutil
import smtplib
import ssl
import subprocess

import pytest

from postroom_contract import subjects
from postroom_contract.codec import encode
from postroom_contract.documents import SubmissionDocument, submission_key
from postroom_runtime.messages import Publication
from support.buses import connected
from support.certificates import believing, write_pair
from support.smtp_process import configure, stored
from support.waiting import eventually

ANNA, PASSWORD = "anna@theirs.example", "prs_" + "y" * 43
MAIL = b"Message-ID: <1@x>\r\nSubject: hi\r\n\r\nhello\r\n"


async def submit(nats, login=ANNA, *hashes):
    document = SubmissionDocument(login=login, account="acc_one", version=1, hashes=hashes)
    async with connected(nats, "api") as bus:
        where = subjects.config(submission_key(login))
        await bus.publish(Publication(where, encode(document), None))


@pytest.fixture
async def pair(tmp_path):
    return write_pair(tmp_path, "localhost")


@pytest.fixture
async def encrypting(smtp, nats_server, pair):
    await configure(nats_server)
    await submit(nats_server, ANNA, hashlib.sha256(PASSWORD.encode()).hexdigest())
    smtp.start(
        SMTP_TLS_CERTIFICATE=pair[0], SMTP_TLS_KEY=pair[1], SMTP_TLS_PORT=smtp.tls_port,
        SMTP_IDLE_SECONDS=5,
    )  # fmt: skip
    await smtp.ready()
    return smtp


@pytest.mark.parametrize("way", ["starttls", "implicit"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_a_client_signs_in_and_the_mail_says_who_it_was(
    encrypting, nats_server, pair, way, mechanism
):
    def send():
        context = believing(pair[0])
        if way == "implicit":
            client = smtplib.SMTP_SSL("localhost", encrypting.tls_port, timeout=15, context=context)
        else:
            client = smtplib.SMTP("localhost", encrypting.port, timeout=15)
            client.starttls(context=context)
        with client:
            client.ehlo()
            client.user, client.password = ANNA, PASSWORD
            client.auth(mechanism, getattr(client, f"auth_{mechanism.lower()}"))
            client.sendmail(ANNA, ["a@ours.example"], MAIL)

    await asyncio.to_thread(send)
    ((envelope, found),) = await stored(nats_server)
    assert (envelope.submitter, envelope.sender, envelope.tls) == (ANNA, ANNA, "TLSv1.3")
    assert b" with ESMTPSA id " in found.data
    assert PASSWORD not in encrypting.process.log


async def test_a_mail_server_needs_no_password_and_may_encrypt(encrypting, nats_server, pair):
    def send():
        with smtplib.SMTP("localhost", encrypting.port, timeout=15) as client:
            client.starttls(context=believing(pair[0]))
            client.sendmail("x@theirs.example", ["a@ours.example"], MAIL)
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login(ANNA, "wrong")

    await asyncio.to_thread(send)
    ((envelope, found),) = await stored(nats_server)
    assert (envelope.submitter, envelope.tls) == ("", "TLSv1.3")
    assert b" with ESMTPS id " in found.data


@pytest.mark.parametrize("behind", [b"RSET\r\n", b"EHLO x\r\nMAIL FROM:<evil@x>\r\n", b"x"])
async def test_what_stands_behind_starttls_in_clear_is_never_read(encrypting, behind):
    """CVE-2011-0411: injected commands must not be taken for the client's own under TLS."""
    async with encrypting.client() as client:
        await client.say(b"EHLO peer.example")
        client.send(b"STARTTLS\r\n" + behind)
        assert (await client.rest())[-1].startswith("503 5.5.1")


async def test_bytes_sent_in_clear_after_the_go_ahead_end_the_session(encrypting):
    async with encrypting.client() as client:
        await client.say(b"EHLO peer.example")
        assert await client.say(b"STARTTLS") == "220 2.0.0 go ahead"
        client.send(b"NOOP\r\n")
        assert b"250" not in await asyncio.wait_for(client.reader.read(), 20)


async def test_a_handshake_that_does_not_come_ends_by_its_deadline(smtp, nats_server, pair):
    await configure(nats_server)
    smtp.start(SMTP_TLS_CERTIFICATE=pair[0], SMTP_TLS_KEY=pair[1], SMTP_IDLE_SECONDS=0.5)
    await smtp.ready()
    async with smtp.client() as client:
        await client.say(b"EHLO peer.example")
        await client.say(b"STARTTLS")
        assert await asyncio.wait_for(client.reader.read(), 15) == b""
    async with smtp.client() as other:
        assert (await other.say(b"EHLO x")).startswith("250")


async def test_old_protocols_are_refused(encrypting, pair):
    def shake():
        context = believing(pair[0])
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        with smtplib.SMTP("localhost", encrypting.port, timeout=15) as client:
            client.starttls(context=context)

    with pytest.raises((ssl.SSLError, OSError)), pytest.warns(match="TLSv1_1"):
        await asyncio.to_thread(shake)


async def test_a_renewed_certificate_is_taken_and_half_of_one_is_not(encrypting, pair, tmp_path):
    def serial():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with smtplib.SMTP("localhost", encrypting.port, timeout=15) as client:
            client.starttls(context=context)
            return hashlib.sha256(client.sock.getpeercert(binary_form=True)).hexdigest()

    first = await asyncio.to_thread(serial)
    (tmp_path / "new").mkdir()
    chain, key = write_pair(tmp_path / "new", "localhost")
    shutil.copy(chain, pair[0])
    await eventually(lambda: "certificate not read again" in encrypting.process.log)
    assert await asyncio.to_thread(serial) == first
    shutil.copy(key, pair[1])

    async def renewed():
        return await asyncio.to_thread(serial) != first

    await eventually(renewed, what="the new certificate is shown")


def _no_swaks() -> bool:
    perl = ["perl", "-MNet::SSLeay", "-e", "1"]
    return (
        shutil.which("swaks") is None
        or subprocess.run(perl, check=False, capture_output=True).returncode != 0
    )


@pytest.mark.skipif(_no_swaks(), reason="needs apt-get install swaks libnet-ssleay-perl")
async def test_swaks_submits(encrypting, nats_server):
    process = await asyncio.create_subprocess_exec(
        "swaks", "--server", "127.0.0.1", "--port", str(encrypting.port), "--tls", "--auth", "LOGIN",
        "--auth-user", ANNA, "--auth-password", PASSWORD, "--from", ANNA, "--to", "a@ours.example",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    ((envelope, _),) = await stored(nats_server)
    assert envelope.submitter == ANNA
