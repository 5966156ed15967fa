"""What a mail says of deliveries: delivery status, complaints, old bounces, and what says nothing."""

import json
import time
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom_mail.address import parse_address
from postroom_mail.reports import MAX_FATES, MAX_TOKENS, MAX_WORDS, read_report
from postroom_mail.tokens import parse_keys, sign
from postroom_mail.values import Fate, Report
from support.corpora import SHARED

OURS = Path(__file__).parents[3] / "tests" / "corpus" / "bounce-flufl"
THEIRS = SHARED / "bounce-flufl"
DIFFERING: dict[str, str] = {}
"""File → why we read other addresses than flufl.bounce's own tests expect: none now."""
KEYS = parse_keys("1:" + "5a" * 32)


def crlf(text: str) -> bytes:
    return text.strip("\n").replace("\n", "\r\n").encode() + b"\r\n"


def dsn(*blocks: str, original: str = "", subject: str = "Undelivered") -> bytes:
    """A delivery status notification with these blocks for recipients."""
    status = "\n\n".join(("Reporting-MTA: dns; mx.example.net", *blocks))
    return crlf(f"""
From: MAILER-DAEMON@mx.example.net
Subject: {subject}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="x"

--x
Content-Type: text/plain

I am sorry.

--x
Content-Type: message/delivery-status

{status}

--x
Content-Type: message/rfc822

{original}

--x--
""")


def arf(fields: str, original: str) -> bytes:
    return crlf(f"""
From: feedback@isp.example
Subject: FW: Beans
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="x"

--x
Content-Type: text/plain

A complaint.

--x
Content-Type: message/feedback-report

{fields}

--x
Content-Type: message/rfc822

{original}

--x--
""")


FAILED = """Final-Recipient: rfc822; Ben@Example.NET
Original-Recipient: rfc822;ben@example.com
Action: failed
Status: 5.1.1 (bad destination mailbox)
Remote-MTA: dns; mx.example.com
Diagnostic-Code: smtp; 550 5.1.1 <ben@example.com>:
 no such user"""


def test_a_delivery_status_is_read_field_by_field() -> None:
    assert read_report(dsn(FAILED)) == Report(
        kind="delivery",
        fates=(
            Fate(
                action="failed", recipient="ben@example.net", original="ben@example.com",
                status="5.1.1", words="550 5.1.1 <ben@example.com>: no such user",
                server="mx.example.com",
            ),
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("block", "action", "status"),
    [
        ("Action: delayed\nStatus: 4.4.1", "delayed", "4.4.1"),
        ("Action: delivered\nStatus: 2.0.0", "delivered", "2.0.0"),
        ("Action: relayed\nStatus: 2.1.9", "relayed", "2.1.9"),
        ("Action: expanded (to a list)\nStatus: 2.1.5", "expanded", "2.1.5"),
        ("Action: error\nStatus: 5.1.1", "failed", "5.1.1"),
        ("Status: 5.2.1", "failed", "5.2.1"),
        ("Action: failed\nStatus: 4.4.7", "failed", "4.4.7"),
        # The nearer code stands in the server's words.
        ("Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550-5.1.1 gone", "failed", "5.1.1"),
        ("Action: failed\nDiagnostic-Code: smtp; 552 5.2.2 full", "failed", "5.2.2"),
        # … unless it says the contrary, or is an IP address.
        ("Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 450 4.2.0 x", "failed", "5.0.0"),
        ("Action: failed\nDiagnostic-Code: smtp; 550 5.9.9.9 blocked", "failed", ""),
    ],
)
def test_what_became_of_a_recipient(block: str, action: str, status: str) -> None:
    (fate,) = read_report(dsn(f"Final-Recipient: rfc822; ben@example.com\n{block}")).fates
    assert (fate.action, fate.status, fate.recipient) == (action, status, "ben@example.com")


@pytest.mark.parametrize(
    ("field", "address"),
    [
        ("rfc822; <ben@example.com>", "ben@example.com"),
        ("<ben@example.com>", "ben@example.com"),
        ("RFC822;ben@example.com (unknown)", "ben@example.com"),
        ("utf-8; ben@xn--bcher-kva.example", "ben@xn--bcher-kva.example"),
        ("x400; /S=ben/C=GB/", ""),
        ("rfc822; not an address", ""),
        ("rfc822; ben@example.com, ann@example.com", ""),
    ],
)
def test_recipients_are_addresses_or_nothing(field: str, address: str) -> None:
    (fate,) = read_report(dsn(f"Final-Recipient: {field}\nAction: failed\nStatus: 5.1.1")).fates
    assert fate.recipient == address


def test_a_status_in_base64_is_read_too() -> None:
    import base64

    status = base64.b64encode(crlf("Reporting-MTA: dns; x\n\n" + FAILED)).decode()
    raw = dsn().replace(
        b"message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net",
        b"message/delivery-status\r\nContent-Transfer-Encoding: base64\r\n\r\n" + status.encode(),
    )
    assert [one.status for one in read_report(raw).fates] == ["5.1.1"]


def test_a_status_is_read_where_only_the_patient_reader_reads_the_mail() -> None:
    broken = (
        b"--x\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n=\xff*\r\n"
    )
    raw = dsn(FAILED, FAILED.replace("5.1.1", "5.2.2")).replace(b"--x\r\n", broken + b"--x\r\n", 1)
    assert [one.status for one in read_report(raw).fates] == ["5.1.1", "5.2.2"]


def test_what_an_attached_mail_says_is_not_said_by_this_one() -> None:
    inner = dsn(FAILED).decode().replace("--x", "--y").replace('"x"', '"y"')
    raw = dsn(original=inner)
    assert read_report(raw).fates == ()


def test_a_complaint_is_found_by_our_token_in_the_original() -> None:
    tokens = [sign(KEYS, kind, 7) for kind in ("b", "r", "u")]
    report = read_report(
        arf(
            f"Feedback-Type: abuse\nUser-Agent: x/1\nVersion: 1\n"
            f"Original-Mail-From: <garden+{tokens[0].upper()}@example.org>\n"
            "Original-Rcpt-To: <ben@example.com>\nOriginal-Rcpt-To: ben@example.com",
            f"Return-Path: <garden+{tokens[0]}@example.org>\nReply-To: garden+{tokens[1]}@example.org\n"
            f"List-Unsubscribe: <mailto:garden+{tokens[2]}@example.org>,\n <https://x.example/u>\n"
            "To: Garden <garden@example.org>\nSubject: Beans\n\nHello",
        )
    )
    assert report.kind == "complaint"
    assert report.complaint is not None
    assert report.complaint.kind == "abuse"
    assert report.complaint.recipients == ("ben@example.com",)
    assert report.complaint.sender == f"garden+{tokens[0]}@example.org"
    assert report.tokens == tuple(tokens)


def test_a_complaint_with_headers_alone_and_without_angle_brackets() -> None:
    token = sign(KEYS, "u", 8)
    raw = arf("Feedback-Type: fraud", f"List-Unsubscribe: <mailto:g+{token}@example.org>")
    raw = raw.replace(b"message/rfc822", b"text/rfc822-headers")
    assert read_report(raw).tokens == (token,)


@pytest.mark.parametrize(
    "head",
    [
        "From: ben@example.com\nAuto-Submitted: auto-replied\nSubject: Re: Beans",
        "From: ben@example.com\nSubject: Out of office: Beans",
        "From: ben@example.com\nSubject: Automatische Antwort: Beans",
        "From: ben@example.com\nPrecedence: auto_reply\nSubject: Re: Beans",
        "From: ben@example.com\nX-Autoreply: yes\nSubject: Re: Beans",
    ],
)
def test_a_vacation_note_is_no_bounce_whatever_it_quotes(head: str) -> None:
    words = "The following addresses had permanent fatal errors\n<ben@example.com>\n"
    report = read_report(crlf(f"{head}\n\nI am away.\n----- {words}"))
    assert (report.kind, report.fates) == ("answer", ())


def test_a_persons_mail_says_nothing() -> None:
    assert read_report(crlf("From: ben@example.com\nSubject: Hi\n\nHow are you?")) == Report(
        kind="none"
    )


@pytest.mark.parametrize(
    ("name", "kind", "action", "status", "recipients"),
    [
        ("dsn_12", "delivery", "failed", "5.1.1", {"userx@example.jp"}),
        ("dsn_17", "delivery", "delayed", "4.3.0", {"userx@example.fi"}),
        ("simple_22", "guess", "delayed", "", {"user@example.org"}),
        ("simple_36", "guess", "failed", "", {"userx@example.com"}),
        ("simple_38", "guess", "failed", "", {"userx@example.com"}),
        # Its addresses were blacked out by who gave it away.
        ("simple_42", "delivery", "failed", "5.7.1", {""}),
    ],
)
def test_mails_of_others(
    name: str, kind: str, action: str, status: str, recipients: set[str]
) -> None:
    report = read_report((OURS / f"{name}.txt").read_bytes())
    assert report.kind == kind
    assert {one.action for one in report.fates} == {action}
    assert {one.status for one in report.fates} == {status}
    assert {one.original or one.recipient for one in report.fates} == recipients


@pytest.mark.skipif(not THEIRS.is_dir(), reason=f"no corpus at {THEIRS}")
def test_every_case_of_flufl_bounce() -> None:
    """One of its files may be two cases: of a detector that finds nothing, and of one that does."""
    expected: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for case in json.loads((THEIRS / "expected.json").read_text()):
        action = "delayed" if case["temporary"] else "failed"
        found = {(action, parse_address(one).canonical) for one in case["addresses"]}
        expected[case["file"]] |= found
    assert len(expected) == 115
    differing = {}
    for name, wanted in expected.items():
        fates = read_report((THEIRS / name).read_bytes()).fates
        got = {(one.action, one.original or one.recipient) for one in fates}
        if {one for one in got if one[1]} != wanted:
            differing[name] = (wanted, got)
    assert differing.keys() == DIFFERING.keys(), differing


def test_a_from_field_that_stops_the_detectors_does_not_hide_a_bounce() -> None:
    raw = (OURS / "simple_36.txt").read_bytes()
    for sender in (b"From: \xfcber\n", b"From:\n", b"X-From: x\n"):
        lines = [
            one for one in raw.splitlines(keepends=True) if not one.lower().startswith(b"from")
        ]
        assert read_report(sender + b"".join(lines)).kind == "guess", sender


HOSTILE = {
    "blocks": lambda: dsn(*["Final-Recipient: rfc822; a@example.com\nAction: failed"] * 50_000),
    "blank lines": lambda: dsn("\n \t\n" * 100_000),
    "long words": lambda: dsn("Action: failed\nDiagnostic-Code: smtp; " + "5.1.1 " * 300_000),
    "comments": lambda: dsn("Action: failed\nFinal-Recipient: rfc822; " + "(" * 60_000),
    "spaces": lambda: dsn("Action: failed\nFinal-Recipient: rfc822; a" + " " * 60_000 + "b"),
    "tokens": lambda: arf(
        "Feedback-Type: abuse",
        "\n".join(f"To: g+{sign(KEYS, 'b', n)}@example.org" for n in range(900)),
    ),
    "nearly tokens": lambda: arf("Feedback-Type: abuse", "To: " + "+b1-" * 15_000),
    "known words": lambda: crlf(
        "From: mailer-daemon@x.example\n\n" + "had permanent fatal errors -----\n<a@b\n" * 200_000
    ),
    "nested": lambda: b"".join(
        b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (n, n) for n in range(1_500)
    ),
    "no line ends": lambda: b"From: a@b.example\r\n\r\n" + b"<a@b.example> " * 300_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mails_are_bounded(name: str) -> None:
    raw = HOSTILE[name]()
    began = time.process_time()
    report = read_report(raw)
    assert time.process_time() - began < 4, "a worker has 5 s of CPU time"
    assert len(report.fates) <= MAX_FATES
    assert len(report.tokens) <= MAX_TOKENS
    assert all(len(one.words) <= MAX_WORDS and len(one.server) <= MAX_WORDS for one in report.fates)


@given(st.binary(max_size=400), st.integers(0, 1_500))
def test_no_damage_raises(noise: bytes, at: int) -> None:
    raw = dsn(FAILED)
    read_report(raw[:at] + noise + raw[at:])
    read_report(noise)
