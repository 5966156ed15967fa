"""The real process, a real broker under the real permissions, raw lines."""

import asyncio
import hashlib
import smtplib
from email.message import EmailMessage
from email.policy import SMTPUTF8

import pytest

from support.buses import connected
from support.smtp_process import SmtpProcess, configure, publish_epoch, stored
from support.waiting import eventually

MAIL = b"Message-ID: <1@x>\r\nSubject: hi\r\n\r\nhello\r\n"
OPEN = b"EHLO peer.example\r\nMAIL FROM:<x@theirs.example>\r\nRCPT TO:<a@ours.example>\r\nDATA\r\n"
SECOND = (
    b"MAIL FROM:<evil@theirs.example>\r\nRCPT TO:<b@ours.example>\r\nDATA\r\n"
    b"Message-ID: <2@x>\r\n\r\nspam\r\n.\r\n"
)


@pytest.fixture
async def running(smtp, nats_server):
    await configure(nats_server)
    smtp.start()
    await smtp.ready()
    return smtp


async def test_a_whole_session_in_one_write_is_stored_and_answered(running, nats_server):
    async with running.client() as client:
        assert client.greeting == "220 mx.ours.example ESMTP Postroom"
        client.send(OPEN + MAIL + b".\r\nQUIT\r\n")
        lines = await client.rest()
    assert [line[:9] for line in lines[6:]] == [
        "250 2.1.0", "250 2.1.5", "354 end w", "250 2.0.0", "221 2.0.0",
    ]  # fmt: skip
    ((envelope, found),) = await stored(nats_server)
    assert found.headers["Nats-Msg-Id"] == envelope.id
    assert found.data.startswith(b"Received: from peer.example ([127.0.0.1])\r\n")
    assert found.data.endswith(MAIL)
    assert envelope.sha256 == hashlib.sha256(MAIL).hexdigest()
    assert (envelope.recipient, envelope.sender) == ("a@ours.example", "x@theirs.example")
    assert envelope.transaction in lines[9]


async def test_every_transaction_is_250_and_every_recipient_has_each_id_once(running, nats_server):
    a, b, c, d = (b"%s@ours.example" % n for n in (b"a", b"b", b"c", b"d"))
    async with running.client() as client:
        await client.say(b"EHLO peer.example")
        for recipients in ((a, b), (a, b), (a, c), (b, a, d), (c, c)):
            assert (await client.mail(recipients, MAIL)).startswith("250 2.0.0")
    found = await stored(nats_server)
    distinct = {(e.recipient, e.id) for e, _ in found}
    assert sorted(r for r, _ in distinct) == [x.decode() for x in (a, b, c, d)]
    # One stream holds an id once; only another first recipient's shard may hold it again.
    held = [(f.stream, e.id) for e, f in found]
    assert len(held) == len(set(held))


async def test_mail_that_cannot_be_recognised_is_kept_each_time(running, nats_server):
    async with running.client() as client:
        await client.say(b"EHLO peer.example")
        for _ in range(2):
            await client.mail([b"a@ours.example"], b"Subject: cron\r\n\r\nok\r\n")
    assert len(await stored(nats_server)) == 2


async def test_broker_gone_is_451_and_back_is_250_without_a_restart(running, nats_server):
    async with running.client() as client:
        await client.say(b"EHLO peer.example")
        nats_server.stop()
        answer = await client.mail([b"a@ours.example"], MAIL)
        assert answer.startswith("451 4.3.0 ")
        assert "nats" not in answer.lower()
        await eventually(lambda: _says(running, "broker"), what="readiness says why")
        await nats_server.start_again()
        await running.ready()
        assert (await client.mail([b"a@ours.example"], MAIL)).startswith("250 2.0.0")
    assert len(await stored(nats_server)) == 1


async def _says(smtp, word):
    return word in await smtp.reasons()


async def test_before_it_knows_it_answers_451_and_550_afterwards(smtp, nats_server):
    smtp.start()
    await smtp.listening()
    async with smtp.client() as client:
        await client.say(b"EHLO peer.example", b"MAIL FROM:<>")
        assert (await client.say(b"RCPT TO:<a@ours.example>")).startswith("451 4.3.0")
        await configure(nats_server, epoch=False)
        await eventually(lambda: _answers(client, b"a@ours.example", "250"))
        assert (await client.say(b"RCPT TO:<nobody@ours.example>")).startswith("451 4.3.0")
        assert "configuration" in await smtp.reasons()
        async with connected(nats_server, "api") as bus:
            await publish_epoch(bus)
        await eventually(lambda: _answers(client, b"nobody@ours.example", "550 5.1.1"))
        assert (await client.say(b"RCPT TO:<x@theirs.example>")).startswith("550 5.7.1")


async def _answers(client, recipient, wanted):
    await client.say(b"RSET", b"MAIL FROM:<>")
    return (await client.say(b"RCPT TO:<" + recipient + b">")).startswith(wanted)


async def test_it_listens_and_says_why_while_the_broker_is_down(smtp, nats_server):
    nats_server.stop()
    smtp.start()
    await smtp.listening()
    async with smtp.client() as client:
        await client.say(b"EHLO peer.example", b"MAIL FROM:<>")
        assert (await client.say(b"RCPT TO:<a@ours.example>")).startswith("451 4.3.0")
    assert "broker" in await smtp.reasons()
    await nats_server.start_again()
    await configure(nats_server)
    await smtp.ready()
    async with smtp.client() as client:
        await client.say(b"EHLO peer.example")
        assert (await client.mail([b"a@ours.example"], MAIL)).startswith("250")


async def test_half_close_behind_the_dot_is_stored_and_answered(running, nats_server):
    async with running.client() as client:
        client.send(OPEN + MAIL + b".\r\nQUIT\r\n")
        client.writer.write_eof()
        lines = await client.rest()
    assert [line[:3] for line in lines[-2:]] == ["250", "221"]
    assert len(await stored(nats_server)) == 1


async def test_a_peer_that_hangs_up_behind_the_dot_has_its_mail_stored(running, nats_server):
    nats_server.process.sigstop()
    async with running.client() as client:
        client.send(OPEN)
        codes = [(await client.reply())[:3] for _ in range(4)]
        assert codes == ["250", "250", "250", "354"]
        client.send(MAIL + b".\r\n")
        await client.writer.drain()
        client.writer.transport.abort()
    nats_server.process.sigcont()
    await eventually(lambda: _count(nats_server, 1))


async def _count(nats_server, number):
    return len(await stored(nats_server)) == number


SMUGGLING = [b"\n.\n", b"\n.\r", b"\r.\n", b"\r.\r", b"\n.\r\n", b"\r.\r\n", b"\r\n\x00.\r\n"]


@pytest.mark.parametrize("pipelined", [True, False])
async def test_smuggling_over_the_wire(smtp, nats_server, pipelined):
    await configure(nats_server)
    smtp.start(SMTP_MAX_CONNECTIONS_PER_ADDRESS=1000)
    await smtp.ready()
    for vector in SMUGGLING:
        async with smtp.client() as client:
            parts = [OPEN, MAIL + b"x" + vector, SECOND + b"QUIT\r\n"]
            if pipelined:
                client.send(b"".join(parts))
            else:
                for part in parts:
                    client.send(part)
                    await client.writer.drain()
                    await asyncio.sleep(0)
            codes = [line[:3] for line in await client.rest() if line[3:4] != "-"]
        assert codes[4:] == (["250", "221"] if b"\x00" in vector else ["550"])
    recipients = {e.recipient for e, _ in await stored(nats_server)}
    assert recipients == {"a@ours.example"}


async def test_limits_as_settings_over_the_wire(smtp, nats_server):
    await configure(nats_server)
    smtp.start(
        SMTP_MAX_BYTES=1000,
        SMTP_MAX_RECIPIENTS=2,
        SMTP_MAX_CONNECTIONS_PER_ADDRESS=2,
        SMTP_MAX_ERRORS=3,
    )
    await smtp.ready()
    async with smtp.client() as client, smtp.client() as other:
        assert "SIZE 1000" in "".join(await _ehlo(client))
        assert (await smtp.client().__aenter__()).greeting == "421 4.7.0 too many connections"
        for extra, answer in ((0, "250 2.0.0"), (1, "552 5.3.4")):
            mail = MAIL + b"x" * (998 - len(MAIL) + extra) + b"\r\n"
            assert (await client.mail([b"a@ours.example"], mail)).startswith(answer)
        assert await client.reply() == ""
        three = [b"%s@ours.example" % n for n in (b"a", b"b", b"c")]
        await other.say(b"EHLO peer.example")
        assert (await other.mail(three[:2], MAIL)).startswith("250")
        assert (await other.mail(three, MAIL)).startswith("452 4.5.3")
        assert [(await other.say(b"WHAT"))[:3] for _ in range(4)] == ["500", "500", "500", "421"]


async def _ehlo(client):
    client.send(b"EHLO peer.example\r\n")
    lines = []
    while not lines or lines[-1][3:4] == "-":
        lines.append((await client.reader.readline()).decode())
    return lines


async def test_idle_and_slow_peers_hear_421(smtp, nats_server):
    await configure(nats_server)
    smtp.start(SMTP_IDLE_SECONDS=0.5, SMTP_SLOW_WINDOW_SECONDS=0.3)
    await smtp.ready()
    async with smtp.client() as idle, smtp.client() as slow:
        slow.send(OPEN + b"Subject: x")
        assert (await idle.reply()).startswith("421 4.4.2")
        assert (await slow.rest())[-1].startswith("421 4.4.2")


async def test_sigterm_says_421_to_idle_peers_and_answers_a_running_store(running, nats_server):
    async with running.client() as idle, running.client() as busy:
        await busy.say(b"EHLO x", b"MAIL FROM:<>", b"RCPT TO:<a@ours.example>", b"DATA")
        nats_server.process.sigstop()
        busy.send(MAIL + b".\r\n")
        await busy.writer.drain()
        stopping = asyncio.create_task(asyncio.to_thread(running.stop))
        assert (await idle.reply()).startswith("421 4.3.2")
        nats_server.process.sigcont()
        assert [(await busy.reply())[:9] for _ in range(2)] == ["250 2.0.0", "421 4.3.2"]
        assert await stopping == 0
    assert len(await stored(nats_server)) == 1


async def test_fifty_sessions_at_once_with_two_recipients_each(running, nats_server):
    """More than the broker allows batches to be open; behind the limit per address by waves."""

    async def session(number):
        async with running.client() as client:
            await client.say(b"EHLO peer.example")
            mail = b"Message-ID: <%d@x>\r\n\r\n" % number
            return await client.mail([b"a@ours.example", b"b@ours.example"], mail)

    for wave in range(3):
        answers = await asyncio.gather(*(session(wave * 20 + n) for n in range(19)))
        assert {a[:9] for a in answers} == {"250 2.0.0"}
    assert len({e.id for e, _ in await stored(nats_server)}) == 3 * 19 * 2


async def test_a_real_client_with_international_addresses_and_eight_bits(running, nats_server):
    message = EmailMessage(policy=SMTPUTF8)
    message["From"], message["To"], message["Subject"] = (
        "j\u00fcrgen@theirs.example",
        "a@ours.example",
        "gr\u00fc\u00dfe",
    )
    message.set_content("h\u00e9llo\n.\n..\n", cte="8bit")

    def send():
        with smtplib.SMTP("127.0.0.1", running.port, timeout=15) as client:
            return client.send_message(message)

    assert await asyncio.to_thread(send) == {}
    ((envelope, found),) = await stored(nats_server)
    assert envelope.smtputf8
    assert envelope.sender == "j\u00fcrgen@theirs.example"
    assert found.data.endswith("h\u00e9llo\r\n.\r\n..\r\n".encode())
    assert b" with UTF8SMTP id " in found.data


async def test_a_taken_port_is_the_operator_s_error(running, nats_server, tmp_path):
    other = SmtpProcess(tmp_path, nats_server)
    other.start(SMTP_PORT=running.port)
    assert other.process.wait() == 78
    assert "cannot listen for SMTP" in other.process.log


async def test_a_large_mail_of_25_mib(running, nats_server):
    limit = 25 * 1024 * 1024
    body = b"." + b"x" * 1021 + b"\r\n"  # 1 KiB a line, each with a dot to double
    head = MAIL + b"y" * (1022 - len(MAIL)) + b"\r\n"
    mail = head + body * (limit // 1024 - 1)
    assert len(mail) == limit
    async with running.client() as client:
        await client.say(b"EHLO peer.example")
        answer = await client.mail([b"a@ours.example"], mail.replace(b"\r\n.", b"\r\n.."))
        assert answer.startswith("250 2.0.0")
    ((envelope, found),) = await stored(nats_server)
    assert envelope.size == limit
    assert found.data.endswith(mail)
