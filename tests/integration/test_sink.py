"""The SMTP sink that other tests believe."""

import asyncio
import smtplib

import pytest


def send(sink, recipients, raw=b"Subject: x\r\n\r\n.dot\r\n"):
    with smtplib.SMTP(sink.host, sink.port, timeout=10) as client:
        return client.sendmail("a@example.org", recipients, raw)


async def test_it_keeps_envelope_and_bytes(sink):
    await asyncio.to_thread(send, sink, ["b@example.org", "c@example.org"])
    (mail,) = await sink.wait_for(1)
    assert mail.mail_from == "a@example.org"
    assert mail.rcpt_tos == ("b@example.org", "c@example.org")
    assert mail.raw == b"Subject: x\r\n\r\n.dot\r\n"
    assert sink.to("C@example.org") == [mail]


async def test_it_refuses_whom_it_is_told(sink):
    sink.refuse("b@example.org", "452 4.2.2 full")
    refused = await asyncio.to_thread(send, sink, ["b@example.org", "c@example.org"])
    assert refused == {"b@example.org": (452, b"4.2.2 full")}
    assert sink.received[0].rcpt_tos == ("c@example.org",)
    sink.data_reply = "451 4.3.0 later"
    with pytest.raises(smtplib.SMTPDataError):
        await asyncio.to_thread(send, sink, ["c@example.org"])
    assert len(sink.received) == 1
