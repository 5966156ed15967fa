"""HTML as text, subjects, labels, charsets."""

import time

import pytest

from postroom_mail.charset import decode
from postroom_mail.text import (
    MAX_LABEL,
    MAX_TEXT,
    clean_subject,
    cut,
    html_to_text,
    label,
    one_line,
    read_html,
    reply_subject,
)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one<br>two &amp; &lt;three&gt;</p><div>four</div>", "one\ntwo & <three>\n\nfour"),
        ("<head><title>T</title><style>p{}</style></head><script>x()</script>body", "body"),
        ("<ul><li>a<li>b</ul>", "- a\n- b"),
        ("see <a href='http://x.example/y'>here</a>", "see here <http://x.example/y>"),
        ("<a href='http://x.example'>http://x.example</a>", "http://x.example"),
        ("<a name=x>no link</a>", "no link"),
        ("<a href='javascript:x()'>click</a>", "click"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_html(html: str, text: str) -> None:
    assert html_to_text(html) == text


@pytest.mark.parametrize(
    "html",
    [
        "<" * MAX_TEXT,
        "<!" * 500_000,
        "<blockquote>x" * 80_000,
        "<table><tr><td>" * 70_000,
        "<a href=http://x>" * 60_000,
        "<p " + "a=1 " * 250_000,
        "\0" * 10_000 + "x",
        "<b>" * 10**6,
    ],
    ids=["lt", "doctype", "quote", "table", "anchor", "attributes", "nul", "bold"],
)
def test_hostile_html_takes_no_time(html: str) -> None:
    started = time.process_time()  # not of the wall: other tests take their share of the machine
    read_html(html)
    assert time.process_time() - started < 2


def test_deep_html_says_what_is_missing() -> None:
    text, defects = read_html("<div>x" * 1_000)
    assert "x" in text
    assert defects == ("a part of the HTML could not be read and is not shown",)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "passwd"),
        (r"C:\dir\file.doc", "file.doc"),
        ("CON", "CON"),
        ("a\u202etxt.exe", "atxt.exe"),
        ("a\0b\r\nc.txt", "a b c.txt"),
        ("..", ""),
        ("", ""),
        (".htaccess", "htaccess"),
    ],
)
def test_label(name: str, expected: str) -> None:
    assert label(name) == expected


def test_long_label_keeps_its_extension() -> None:
    assert label("x" * 10_240 + ".pdf") == "x" * (MAX_LABEL - 4) + ".pdf"
    assert len(label("x" * 10_240)) == MAX_LABEL


@pytest.mark.parametrize(
    ("subject", "tag", "expected"),
    [
        ("Re: AW: Fwd: hello", None, "hello"),
        ("Re: [Garden] Re: hello", "Garden", "hello"),
        ("[Garden] hello", None, "[Garden] hello"),
        ("Re[2]: Re(3): hello", None, "hello"),
        ("Antw: SV: hello", None, "hello"),
        ("Regarding: hello", None, "Regarding: hello"),
        ("re:re:re:", None, ""),
        ("a\r\nBcc: x", None, "a Bcc: x"),
    ],
)
def test_clean_subject(subject: str, tag: str | None, expected: str) -> None:
    assert clean_subject(subject, tag) == expected


def test_reply_subject() -> None:
    assert reply_subject("hello") == reply_subject("Re: AW: hello") == "Re: hello"
    assert reply_subject("") == "Re:"


def test_one_line() -> None:
    assert one_line(" a\r\n\tb\u2028c\x00d ") == "a b c d"
    assert one_line("a\ud800b") == "a b"


def test_cut_at_octets_not_inside_a_character() -> None:
    assert cut("äää", 5) == ("ää", True)
    assert cut("äää", 6) == ("äää", False)


@pytest.mark.parametrize(
    ("data", "charset", "text", "wrong"),
    [
        (b"caf\xc3\xa9", None, "café", None),
        (b"caf\xc3\xa9", "us-ascii", "café", None),
        (b"caf\xe9", None, "café", "not valid utf-8"),
        (b"caf\xe9", "iso-8859-1", "café", None),
        (b"\x93q\x94", "iso-8859-1", "“q”", None),
        (b"caf\xe9", "x-unknown", "café", "not valid utf-8"),
        (b"cafe", "x-unknown", "cafe", "unknown charset 'x-unknown'"),
        (b"cafe", "rot13", "cafe", "unknown charset 'rot13'"),
        (b"cafe", "base64", "cafe", "unknown charset 'base64'"),
        (b"cafe", "punycode", "cafe", "unknown charset 'punycode'"),
        (b"cafe", "utf\08", "cafe", "unknown charset 'utf\\x008'"),
        (b"\xb1\xb1\xff", "gb2312", "北\ufffd", "not valid utf-8"),
        (b"+2AA-", "utf-7", "", None),
        (b"a\0b", None, "ab", None),
    ],
)
def test_decode(data: bytes, charset: str | None, text: str, wrong: str | None) -> None:
    assert decode(data, charset) == (text, wrong)
