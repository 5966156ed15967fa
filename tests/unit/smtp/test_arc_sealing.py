"""Mail that is sent on is sealed (RFC 8617), and the seal is believed by others' checker and ours."""

import dkim
import msgspec
import pytest
from nacl.public import PrivateKey

from postroom_contract.codec import ENVELOPE_HEADER, decode, envelope_to_header
from postroom_contract.commands import DeliverChunk, OutboxMail
from postroom_contract.documents import DkimKey, DomainDocument
from postroom_contract.mail import Authentication, Signature
from postroom_contract.mail_domains import MakeKey
from postroom_runtime.messages import Found
from postroom_smtp.arc_sealing import ArcSealing
from postroom_smtp.dkimpy_signatures import check_arc, check_dkim
from postroom_smtp.domain.arc import MOST, Link, next_link, sets_in
from postroom_smtp.domain_keys import DomainKeys
from postroom_smtp.handlers.forwarding import Forwarding
from postroom_smtp.signing import Signer, body_hash, make_key, read_key
from support.arc_suite import SUITE, cases
from support.forwards import NOW, Memory, command, envelope
from support.smtp import MemoryDirectory

SEALING = PrivateKey.generate()
THEIRS = make_key("rsa")
AUTHOR = make_key("rsa")
PLAIN = (
    b"Received: from x by mx.ours.example; today\r\nFrom: Anna <anna@author.example>\r\n"
    b"To: list@ours.example\r\nSubject: Roses\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n"
    b"Message-ID: <1@author.example>\r\n\r\nhello  there\r\n.\r\n\r\n"
)


def signed(raw: bytes) -> bytes:
    header, _, body = raw.partition(b"\r\n\r\n")
    signer = Signer("author.example", "a", read_key(AUTHOR.private))
    return signer.signature(header + b"\r\n", body_hash(body), 1_000) + raw


def sealed_by_them(raw: bytes, found: Authentication | None = None) -> bytes:
    """At a hop that is not ours."""
    signer = Signer("theirs.example", "t", read_key(THEIRS.private))
    mail = msgspec.structs.replace(envelope("msg_9"), authentication=found or PASSED)
    return ArcSealing(lambda _: [signer], "mx.theirs.example").seal(raw, mail) + raw


class World:
    """Our domain with its key, and a forward."""

    def __init__(self, algorithm: str = "rsa") -> None:
        self.directory = MemoryDirectory()
        self.keys = DomainKeys(self.directory, [SEALING])
        self.algorithm = algorithm
        self.records = {
            "t._domainkey.theirs.example": THEIRS.record.encode(),
            "a._domainkey.author.example": AUTHOR.record.encode(),
        }

    async def publish(self) -> None:
        question = MakeKey(
            account="a", domain="ours.example", selector="s1", algorithm=self.algorithm
        )
        made = await self.keys.make(question)
        self.directory.domains["ours.example"] = DomainDocument(
            domain="ours.example", account="a", version=2,
            keys=(DkimKey(selector="s1", sealed=made.sealed),),
        )  # fmt: skip
        self.records["s1._domainkey.ours.example"] = made.record.encode()

    async def forwarded(self, raw: bytes, found: Authentication | None) -> bytes:
        mail = msgspec.structs.replace(
            envelope("msg_1"), recipient="list@ours.example", authentication=found
        )
        headers = {ENVELOPE_HEADER: envelope_to_header(mail)}
        broker = Memory(Found("s", raw, headers, "INTAKE_0", 7, NOW))
        sealing = ArcSealing(self.keys.signers, "mx.ours.example")
        await Forwarding(broker, sealing.seal).forward(command())
        (segment,) = decode(broker.published[0].payload, OutboxMail).template.segments
        decode(broker.published[1].payload, DeliverChunk)
        return segment

    def verdicts(self, raw: bytes) -> tuple[str, str]:
        """What dkimpy says, and what we say."""
        theirs, _, _ = dkim.arc_verify(
            raw, dnsfunc=lambda name, **_: self.records.get(name.decode().rstrip("."), b"")
        )
        return {b"pass": "pass", b"none": "none"}.get(theirs, "fail"), check_arc(raw, self.records)


@pytest.fixture
async def world() -> World:
    made = World()
    await made.publish()
    return made


PASSED = Authentication(
    spf="pass", dmarc="pass", author_domain="author.example",
    dkim=(Signature(domain="author.example", selector="a", result="pass"),),
)  # fmt: skip
CHAIN_PASSED = msgspec.structs.replace(PASSED, arc="pass")
CHAIN_FAILED = msgspec.structs.replace(PASSED, arc="fail")


async def test_the_first_seal_carries_our_results_and_is_believed(world) -> None:
    mail = await world.forwarded(signed(PLAIN), PASSED)
    assert world.verdicts(mail) == ("pass", "pass")
    assert b"\r\nARC-Authentication-Results: i=1; mx.ours.example;\r\n\tspf=pass" in mail
    assert b"dmarc=pass header.from=author.example" in mail
    assert b" i=1; a=rsa-sha256; cv=none; d=ours.example;" in mail
    assert mail.endswith(signed(PLAIN)), "the mail itself is as it came"
    assert check_dkim(mail, world.records)[0].result == "pass"


async def test_a_chain_is_continued(world) -> None:
    came = sealed_by_them(signed(PLAIN))
    assert world.verdicts(came) == ("pass", "pass")
    mail = await world.forwarded(came, CHAIN_PASSED)
    assert world.verdicts(mail) == ("pass", "pass")
    assert b" i=2; a=rsa-sha256; cv=pass; d=ours.example;" in mail
    assert b"arc=pass" in mail
    again = await world.forwarded(mail, CHAIN_PASSED)
    assert b" i=3; a=rsa-sha256; cv=pass; d=ours.example;" in again
    assert world.verdicts(again) == ("pass", "pass")
    at_theirs = sealed_by_them(again, CHAIN_PASSED)
    assert world.verdicts(at_theirs) == ("pass", "pass")


@pytest.mark.skipif(not SUITE.exists(), reason="needs ../shared/corpora/auth-arc")
async def test_chains_of_others_are_continued(world) -> None:
    """Those of ValiMail's suite that pass."""
    tried = 0
    for case in cases():
        records, said = case.values
        raw = (said["message"] or "").encode().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        if (said["cv"] or "").lower() != "pass":
            continue
        mail = await world.forwarded(raw, CHAIN_PASSED)
        if mail.count(b"ARC-Seal:") == MOST:
            continue
        tried += 1
        assert check_arc(mail, {**records, **world.records}) == "pass", case.id
        broken = mail.replace(b"cv=pass; d=ours.example", b"cv=none; d=ours.example")
        assert check_arc(broken, {**records, **world.records}) == "fail", case.id
    assert tried > 20


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (b"Subject: Roses", b"Subject: Tulips"),
        (b"hello  there", b"hello where"),
        (b"\tspf=pass smtp", b"\tspf=fail smtp"),
        (b"cv=none", b"cv=pass"),
    ],
)
async def test_a_seal_does_not_fit_what_was_changed(world, was, becomes) -> None:
    mail = await world.forwarded(signed(PLAIN), PASSED)
    assert mail.count(was) == 1
    assert world.verdicts(mail.replace(was, becomes)) == ("fail", "fail")


async def test_a_failed_chain_is_said_to_have_failed_and_not_continued_then(world) -> None:
    broken = sealed_by_them(signed(PLAIN)).replace(b"hello", b"HELLO")
    assert world.verdicts(broken) == ("fail", "fail")
    mail = await world.forwarded(broken, CHAIN_FAILED)
    assert b" i=2; a=rsa-sha256; cv=fail; d=ours.example;" in mail
    assert world.verdicts(mail) == ("fail", "fail")
    again = await world.forwarded(mail, CHAIN_FAILED)
    assert again.count(b"ARC-Seal:") == mail.count(b"ARC-Seal:") == 2


@pytest.mark.parametrize("found", [None, Authentication(arc="temperror")])
async def test_what_was_not_looked_at_is_not_sealed(world, found) -> None:
    assert b"ARC-Seal" not in await world.forwarded(signed(PLAIN), found)


async def test_a_chain_that_we_have_seen_none_of_is_not_sealed(world) -> None:
    mail = await world.forwarded(sealed_by_them(PLAIN), PASSED)
    assert mail.count(b"ARC-Seal") == 1


async def test_without_an_rsa_key_of_the_domain_mail_goes_on_unsealed() -> None:
    for world in (World(), World("ed25519")):
        if world.algorithm == "ed25519":
            await world.publish()
        assert (await world.forwarded(PLAIN, PASSED)) == b"Postroom-Forwarded: msg_1\r\n" + PLAIN


async def test_bare_line_ends_are_sealed_as_they_go_out(world) -> None:
    mail = await world.forwarded(PLAIN.replace(b"\r\n", b"\n"), PASSED)
    assert world.verdicts(mail) == ("pass", "pass")


def test_how_a_chain_goes_on() -> None:
    one = {
        1: {
            b"arc-seal": b" i=1; cv=none",
            b"arc-message-signature": b"m",
            b"arc-authentication-results": b"r",
        }
    }
    below = (
        (b"arc-authentication-results", b"r"), (b"arc-message-signature", b"m"),
        (b"arc-seal", b" i=1; cv=none"),
    )  # fmt: skip
    assert next_link({}, "none") == Link(1, "none", ())
    assert next_link(one, "pass") == Link(2, "pass", below)
    assert next_link(one, "fail") == Link(2, "fail", ())
    assert next_link({}, "pass") is None
    assert next_link({2: {b"arc-seal": b" i=2; cv=fail; x"}}, "fail") is None
    assert next_link({MOST: {b"arc-seal": b" i=50; cv=pass"}}, "fail") is None


def test_sets_are_found_by_their_instance() -> None:
    fields = [
        (b"arc-seal", b" a=rsa-sha256; i = 2; cv=pass"),
        (b"arc-authentication-results", b" i=2; mx.example; spf=pass"),
        (b"arc-seal", b" cv=none"),
        (b"subject", b"i=7"),
    ]
    assert {n: set(one) for n, one in sets_in(fields).items()} == {
        2: {b"arc-seal", b"arc-authentication-results"}
    }
