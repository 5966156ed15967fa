"""Names of downloads, a text in pieces, and what remains of erased mail."""

from datetime import UTC, datetime, timedelta
from email.message import Message

import pytest

from postroom_api.domain.erasing import Counted, remaining
from postroom_api.domain.file_names import disposition, file_name, served_as
from postroom_api.domain.text_marks import blocks

NOW = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("", "attachment-3"),
        ("...", "attachment-3"),
        ("CON", "_CON"),
        ("aux.txt", "_aux.txt"),
        ("COM1.tar.gz", "_COM1.tar.gz"),
        ("console.txt", "console.txt"),
        ("invoice\u202excod.exe", "invoice_xcod.exe"),
        ('a"; filename="b.exe', "a_ filename=_b.exe"),
        ("a\r\nSet-Cookie: x", "a_Set-Cookie_ x"),
        ("Größe.csv", "Größe.csv"),
        ("x" * 10_000 + ".pdf", "x" * 116 + ".pdf"),
        ("y" * 10_000, "y" * 120),
    ],
)
def test_a_download_has_one_clean_name(label: str, name: str) -> None:
    made = file_name(label, 3)
    assert made == name
    header = disposition(made)
    assert header.isascii()
    assert header.isprintable()
    read = Message()
    read["Content-Disposition"] = header
    assert read.get_content_disposition() == "attachment"
    assert header.count('"') == 2


def test_what_runs_is_served_as_octets() -> None:
    for kind in ("text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "x/y"):
        assert served_as(kind) == "application/octet-stream"
    assert served_as("image/png") == "image/png"


def test_quotes_and_links_are_told_apart_and_nothing_is_lost() -> None:
    text = (
        "See https://x.example/a?b=1, or (http://y.example/).\n> old javascript:alert(1)\n"
        ">> older mailto:a@b.example\nftp://no.example <https://z.example/>\n"
    )
    found = blocks(text)
    assert "".join(piece.text for block in found for piece in block.pieces) == text
    assert [block.quoted for block in found] == [False, True, False]
    assert [piece.text for block in found for piece in block.pieces if piece.link] == [
        "https://x.example/a?b=1", "http://y.example/", "mailto:a@b.example", "https://z.example/",
    ]  # fmt: skip


def test_what_remains_says_until_when() -> None:
    counted = Counted(
        mails=2, posts=1, copies=3, newest_copy=NOW - timedelta(days=1), newest_mail=NOW
    )
    found = {one.what: one for one in remaining(counted, NOW, 30)}
    assert set(found) == {"copies", "events", "posts", "elsewhere"}
    assert found["copies"].until == NOW + timedelta(days=13)
    assert found["events"].until == NOW + timedelta(days=90)
    assert found["posts"].until is None
    assert [one.what for one in remaining(Counted(mails=0), NOW, 30)] == ["elsewhere"]
