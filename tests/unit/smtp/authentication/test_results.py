"""Our Authentication-Results on top, and nobody else's under our name."""

import pytest

from postroom_contract.mail import Authentication, Signature
from postroom_smtp.domain.results import authentication_results, without_forged

NAME = "mx.ours.example"
FOUND = Authentication(
    spf="pass", spf_domain="example.com", author_domain="example.com", dmarc="fail", policy="reject",
    dkim=(Signature(domain="example.net", selector="s1", result="fail"),), arc="pass",
)  # fmt: skip


def test_the_field() -> None:
    field = authentication_results(NAME, FOUND, sender="a@example.com", helo="h", submitter="")
    assert field == (
        b"Authentication-Results: mx.ours.example;\r\n"
        b"\tspf=pass smtp.mailfrom=a@example.com;\r\n"
        b"\tdkim=fail header.d=example.net header.s=s1;\r\n"
        b"\tdmarc=fail header.from=example.com policy.published-domain-policy=reject;\r\n"
        b"\tarc=pass\r\n"
    )
    signed_in = authentication_results(
        NAME, None, sender="a@b.example", helo="h", submitter="a@b.example"
    )
    assert (
        signed_in
        == b"Authentication-Results: mx.ours.example;\r\n\tauth=pass smtp.auth=a@b.example\r\n"
    )


@pytest.mark.parametrize("evil", ["a\r\nBcc: x", "a; dmarc=pass", 'a"(b', "é\x00", "", "x" * 2_000])
def test_nothing_of_the_peer_s_ends_a_line_or_a_part(evil: str) -> None:
    found = Authentication(
        author_domain=evil, dkim=(Signature(domain=evil, selector=evil, result="pass"),)
    )
    field = authentication_results(NAME, found, sender=evil, helo=evil, submitter=evil)
    lines = field.decode("ascii").split("\r\n")
    assert lines[-1] == ""
    assert all(line.startswith("\t") for line in lines[1:-1])
    assert field.count(b"dmarc=") == 1
    assert field.count(b";") == len(lines) - 2
    assert all(len(line) < 998 for line in lines)


OTHER = b"Authentication-Results: mx.theirs.example; spf=pass\r\n"
MAIL = (
    b"Received: by x\r\n"
    + OTHER
    + b"Subject: x\r\n\r\nAuthentication-Results: mx.ours.example; a\r\n"
)


@pytest.mark.parametrize(
    "forged",
    [
        b"Authentication-Results: mx.ours.example; dmarc=pass\r\n",
        b"AUTHENTICATION-RESULTS:MX.OURS.EXAMPLE;\r\n\tdmarc=pass\r\n",
        b"Authentication-Results : mx.ours.example 1;\r\n dmarc=pass;\r\n spf=pass\r\n",
        b"Authentication-Results:\r\n (hi) mx.ours.example; dmarc=pass\r\n",
        b"Authentication-Results: (a(b)c)mx.ours.example\r\n",
        b'Authentication-Results: "mx.ours.example"; dmarc=pass\r\n',
    ],
)
def test_what_claims_to_be_ours_goes_and_all_else_stays(forged: bytes) -> None:
    assert without_forged(forged + MAIL, NAME) == MAIL
    assert without_forged(MAIL.replace(b"Subject", forged + b"Subject"), NAME) == MAIL
    assert without_forged(b"A: b\r\n" + forged + forged + b"\r\nbody", NAME) == b"A: b\r\n\r\nbody"


@pytest.mark.parametrize(
    "raw",
    [
        MAIL,
        b"",
        b"\r\n",
        b"Authentication-Results: mx.ours.example.evil; x\r\n\r\n",
        b"X-Authentication-Results: mx.ours.example; x\r\n\r\n",
        b"Subject: x\r\n Authentication-Results: mx.ours.example\r\n\r\n",
        b"ARC-Authentication-Results: i=1; mx.ours.example; x\r\n\r\n",
    ],
)
def test_what_is_not_ours_stays_to_the_byte(raw: bytes) -> None:
    assert without_forged(raw, NAME) == raw
