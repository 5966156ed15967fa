"""Reading: any bytes, with defects instead of errors."""

import time
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from postroom_mail.addresslist import read_address_list
from postroom_mail.read import Attachment, Mail, Mailbox, framed, read, read_framed
from postroom_mail.text import MAX_TEXT

SIMPLE = b"""From: "Doe, Jo" <Jo@Example.ORG>\r
To: =?utf-8?q?J=C3=BCrgen?= <j@x.example>, team: a@b.example, c@d.example;\r
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r
 =?utf-8?q?_an_alle?=\r
Message-ID: <1@x.example>\r
In-Reply-To: <0@x.example>\r
References: <a@x.example>\r
\t<0@x.example>\r
Date: Mon, 23 Nov 2026 23:00:00 +0100\r
\r
Hello\r
"""


def test_simple() -> None:
    mail = read(SIMPLE)
    assert mail.from_ == (Mailbox("Doe, Jo", "Jo@example.org"),)
    assert mail.to == (
        Mailbox("Jürgen", "j@x.example"),
        Mailbox("", "a@b.example"),
        Mailbox("", "c@d.example"),
    )
    assert mail.subject == "Grüße an alle"
    assert mail.message_id == "1@x.example"
    assert mail.in_reply_to == ("0@x.example",)
    assert mail.references == ("a@x.example", "0@x.example")
    assert mail.date == datetime(2026, 11, 23, 22, tzinfo=UTC)
    assert (mail.text, mail.text_source) == ("Hello\n", "plain")
    assert mail.size == len(SIMPLE)
    assert mail.defects == ()
    assert mail.header("subject") == ("Grüße an alle",)
    assert mail.header("SUBJECT") == mail.header("Subject")
    assert mail.header("x-none") == ()


def test_line_ends_do_not_matter() -> None:
    fields = msgspec.structs.asdict(read(SIMPLE))
    for end in (b"\n", b"\r"):
        other = msgspec.structs.asdict(read(SIMPLE.replace(b"\r\n", end)))
        assert {k: v for k, v in other.items() if k != "size"} == {
            k: v for k, v in fields.items() if k != "size"
        }


def test_encoded_newline_stays_on_its_line() -> None:
    """CVE-2024-6923."""
    mail = read(b"Subject: =?utf-8?q?a=0D=0ABcc:_evil=40x=0D=0A?=\r\n\r\n")
    assert mail.subject == "a Bcc: evil@x"
    assert mail.header("bcc") == ()


def mime(*parts: bytes, kind: bytes = b"mixed") -> bytes:
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
    return b"Content-Type: multipart/" + kind + b"; boundary=b\r\n\r\n" + body


PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n\r\nplain"
HTML = b"Content-Type: text/html\r\n\r\n<p>rich</p>"
PDF = (
    b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
    b'Content-Disposition: attachment; filename="../../=?utf-8?q?=C3=A9?=.pdf"\r\n\r\nQUFB'
)


@pytest.mark.parametrize(
    ("raw", "text", "source", "attachments"),
    [
        (mime(PLAIN, HTML, kind=b"alternative"), "plain", "plain", ()),
        (mime(HTML, PLAIN, kind=b"alternative"), "plain", "plain", ()),
        (mime(b"\r\n  ", HTML, kind=b"alternative"), "rich", "html", ()),
        (mime(HTML, PLAIN), "rich\n\nplain", "html", ()),
        (mime(PLAIN, PLAIN), "plain\n\nplain", "plain", ()),
        (mime(PLAIN, PDF), "plain", "plain", (Attachment("é.pdf", "application/pdf", 3),)),
        (PDF, "", "none", (Attachment("é.pdf", "application/pdf", 3),)),
        (HTML, "rich", "html", ()),
        (
            mime(PLAIN, b"Content-Type: text/plain; name=x.txt\r\n\r\nabc"),
            "plain",
            "plain",
            (Attachment("x.txt", "text/plain", 3),),
        ),
        (
            mime(PLAIN, b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nxx"),
            "plain",
            "plain",
            (Attachment("", "message/rfc822", 17),),
        ),
        (b"", "", "none", ()),
        (b"no header at all\nsecond line\n", "no header at all\nsecond line\n", "plain", ()),
    ],
)
def test_bodies(raw: bytes, text: str, source: str, attachments: tuple[Attachment, ...]) -> None:
    mail = read(raw)
    assert (mail.text, mail.text_source, mail.attachments) == (text, source, attachments)


def test_dirty_base64_is_repaired_by_the_second_reader() -> None:
    dirty = PDF.replace(b"QUFB", b"QUF!B")
    mail = read(mime(PLAIN, dirty))
    assert mail.text == "plain"
    assert mail.attachments == (Attachment("é.pdf", "application/pdf", 3),)
    assert "repaired" in mail.defects[0]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"Thu, 01 Jan 1970 00:00:00 +0000", datetime(1970, 1, 1, tzinfo=UTC)),
        (b"1 Jan 2026 12:00", datetime(2026, 1, 1, 12, tzinfo=UTC)),
        (b"Thu, 1 Jan 26 12:00:00 EST", datetime(2026, 1, 1, 17, tzinfo=UTC)),
        (b"1 Jan 2026 12:00:00 -0000", datetime(2026, 1, 1, 12, tzinfo=UTC)),
        (b"Sun, 18 Aug 102 20:51:35 +0000", datetime(2002, 8, 18, 20, 51, 35, tzinfo=UTC)),
        (b"Thu, 01 Jan 1969 00:00:00 +0000", None),
        (b"1 Jan 9999 23:59:59 -2359", None),
        (b"1 Jan 2026 12:00:00 +9999999", None),
        (b"32 Jan 2026 12:00:00 +0000", None),
        (b"yesterday", None),
        (b"9" * 10_000, None),
    ],
)
def test_date(value: bytes, expected: datetime | None) -> None:
    mail = read(b"Date: " + value + b"\r\n\r\n")
    assert mail.date == expected
    assert bool(mail.defects) == (expected is None)


def test_references_keep_the_newest_hundred() -> None:
    ids = b" ".join(b"<%d@x>" % n for n in range(150))
    assert read(b"References: " + ids + b"\r\n\r\n").references == tuple(
        f"{n}@x" for n in range(50, 150)
    )


@pytest.mark.parametrize("value", [b"<a b@x>", b"<>", b"<\xc3\xa9@x>", b"<" + b"a" * 600 + b"@x>"])
def test_message_id_that_cannot_be_written_again(value: bytes) -> None:
    mail = read(b"Message-ID: " + value + b"\r\n\r\n")
    assert mail.message_id is None
    assert mail.defects == ("the Message-ID is not one",)


@pytest.mark.parametrize(("count", "cut"), [(1_000, False), (1_001, True)])
def test_limit_of_addresses(count: int, cut: bool) -> None:
    value = ", ".join(["a@b.example"] * count)
    found, defects = read_address_list(value)
    assert len(found) == 1_000
    assert bool(defects) == cut


@pytest.mark.parametrize(("count", "cut"), [(1_000, False), (1_001, True)])
def test_limit_of_header_lines(count: int, cut: bool) -> None:
    mail = read(b"X: y\r\n" * count + b"\r\nbody")
    assert len(mail.headers) == 1_000
    assert mail.text == "body"
    assert bool(mail.defects) == cut


def nested(depth: int) -> bytes:
    opening = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%04d\r\n\r\n--b%04d\r\n" % (n, n)
        for n in range(depth - 1)
    )
    return opening + b"\r\ndeep"


@pytest.mark.parametrize(("depth", "text"), [(20, "deep"), (21, "")])
def test_limit_of_depth(depth: int, text: str) -> None:
    mail = read(nested(depth))
    assert mail.text == text
    assert bool(mail.defects) == (not text)


@pytest.mark.parametrize(("count", "cut"), [(500, False), (501, True)])
def test_limit_of_parts(count: int, cut: bool) -> None:
    mail = read(mime(*[b"Content-Type: a/b\r\n\r\nx"] * count))
    assert len(mail.attachments) == 500
    assert bool(mail.defects) == cut


@pytest.mark.parametrize(("size", "cut"), [(MAX_TEXT, False), (MAX_TEXT + 1, True)])
def test_limit_of_text(size: int, cut: bool) -> None:
    mail = read(b"A: b\r\n\r\n" + b"x" * size)
    assert len(mail.text) == MAX_TEXT
    assert bool(mail.defects) == cut


def test_cut_text_is_still_utf8() -> None:
    mail = read(b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + "€".encode() * MAX_TEXT)
    assert set(mail.text) == {"€"}
    assert len(mail.defects) == 1


HOSTILE = {
    "100,000 From lines": b"From: a@b\r\n" * 100_000 + b"\r\nx",
    "one From of 100,000": b"From: " + b"a@b, " * 100_000 + b"\r\n\r\nx",
    "folded To": b"To: " + b"\r\n a@b," * 100_000 + b"\r\n\r\nx",
    "quotes": b"From: " + b'"' * 65_000 + b"\r\n\r\n",
    "quoted pairs": b"From: " + b'"\\' * 32_000 + b"\r\n\r\n",
    "comments": b"From: " + b"(" * 65_000 + b"\r\n\r\n",
    "brackets": b"From: " + b"[" * 65_000 + b"\r\n\r\n",
    "encoded words": b"Subject: " + b"=?utf-8?q?a?= " * 4_000 + b"\r\n\r\n",
    "half words": b"Subject: " + b"=?a?q?" * 10_000 + b"\r\n\r\n",
    "1,500 nested parts": nested(1_500),
    "nested messages": b"Content-Type: message/rfc822\r\n\r\n" * 2_000,
    "parts": mime(*[b"\r\nq"] * 100_000),
    "parameters": mime(b"Content-Type: text/plain;" + b" a*0=b;" * 300_000 + b"\r\n\r\nx"),
    "spaces": mime(b"Content-Type: text/plain;" + b" " * 3_000_000 + b"\r\n\r\nx"),
    "no line end": b"X" * 5_000_000,
    "carriage returns": b"A: b" + b"\r" * 5_000_000,
    "line feeds": mime(b"Content-Transfer-Encoding: base64\r\n\r\nQ!", b"\r\n" + b"\n" * 5_000_000),
    "nul": b"\0" * 1_000_000,
    "long boundary": b"Content-Type: multipart/mixed; boundary=" + b"b" * 60_000 + b"\r\n\r\n" + b"--bb" * 9_999,
    "450 HTML parts": mime(*[b"Content-Type: text/html\r\n\r\n" + b"<div>x" * 3_000] * 450),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_takes_no_time(name: str) -> None:
    started = time.monotonic()
    mail = read(HOSTILE[name])
    assert time.monotonic() - started < 2
    check_storable(mail)


def check_storable(mail: Mail) -> None:
    """A Mail goes as msgpack over the wire and as text into Postgres."""
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(mail), type=Mail) == mail
    assert b"\\u0000" not in msgspec.json.encode(mail)
    lines = [mail.subject, *(value for _, value in mail.headers)]
    lines += [part for box in mail.from_ + mail.to + mail.cc for part in (box.name, box.address)]
    assert all(len(line.splitlines()) <= 1 for line in lines)
    assert "\r" not in mail.text


TOKENS = (
    b"From: ", b"To:", b"Subject: ", b"Content-Type: ", b"multipart/mixed; boundary=b", b"--b", b"--b--",
    b"text/html", b"; charset=", b"utf-8", b"utf-16", b"rot13", b"Content-Transfer-Encoding: base64",
    b"quoted-printable", b"=?utf-8?b?", b"=?x?q?=0D=0A?=", b"?=", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ",
    b"<", b">", b"@", b",", b";", b":", b'"', b"\\", b"(", b")", b"\0", b"\xff", b"\xed\xa0\x80", b"QUFB",
    b"message/rfc822", b"Date: 1 Jan 2026 99:99 +9999", b"References: <a@b>", b"=", b"<p>", b"&#xD800;",
    b"filename*=utf-8''%ff", b"filename*0*=", b"Content-Disposition: attachment; ", b"begin 644 x",
)  # fmt: skip


@given(st.one_of(st.binary(max_size=400), st.lists(st.sampled_from(TOKENS)).map(b"".join)))
@example(b"From:\r\n =?utf-7?q?+2AA-?= <a@b>\r\n\r\n")
@example(b"Content-Type: text/plain; charset=utf-7\r\n\r\n+2AA-")
@example(b"Subject: \xe2\x80\xa8x\x85\r\n\r\n")
def test_read_never_raises(raw: bytes) -> None:
    check_storable(read(raw))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a@B.C", [("", "a@b.c")]),
        ('"a@b"@C', [("", '"a@b"@c')]),
        ("<@x,@y:u@z>", [("", "u@z")]),
        ("John Doe j@k", [("John Doe", "j@k")]),
        ("j@k (John (the) Doe)", [("John the Doe", "j@k")]),
        ("=?utf-8?q?a=40evil=2C?= <x@y>", [("a@evil,", "x@y")]),
        ("=?utf-8?q?evil=40x?=", []),
        ("broken <x@y", [("broken", "x@y")]),
        ('"open <x@y>', [("open", "x@y")]),
        ("undisclosed-recipients:;", []),
        ("x at y", []),
        ("<>", []),
        ("a@x,,b@y", [("", "a@x"), ("", "b@y")]),
    ],
)
def test_address_list(value: str, expected: list[tuple[str, str]]) -> None:
    found, _ = read_address_list(value)
    assert [(box.name, box.address) for box in found] == expected


RUSSIAN = "Привет, это письмо без кодировки"
KOI8 = (
    b"From: a@x.example\r\nSubject: "
    + RUSSIAN.encode("koi8-r")
    + b"\r\n\r\n"
    + RUSSIAN.encode("koi8-r")
)


def test_a_fallback_charset_is_for_what_names_none() -> None:
    mail = read_framed(framed(KOI8, "koi8-r"))
    assert (mail.subject, mail.text) == (RUSSIAN, RUSSIAN)
    assert mail.size == len(KOI8), "the frame is not part of the mail"
    assert read(KOI8).text == RUSSIAN.encode("koi8-r").decode("cp1252")
    assert read_framed(framed(KOI8, "")) == read(KOI8)
    ascii_ = KOI8.replace(b"\r\n\r\n", b"\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n")
    assert read(ascii_, "koi8-r").text == RUSSIAN, "who says US-ASCII and means more says nothing"


def test_a_fallback_charset_changes_nothing_that_is_said_or_utf_8() -> None:
    head = b"From: a@x.example\r\nContent-Type: text/plain; charset="
    for declared, octets in (
        (b"windows-1251", RUSSIAN.encode("cp1251")),
        (b"utf-8", RUSSIAN.encode()),
    ):
        assert read(head + declared + b"\r\n\r\n" + octets, "koi8-r").text == RUSSIAN
    assert read(b"From: a@x.example\r\n\r\n" + RUSSIAN.encode(), "koi8-r").text == RUSSIAN


def test_a_charset_nobody_knows_is_as_none() -> None:
    for name in ("no-such", "punycode", "koi8-r" * 20, "кои8", ""):
        assert read_framed(framed(KOI8, name)) == read(KOI8)
