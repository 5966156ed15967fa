"""A mail that a rule sends on."""

import functools
import operator

import msgspec
import pytest

from postroom_contract.codec import ENVELOPE_HEADER, decode, envelope_to_header
from postroom_contract.commands import DeliverChunk, OutboxMail
from postroom_runtime.errors import RefusedError
from postroom_runtime.messages import Found
from postroom_smtp.handlers.forwarding import Forwarding
from support.forwards import NOW, Memory, command, envelope


def stored(name: str, raw: bytes) -> Found:
    headers = {ENVELOPE_HEADER: envelope_to_header(envelope(name))}
    return Found("s", raw, headers, "INTAKE_0", 7, NOW)


async def test_it_goes_out_as_it_came_under_the_null_sender() -> None:
    broker = Memory(stored("msg_1", b"Subject: Hi\n\nHello\n"))
    await Forwarding(broker).forward(command())
    await Forwarding(broker).forward(command())
    mail = decode(broker.published[0].payload, OutboxMail)
    assert mail.template.places == ()
    assert mail.template.segments == (b"Postroom-Forwarded: msg_1\r\nSubject: Hi\r\n\r\nHello\r\n",)
    chunk = decode(broker.published[1].payload, DeliverChunk)
    (recipient,) = chunk.recipients
    assert (recipient.address, recipient.sender) == ("boss@example.com", "")
    assert 1 << 52 <= recipient.serial < 1 << 53, "above every owner's count, exact in JSON"
    assert (chunk.outbox, chunk.origin, chunk.scope) == (mail.id, "msg_1", "mbx_1")
    assert [one.id for one in broker.published[:2]] == [one.id for one in broker.published[2:]]


async def test_serials_of_many_forwards_differ() -> None:
    """The log keeps a row per serial: two forwards under one would hide each other."""
    broker = Memory(stored("msg_1", b"Subject: Hi\r\n\r\n"))
    for number in range(2_000):
        one = msgspec.structs.replace(command(), id=f"cmd_{number}")
        await Forwarding(broker).forward(one)
    chunks = [decode(what.payload, DeliverChunk) for what in broker.published[1::2]]
    serials = {chunk.recipients[0].serial for chunk in chunks}
    assert len(serials) == 2_000
    ever = functools.reduce(operator.or_, serials)
    always = functools.reduce(operator.and_, serials)
    assert ever ^ always == (1 << 52) - 1, "every one of the 52 bits varies"


@pytest.mark.parametrize(
    ("found", "to", "words"),
    [
        (None, "boss@example.com", "gone"),
        (stored("msg_other", b""), "boss@example.com", "another mail"),
        (stored("msg_1", b""), "no address", "cannot forward"),
    ],
)
async def test_what_cannot_be_forwarded_is_refused(found, to: str, words: str) -> None:
    broker = Memory(found)
    with pytest.raises(RefusedError, match=words):
        await Forwarding(broker).forward(command(to))
    assert broker.published == []
