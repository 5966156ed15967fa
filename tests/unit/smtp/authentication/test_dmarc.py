"""Alignment, policies, and whose mail it is that people see."""

import pytest

from postroom_contract.mail import Signature
from postroom_smtp.domain.dmarc import Record, author_domain, judged, record_of
from postroom_smtp.publicsuffix_organisations import PublicSuffixes

ORGANISATION = PublicSuffixes().organisation


@pytest.mark.parametrize(
    ("domain", "organisation"),
    [
        ("example.com", "example.com"),
        ("a.b.example.com", "example.com"),
        ("example.co.uk", "example.co.uk"),
        ("mail.example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("single", "single"),
    ],
)
def test_organisations(domain: str, organisation: str) -> None:
    assert ORGANISATION(domain) == organisation


@pytest.mark.parametrize(
    ("field", "domain"),
    [
        (b"From: a@Example.COM\r\n", "example.com"),
        (b'From: "x@evil.example" <a@example.com>\r\n', "example.com"),
        (b"From: a@b\xc3\xbccher.example\r\n", "xn--bcher-kva.example"),
        (b"From: a@example.com, b@example.com\r\n", "example.com"),
        (b"From: a@example.com, b@example.net\r\n", ""),
        (b"From: a@example.com\r\nFrom: b@example.com\r\n", ""),
        (b"From: nobody\r\n", ""),
        (b"From:\r\n", ""),
        (b"X-From: a@example.com\r\n", ""),
        (b"from : a@example.com\r\n", "example.com"),
        (b"From: <a@example.com\r\n", "example.com"),
    ],
)  # fmt: skip
def test_the_author_s_domain(field: bytes, domain: str) -> None:
    assert author_domain(field + b"Subject: x\r\n\r\nFrom: c@body.example\r\n") == domain


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([b"v=DMARC1; p=reject"], Record(policy="reject", subdomains="reject")),
        ([b"v=DMARC1;p=none;sp=quarantine;adkim=s;aspf=s"],
         Record(policy="none", subdomains="quarantine", strict_dkim=True, strict_spf=True)),
        ([b"v=spf1 -all", b"v=DMARC1; p=REJECT; pct=5"], Record(policy="reject", subdomains="reject")),
        ([b"v=DMARC1; p=oops; rua=mailto:a@b.example"], Record(policy="none", subdomains="none")),
        ([b"v=DMARC1; p=oops"], None),
        ([b"v=DMARC1; p=none", b"v=DMARC1; p=reject"], None),
        ([b"p=reject; v=DMARC1"], None),
        ([b"v=DMARC2; p=reject"], None),
        ([b""], None),
        ([], None),
    ],
)  # fmt: skip
def test_records(texts: list[bytes], expected: Record | None) -> None:
    assert record_of(texts) == expected


def signed(domain: str, result: str = "pass") -> Signature:
    return Signature(domain=domain, selector="s", result=result)  # type: ignore[arg-type]  # of the table


RELAXED = Record(policy="reject", subdomains="quarantine")
STRICT = Record(policy="reject", subdomains="none", strict_dkim=True, strict_spf=True)


@pytest.mark.parametrize(
    ("record", "spf", "signatures", "expected"),
    [
        (RELAXED, ("pass", "example.com"), [], "pass"),
        (RELAXED, ("pass", "bounce.example.com"), [], "pass"),
        (RELAXED, ("pass", "example.net"), [], "fail"),
        (RELAXED, ("softfail", "example.com"), [], "fail"),
        (RELAXED, ("none", ""), [signed("mail.example.com")], "pass"),
        (RELAXED, ("none", ""), [signed("example.net"), signed("example.com")], "pass"),
        (RELAXED, ("none", ""), [signed("example.com", "fail")], "fail"),
        (RELAXED, ("none", ""), [signed("example.com", "neutral")], "fail"),
        (RELAXED, ("none", ""), [signed("com")], "fail"),
        (RELAXED, ("none", ""), [signed("notexample.com")], "fail"),
        (RELAXED, ("none", ""), [signed("example.com", "temperror")], "temperror"),
        (RELAXED, ("temperror", "example.com"), [], "temperror"),
        (RELAXED, ("temperror", "example.net"), [], "fail"),
        (STRICT, ("pass", "bounce.example.com"), [], "fail"),
        (STRICT, ("pass", "example.com"), [], "pass"),
        (STRICT, ("none", ""), [signed("mail.example.com")], "fail"),
        (STRICT, ("none", ""), [signed("example.com")], "pass"),
    ],
)
def test_alignment(record, spf, signatures, expected) -> None:
    found = judged("example.com", record, spf, signatures, ORGANISATION, inherited=False)
    assert found == (expected, "reject")


def test_a_subdomain_has_the_policy_for_subdomains() -> None:
    found = judged("a.example.com", RELAXED, ("none", ""), [], ORGANISATION, inherited=True)
    assert found == ("fail", "quarantine")
