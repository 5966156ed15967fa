"""What a domain should publish, and whether it does."""

import pytest

from postroom_contract.mail_domains import ExamineDomain, PublishedKey
from postroom_runtime.errors import RefusedError
from postroom_smtp.handlers.examining import Examining
from postroom_smtp.spftrace_senders import SpfSenders
from support.names import TIMEOUT, KnownNames

HOST = "mx.ours.example"
KEY = PublishedKey(selector="s1", record="v=DKIM1; k=rsa; p=AAAA")
GOOD = {
    "ours.example": [("MX", (10, HOST)), ("TXT", "v=spf1 mx -all"), ("TXT", "something else")],
    HOST: [("A", "203.0.113.7")],
    "7.113.0.203.in-addr.arpa": [("PTR", f"{HOST}.")],
    "s1._domainkey.ours.example": [("TXT", "v=DKIM1;k=rsa;p=AA AA")],
    "_dmarc.ours.example": [("TXT", "v=DMARC1; p=reject")],
}


async def seen(zone, *, by_relay: bool = False, domain: str = "ours.example"):
    names = KnownNames(zone)
    examining = Examining(names, SpfSenders(names, HOST, 5.0), HOST, by_relay=by_relay)
    found = await examining.examine(ExamineDomain(account="a", domain=domain, keys=(KEY,)))
    assert found.hostname == HOST
    return {one.aspect: one for one in found.findings}


async def test_a_domain_that_publishes_all() -> None:
    found = await seen(GOOD)
    assert {one.standing for one in found.values()} == {"good"}, found
    assert found["spf"].found == ("v=spf1 mx -all",)


async def test_a_domain_that_publishes_nothing() -> None:
    found = await seen({})
    standings = {aspect: one.standing for aspect, one in found.items()}
    assert standings == {
        "mx": "missing", "address": "missing", "ptr": "unknown", "spf": "missing",
        "dkim": "missing", "dmarc": "missing",
    }  # fmt: skip
    assert found["mx"].wanted == f"10 {HOST}."
    assert found["dkim"].name == "s1._domainkey.ours.example"
    assert found["dkim"].wanted == KEY.record
    assert found["dmarc"].wanted.startswith("v=DMARC1; p=none")


@pytest.mark.parametrize(
    ("name", "records", "aspect", "standing"),
    [
        ("ours.example", [("MX", (10, "mx.theirs.example")), ("TXT", "v=spf1 a -all")], "mx", "differs"),
        ("ours.example", [("MX", (10, HOST)), ("TXT", "v=spf1 ip4:192.0.2.1 -all")], "spf", "differs"),
        ("ours.example", [("TXT", "v=spf1 -all"), ("TXT", "v=spf1 mx -all")], "spf", "differs"),
        ("7.113.0.203.in-addr.arpa", [("PTR", "host7.provider.example")], "ptr", "differs"),
        ("7.113.0.203.in-addr.arpa", TIMEOUT, "ptr", "unknown"),
        ("s1._domainkey.ours.example", [("TXT", "v=DKIM1; p=BBBB")], "dkim", "differs"),
        ("s1._domainkey.ours.example", TIMEOUT, "dkim", "unknown"),
        ("_dmarc.ours.example", [("TXT", "v=DMARC1; p=none"), ("TXT", "v=DMARC1; p=reject")], "dmarc", "differs"),
        (HOST, TIMEOUT, "address", "unknown"),
    ],
)  # fmt: skip
async def test_what_is_otherwise(name: str, records, aspect: str, standing: str) -> None:
    found = await seen({**GOOD, name: records})
    assert found[aspect].standing == standing, found[aspect]
    assert found[aspect].words


async def test_by_a_smarthost_its_addresses_count() -> None:
    found = await seen(
        {**GOOD, "ours.example": [("TXT", "v=spf1 include:relay.example -all")]}, by_relay=True
    )
    assert found["spf"].standing == "good"
    assert "smarthost" in found["spf"].words


async def test_what_is_no_domain_is_refused() -> None:
    with pytest.raises(RefusedError):
        await seen({}, domain="no domain..")
