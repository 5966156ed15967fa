"""All of it together, on a DNS that answers, fails and hangs."""

import asyncio
import time
from collections.abc import Mapping

import pytest

from postroom_contract.mail import SpfResult
from postroom_runtime.errors import RefusedError
from postroom_smtp.dkimpy_signatures import check_framed
from postroom_smtp.handlers.authenticating import Authenticating
from postroom_smtp.ports import Checked
from postroom_smtp.publicsuffix_organisations import PublicSuffixes
from postroom_smtp.signing import Signer, body_hash, make_key, read_key
from postroom_smtp.spftrace_senders import SpfSenders
from postroom_smtp.worked_signatures import WorkedSignatures, framed
from support.names import TIMEOUT, KnownNames

KEY = make_key("ed25519")
HEADER = b"From: Anna <anna@news.example.com>\r\nTo: b@ours.example\r\nSubject: x\r\n"
BODY = b"hello\r\n"
SIGNED = (
    Signer("example.com", "s1", read_key(KEY.private)).signature(HEADER, body_hash(BODY), 1_700_000_000)
    + HEADER + b"\r\n" + BODY
)  # fmt: skip
ZONE = {
    "bounce.example.com": [("TXT", "v=spf1 ip4:203.0.113.0/24 -all")],
    "s1._domainkey.example.com": [("TXT", KEY.record)],
    "_dmarc.example.com": [("TXT", "v=DMARC1; p=reject; sp=quarantine")],
}


class InPlace:
    """Port Signatures: checked here, as the worker would."""

    async def check(self, raw: bytes, keys: Mapping[str, bytes | None]) -> Checked:
        return check_framed(framed(raw, keys))


class Broken:
    """Ports Signatures and Senders, at their worst."""

    async def check(self, raw: bytes, keys: Mapping[str, bytes | None]) -> Checked:
        raise RefusedError("checking signatures took more than 4 s")

    async def spf(self, client: str, sender: str, helo: str) -> SpfResult:
        raise ZeroDivisionError


def made(names, seconds: float = 5.0) -> Authenticating:
    senders = SpfSenders(names, "mx.ours.example", seconds)
    return Authenticating(names, senders, InPlace(), PublicSuffixes(), seconds)


async def asked(names, raw: bytes = SIGNED, client: str = "203.0.113.9", **more):
    return await made(names, **more).of(
        raw, client=client, helo="mail.example.com", sender="b+1@bounce.example.com"
    )


async def test_a_mail_of_who_it_says() -> None:
    found = await asked(KnownNames(ZONE))
    assert (found.spf, found.dmarc, found.arc, found.policy) == (
        "pass",
        "pass",
        "none",
        "quarantine",
    )
    assert [(one.domain, one.result) for one in found.dkim] == [("example.com", "pass")]
    assert (found.author_domain, found.spf_domain) == ("news.example.com", "bounce.example.com")


async def test_a_forger_s_mail() -> None:
    found = await asked(KnownNames(ZONE), HEADER + b"\r\n" + BODY, client="198.51.100.1")
    assert (found.spf, found.dkim, found.dmarc, found.policy) == ("fail", (), "fail", "quarantine")


async def test_nothing_is_published() -> None:
    found = await asked(KnownNames({}), HEADER + b"\r\n" + BODY)
    assert (found.spf, found.dkim, found.dmarc, found.policy) == ("none", (), "none", "none")


async def test_the_null_sender_is_known_by_its_helo() -> None:
    names = KnownNames({"mail.example.com": [("TXT", "v=spf1 a -all"), ("A", "203.0.113.9")]})
    found = await made(names).of(
        b"From: x@y.example\r\n\r\n", client="203.0.113.9", helo="mail.example.com", sender=""
    )
    assert (found.spf, found.spf_domain) == ("pass", "mail.example.com")


@pytest.mark.parametrize(
    "broken", ["bounce.example.com", "s1._domainkey.example.com", "_dmarc.example.com"]
)
async def test_a_dns_in_trouble_refutes_nothing(broken: str) -> None:
    found = await asked(KnownNames({**ZONE, broken: TIMEOUT}))
    assert "temperror" in {found.spf, found.dmarc, *(one.result for one in found.dkim)}
    assert found.dmarc in {"pass", "temperror"}


class Hanging(KnownNames):
    """Says nothing about one name."""

    def __init__(self, *names: str) -> None:
        super().__init__(ZONE)
        self.names = names

    async def _ask(self, name, kind):
        if any(one in name for one in self.names):
            await asyncio.Event().wait()
        return await super()._ask(name, kind)


async def test_what_is_not_known_by_the_deadline_is_temporary_and_the_rest_counts() -> None:
    begin = time.monotonic()
    found = await asked(Hanging("_domainkey"), seconds=1)
    assert time.monotonic() - begin < 5
    assert (found.spf, found.dkim, found.arc) == ("pass", (), "temperror")
    assert found.dmarc == "pass"  # by SPF
    found = await asked(Hanging("example.com"), seconds=0.2)
    assert (found.spf, found.dmarc) == ("temperror", "temperror")


async def test_what_is_no_mail_costs_nothing() -> None:
    for raw in (
        b"",
        b"\r\n",
        b"\x00" * 100,
        b"From: " + b"(" * 50_000,
        b"DKIM-Signature: ;;;;=\r\n" * 500,
    ):
        found = await asked(KnownNames(ZONE), raw)
        assert found.dmarc == "permerror"


async def test_what_breaks_is_not_known_and_keeps_no_mail_out() -> None:
    names = KnownNames(ZONE)
    broken = Authenticating(names, Broken(), Broken(), PublicSuffixes())
    found = await broken.of(SIGNED, client="203.0.113.9", helo="x", sender="a@example.com")
    assert (found.spf, found.dkim, found.arc, found.dmarc) == (
        "temperror",
        (),
        "temperror",
        "temperror",
    )
    found = await made(names).of(SIGNED, client="no address", helo="", sender="@")
    assert [one.result for one in found.dkim] == ["pass"]


async def test_signatures_that_take_too_long_cost_a_worker_and_no_other_mail() -> None:
    names, signatures = KnownNames(ZONE), WorkedSignatures(seconds=1.0)
    field = SIGNED[: SIGNED.index(b"From: ")]
    # Each signature makes the whole body be read anew, at leisure.
    endless = field * 5 + HEADER + b"\r\n" + b"word  word \r\n" * 1_500_000
    try:
        one = Authenticating(
            names, SpfSenders(names, "mx", 5.0), signatures, PublicSuffixes(), 30.0
        )
        for raw, expected in ((SIGNED, "pass"), (endless, None), (SIGNED, "pass")):
            found = await one.of(raw, client="203.0.113.9", helo="x", sender="a@example.com")
            assert [each.result for each in found.dkim] == ([expected] if expected else [])
            assert found.arc == ("none" if expected else "temperror")
    finally:
        await signatures.stop()
