"""An rspamd server is asked, and mail goes on without it when it does not answer.

The stand-in speaks as https://docs.rspamd.com/developers/protocol/ says; the last test asks a real
one where POSTROOM_TEST_RSPAMD names it (its normal worker, as http://127.0.0.1:11333).
"""

import os
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from postroom_contract.mail import Envelope
from postroom_rules.rspamd import Rspamd
from support.local_http import LocalHttp, answer

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
ENVELOPE = Envelope(
    id="msg_1", account="acc_1", mailbox="mbx_1", role="mail", recipient="box@example.org",
    sender="anna@example.net", received_at=datetime(2026, 11, 30, tzinfo=UTC), sha256="", size=1,
    source="smtp", transaction="txn_1", client="192.0.2.7", helo="müx.example.net",
)  # fmt: skip


class StandIn(LocalHttp):
    def __init__(self, status: int = 200, body: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.status, self.body = status, body or {}
        self.asked: list[tuple[str, dict[str, str], bytes]] = []

    def post(self, request: BaseHTTPRequestHandler) -> None:
        octets = request.rfile.read(int(request.headers["Content-Length"]))
        self.asked.append((request.path, dict(request.headers.items()), octets))
        answer(request, self.status, self.body)


async def test_what_it_thinks_is_taken_over() -> None:
    symbols = {"BAYES_SPAM": {"score": 5.1}, "ARC_NA": {"score": 0.0}, "R_OK": {"score": -0.2}}
    said = {"score": 13.0, "required_score": 15.0, "action": "add header", "symbols": symbols}
    with StandIn(body=said) as server:
        rspamd = Rspamd(server.url, "secret")
        found = await rspamd.ask(b"Subject: x\r\n\r\n", ENVELOPE)
        await rspamd.close()
    assert found is not None
    assert (found.source, found.score) == ("rspamd", 78)
    assert [one.words for one in found.reasons] == ["BAYES_SPAM", "R_OK"]
    ((path, headers, octets),) = server.asked
    assert (path, octets) == ("/checkv2", b"Subject: x\r\n\r\n")
    assert (headers["IP"], headers["From"]) == ("192.0.2.7", "anna@example.net")
    assert (headers["Rcpt"], headers["Password"]) == ("box@example.org", "secret")
    assert "Helo" not in headers, "it is not ASCII"


@pytest.mark.parametrize(("status", "body"), [(500, {}), (200, {"score": "much"}), (404, {})])
async def test_one_that_fails_is_left_alone_for_a_while(status: int, body: dict[str, Any]) -> None:
    with StandIn(status, body) as server:
        rspamd = Rspamd(server.url)
        assert await rspamd.ask(b"x", ENVELOPE) is None
        assert await rspamd.ask(b"x", ENVELOPE) is None
        await rspamd.close()
    assert len(server.asked) == 1


async def test_nobody_there() -> None:
    with StandIn() as server:
        url = server.url
    rspamd = Rspamd(url)
    assert await rspamd.ask(b"x", ENVELOPE) is None
    await rspamd.close()


@pytest.mark.skipif(
    "POSTROOM_TEST_RSPAMD" not in os.environ,
    reason="needs a running rspamd named by POSTROOM_TEST_RSPAMD: apt-get install rspamd redis",
)
async def test_a_real_one_knows_the_test_mail() -> None:
    rspamd = Rspamd(os.environ["POSTROOM_TEST_RSPAMD"])
    mail = b"From: a@example.net\r\nSubject: x\r\nMessage-ID: <1@x>\r\n\r\n" + GTUBE + b"\r\n"
    found = await rspamd.ask(mail, ENVELOPE)
    await rspamd.close()
    assert found is not None
    assert found.score >= 90
