"""What a domain should publish, and whether it does."""

import pytest

from postroom_contract.mail_domains import ExamineDomain, PublishedKey
from postroom_runtime.errors import RefusedError
from postroom_smtp.domain.knock import Knock
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


class Knocks:
    """Finds what it is told to, and remembers where it was."""

    def __init__(self, found: Knock) -> None:
        self.found = found
        self.at: list[tuple[str, tuple[str, ...]]] = []

    async def knock(self, host, addresses):
        self.at.append((host, tuple(addresses)))
        return self.found


async def behind(found: Knock, zone=GOOD):
    names, knocks = KnownNames(zone), Knocks(found)
    examining = Examining(
        names, SpfSenders(names, HOST, 5.0), HOST, by_relay=False, knocking=knocks
    )
    seen = await examining.examine(ExamineDomain(account="a", domain="ours.example"))
    return {one.aspect: one for one in seen.findings}, knocks.at


@pytest.mark.parametrize(
    ("found", "port", "tls", "words"),
    [
        (Knock("220 mx", "verified"), "good", "good", ""),
        (Knock("220 mx"), "good", "missing", "in clear"),
        (Knock("220 mx", "offered", "self-signed certificate"), "good", "differs", "self-signed"),
        (Knock(shut="no answer in time"), "missing", "unknown", "no answer in time"),
        (Knock(shut="it has an internal address", looked=False), "unknown", "unknown", "internal"),
    ],
)
async def test_the_server_behind_a_domain(found: Knock, port: str, tls: str, words: str) -> None:
    seen, at = await behind(found)
    assert (seen["port"].standing, seen["tls"].standing) == (port, tls)
    assert words in seen["port"].words + seen["tls"].words
    assert at == [(HOST, ("203.0.113.7",))]
    assert seen["port"].kind == "TCP 25"


async def test_it_is_the_best_of_its_servers_and_none_where_there_is_none() -> None:
    zone = {
        "ours.example": [("MX", (20, "two.example")), ("MX", (5, "one.example"))],
        "one.example": [("A", "203.0.113.1")],
        "two.example": [("A", "203.0.113.2")],
    }
    _, at = await behind(Knock("220"), zone)
    assert at == [("one.example", ("203.0.113.1",))]
    for nobody in ({}, {"ours.example": TIMEOUT}, {"ours.example": [("MX", (0, "gone.example"))]}):
        seen, at = await behind(Knock("220"), nobody)
        assert at == []
        assert "port" not in seen
