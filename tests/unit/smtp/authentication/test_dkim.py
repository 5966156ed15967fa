"""DKIM: vectors of dkimpy and of RFC 6376 and 8463, bounds, and signatures of our own."""

import base64

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from postroom_smtp import signing
from postroom_smtp.dkimpy_signatures import check_dkim
from postroom_smtp.domain.key_names import MOST_FIELD, MOST_NAMES, MOST_SIGNATURES, key_names
from postroom_smtp.signing import Signer, body_hash, make_key, read_key
from support.corpora import SHARED

VECTORS = SHARED / "auth-dkim"
needs_vectors = pytest.mark.skipif(not VECTORS.exists(), reason="needs ../shared/corpora/auth-dkim")
HEADER = (
    b"From: Anna <anna@example.org>\r\nTo: ben@example.com\r\nSubject: =?utf-8?q?Tomat=C3=A9?=\r\n"
    b"Date: Mon, 01 Jan 2024 01:02:03 +0100\r\nMessage-ID: <1@example.org>\r\n"
    b"X-Folded: one\r\n two\r\nContent-Type: text/plain;\r\n\tcharset=utf-8\r\n"
)
BODY = b"Hello,\r\n\r\ntwo  spaces \r\nand an end\r\n\r\n\r\n"
KEYS = {name: make_key(name) for name in ("rsa", "ed25519")}  # type: ignore[arg-type]  # both there are


def signed(algorithm: str, header: bytes = HEADER, body: bytes = BODY) -> bytes:
    signer = Signer("example.org", "s1", read_key(KEYS[algorithm].private))
    return signer.signature(header, body_hash(body), 1_700_000_000) + header + b"\r\n" + body


def keys(algorithm: str) -> dict[str, bytes | None]:
    return {"s1._domainkey.example.org": KEYS[algorithm].record.encode()}


def verdict(raw: bytes, known: dict[str, bytes | None]) -> str:
    (one,) = check_dkim(raw, known)
    return one.result


@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
def test_a_signature_of_ours_is_good_for_us_and_for_dkimpy(algorithm: str) -> None:
    raw = signed(algorithm)
    assert key_names(raw) == ["s1._domainkey.example.org"]
    (one,) = check_dkim(raw, keys(algorithm))
    assert (one.domain, one.selector, one.result, one.reason) == ("example.org", "s1", "pass", "")
    assert dkim.verify(raw, dnsfunc=lambda *_, **__: KEYS[algorithm].record.encode())
    assert all(len(line) < 100 for line in raw.split(b"\r\n\r\n")[0].split(b"\r\n"))


@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"two  spaces", b"2 spaces"),
        (b"Subject: ", b"Subject: x"),
        (b"From: Anna", b"From: Eve"),
        (b"From: Anna", b"From: Eve <eve@example.net>\r\nFrom: Anna"),
        (b"Subject: ", b"Subject: another\r\nSubject: "),
        (b"s1; t=17", b"s1; t=16"),
    ],
)
def test_a_change_is_noticed(algorithm: str, before: bytes, after: bytes) -> None:
    assert verdict(signed(algorithm).replace(before, after, 1), keys(algorithm)) == "fail"


@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
@pytest.mark.parametrize(
    ("before", "after"),
    [(b"two  spaces \r\n", b"two spaces\t\r\n"), (b"X-Folded: one", b"X-Other: one"), (b"Subject: ", b"SUBJECT:\t")],
)  # fmt: skip
def test_what_servers_do_on_the_way_is_borne(algorithm: str, before: bytes, after: bytes) -> None:
    assert verdict(signed(algorithm).replace(before, after, 1), keys(algorithm)) == "pass"


def test_without_a_key_it_is_nobodys_and_without_dns_not_known() -> None:
    raw = signed("rsa")
    assert verdict(raw, {}) == "permerror"
    assert verdict(raw, {"s1._domainkey.example.org": None}) == "temperror"
    assert verdict(raw, {"s1._domainkey.example.org": b"v=DKIM1; k=rsa; p="}) == "permerror"
    assert verdict(raw, keys("ed25519")) in {"fail", "permerror"}


def weak(bits: int, exponent: int = 65_537) -> tuple[bytes, bytes]:
    private = rsa.generate_private_key(public_exponent=exponent, key_size=bits)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )  # fmt: skip
    der = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem, b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)


@pytest.mark.parametrize(
    ("bits", "expected"), [(1_024, "pass"), (4_096, "pass"), (4_104, "permerror")]
)
def test_keys_have_bounds(bits: int, expected: str) -> None:
    pem, record = weak(bits)
    raw = dkim.sign(HEADER + b"\r\n" + BODY, b"s1", b"example.org", pem) + HEADER + b"\r\n" + BODY
    assert verdict(raw, {"s1._domainkey.example.org": record}) == expected


def test_so_many_signatures_are_looked_at_and_no_more() -> None:
    field = signed("rsa").split(b"From:")[0]
    many = field * (MOST_SIGNATURES + 1) + HEADER + b"\r\n" + BODY
    assert len(check_dkim(many, keys("rsa"))) == MOST_SIGNATURES


def test_names_of_keys_are_few_and_read_from_the_header_alone() -> None:
    def field(number: int, name: str = "DKIM-Signature") -> bytes:
        return f"{name}: v=1; d=d{number}.example;\r\n\ts = s1 ; b=AA\r\n".encode()

    many = b"".join(field(n) for n in range(9)) + b"".join(field(n, "arc-seal") for n in range(50))
    found = key_names(many + b"\r\n" + field(99))
    assert found[:MOST_SIGNATURES] == [
        f"s1._domainkey.d{n}.example" for n in range(MOST_SIGNATURES)
    ]
    assert len(found) == MOST_NAMES
    assert key_names(b"Subject: x\r\n\r\n" + field(1)) == []
    long = b"DKIM-Signature: d=d.example; s=s; b=" + b"A" * MOST_FIELD + b"\r\n\r\n"
    assert key_names(long) == []
    assert key_names(b"DKIM-Signature: d=a..b; s=../x\r\n\r\n") in ([], ["x"])


def test_half_a_body_is_not_relied_on() -> None:
    pem, record = weak(2_048)
    raw = HEADER + b"\r\n" + BODY
    mail = dkim.sign(raw, b"s1", b"example.org", pem, length=True) + raw
    known: dict[str, bytes | None] = {"s1._domainkey.example.org": record}
    assert verdict(mail, known) == "pass"
    assert verdict(mail + b"and more\r\n", known) == "neutral"


@pytest.mark.parametrize(
    "field",
    [
        b"DKIM-Signature: \r\n",
        b"DKIM-Signature: v=1; a=rsa-sha256\r\n",
        b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s1; h=from; bh=x; b=" + b"A" * 9_000 + b"\r\n",
        b"DKIM-Signature: v=1; a=rsa-sha256; d=ex\xffample.org; s=s1; h=from; bh=AA; b=AA\r\n",
        b"DKIM-Signature: v=1; a=rsa-sha256; d=.; s=..; h=from; bh=AAAA; b=AAAA\r\n",
        b"DKIM-Signature: v=1; a=rsa-md5; d=example.org; s=s1; h=from; bh=AAAA; b=AAAA\r\n",
        b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s1; h=from; bh=AAAA; b=" + b" " * 4_000 + b"\r\n",
    ],
)  # fmt: skip
def test_what_is_no_signature_says_so(field: bytes) -> None:
    assert verdict(field + HEADER + b"\r\n" + BODY, keys("rsa")) in {"permerror", "fail"}


def vector(name: str) -> bytes:
    return (VECTORS / name).read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


FOOTBALL = {
    "test._domainkey.football.example.com": "test.txt",
    "brisbane._domainkey.football.example.com": b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
}
BROKEN = b"k=rsa; p=MFwwDQYJKoZIhvNAQEBBQADSwAwSAJBANmBe10IgY+u7h3enWTukkqtUD5PR52Tb/mPfjC0QJTocVBq6Za/PlzfV+Py92VaCak19F4WrbVTK5Gg5tW220MCAwEAAQ=="


@needs_vectors
@pytest.mark.parametrize(
    ("mail", "known", "expected"),
    [
        ("rfc6376.signed.msg", FOOTBALL, ["pass", "pass"]),
        ("rfc6376.signed.no_t.msg", FOOTBALL, ["fail"]),
        ("rfc6376.signed.rsa.msg", {"test._domainkey.football.example.com": BROKEN}, ["permerror"]),
        ("ed25519test2.msg", {"sed._domainkey.test.ex": "eximtest.dns"}, ["pass"]),
        ("test.message.baddomain", {"test._domainkey.legitimate.com": "test.txt"}, ["permerror"]),
        ("test.message", {}, []),
    ],
)
def test_vectors(mail: str, known: dict[str, str | bytes], expected: list[str]) -> None:
    keys = {
        name: (VECTORS / one).read_bytes().strip() if isinstance(one, str) else one
        for name, one in known.items()
    }
    assert [one.result for one in check_dkim(vector(mail), keys)] == expected


def test_a_key_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no private key"):
        signing.read_key("nonsense")
