"""Rules that refuse mail while its sender is still connected."""

import asyncio
import time

import pytest

from postroom_contract import subjects
from postroom_contract.codec import decode, encode
from postroom_contract.documents import address_key
from postroom_contract.mail import MailSummary
from postroom_contract.rules import Decision, Reject
from postroom_contract.ruling import Trial, TryMail
from postroom_runtime.messages import Publication
from support.buses import connected
from support.smtp import ADDRESSES, address_document
from support.smtp_process import Client, configure, stored

MAIL = b"From: a@theirs.example\r\nMessage-ID: <1@theirs.example>\r\nSubject: x\r\n\r\nhello\r\n"
ONE, TWO = (one.encode() for one in ADDRESSES[:2])


class Rules:
    """Plays the rules: refuses for the addresses in `refuses`, after `pause`."""

    def __init__(self) -> None:
        self.refuses: dict[str, str] = {}
        self.pause = 0.0
        self.asked: list[TryMail] = []

    async def __call__(self, data: bytes) -> tuple[bytes, bool]:
        question = decode(data, TryMail)
        self.asked.append(question)
        await asyncio.sleep(self.pause)
        words = self.refuses.get(question.recipient)
        decision = Decision(
            ruleset_version=1, importance="normal", spam_rating=None, trace=(),
            actions=(Reject(words),) if words else (),
        )  # fmt: skip
        summary = MailSummary(
            message_id=None, subject="", sender=None, to=(), date=None, preview="",
            attachments=(), robot_signs=(), defects=(),
        )  # fmt: skip
        return encode(Trial(summary=summary, decision=decision)), False


@pytest.fixture
async def rules(nats_server):
    """Rules that are asked for the first two addresses."""
    await configure(nats_server)
    async with connected(nats_server, "api") as bus:
        for address in ADDRESSES[:2]:
            document = address_document(address)
            changed = type(document)(
                address=document.address, account=document.account, mailbox=document.mailbox,
                forum=document.forum, version=document.version + 1, rejects=True,
            )  # fmt: skip
            await bus.publish(
                Publication(subjects.config(address_key(address)), encode(changed), None)
            )
    played = Rules()
    async with connected(nats_server, "rules") as bus:
        await bus.serve(subjects.rpc("rules", "try"), played)
        yield played


async def test_a_mail_is_refused_only_if_every_recipient_s_rules_refuse_it(
    smtp, rules, nats_server
) -> None:
    smtp.start()
    await smtp.ready()
    async with smtp.client() as client:
        await client.say(b"EHLO x")
        rules.refuses = {ADDRESSES[0]: "no adverts please"}
        assert await client.mail([ONE], MAIL) == "550 5.7.1 no adverts please"
        assert await stored(nats_server) == []
        # The other does not refuse it; and a third is not even asked.
        assert (await client.mail([ONE, TWO], MAIL)).startswith("250")
        asked = len(rules.asked)
        assert (await client.mail([ONE, ADDRESSES[2].encode()], MAIL)).startswith("250")
        assert len(rules.asked) == asked
        rules.refuses |= {ADDRESSES[1]: "nor there"}
        assert (await client.mail([ONE, TWO], MAIL)).startswith("550 5.7.1")
    assert rules.asked[0].raw == MAIL
    assert rules.asked[0].sender == "x@theirs.example"


async def test_only_the_begin_of_a_large_mail_is_shown(smtp, rules) -> None:
    smtp.start()
    await smtp.ready()
    async with smtp.client() as client:
        await client.say(b"EHLO x")
        assert (
            await client.mail([ONE], MAIL + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 10_000)
        ).startswith("250")
    assert 256 * 1024 <= len(rules.asked[0].raw) < 257 * 1024


async def test_rules_that_do_not_answer_keep_nobody_waiting_and_nothing_out(
    smtp, rules, nats_server
) -> None:
    smtp.start()
    await smtp.ready()
    rules.refuses, rules.pause = {ADDRESSES[0]: "too late"}, 60.0
    async with smtp.client() as client:
        await client.say(b"EHLO x")
        begin = time.monotonic()
        assert (await client.mail([ONE], MAIL)).startswith("250")
        assert time.monotonic() - begin < 10
    assert len(await stored(nats_server)) == 1


async def test_by_lmtp_it_is_refused_for_those_whose_rules_refuse_it(
    smtp, rules, nats_server
) -> None:
    smtp.start(SMTP_LMTP_PORT=smtp.tls_port)
    await smtp.ready()
    rules.refuses = {ADDRESSES[0]: "no adverts please"}
    async with Client(smtp.tls_port) as client:
        await client.say(b"LHLO mta.ours.example", b"MAIL FROM:<x@theirs.example>")
        for one in (ONE, TWO, ONE, ADDRESSES[2].encode()):
            assert (await client.say(b"RCPT TO:<" + one + b">")).startswith("250")
        await client.say(b"DATA")
        client.send(MAIL + b".\r\n")
        said = [await client.reply() for _ in range(4)]
        assert [one[:9] for one in said] == ["550 5.7.1", "250 2.0.0", "550 5.7.1", "250 2.0.0"]
        assert said[0] == "550 5.7.1 no adverts please"
        # Refused by all: each hears it, nothing is stored.
        await client.say(b"MAIL FROM:<x@theirs.example>", b"RCPT TO:<" + ONE + b">", b"DATA")
        client.send(MAIL + b".\r\n")
        assert (await client.reply()).startswith("550 5.7.1")
        assert (await client.say(b"NOOP")).startswith("250")
    assert {one.recipient for one, _ in await stored(nats_server)} == {ADDRESSES[1], ADDRESSES[2]}
