"""Mails come out of files as they were, whoever wrote the files."""

import gzip
from pathlib import Path

import pytest

from postroom import mail_files
from postroom.mail_files import FoundMail

ONE = b"From: a@example.net\r\nSubject: one\r\n\r\nhello\r\n"
TWO = b"From: b@example.net\r\nSubject: two\r\n\r\nFrom here on\r\n>From there\r\n"


def mails(path: Path) -> list[bytes]:
    return [one.raw for one in mail_files.read(path)]


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"From x Mon\nFrom: a@example.net\nSubject: one\n\nhello\n\n", [ONE]),
        # No empty line, and no line end, at the very end.
        (b"From x Mon\nFrom: a@example.net\nSubject: one\n\nhello\n", [ONE]),
        (b"From x Mon\nFrom: a@example.net\nSubject: one\n\nhello", [ONE.removesuffix(b"\r\n")]),
        # CRLF, and several.
        (
            b"From x Mon\r\n" + ONE + b"\r\nFrom y Tue\r\n" + ONE + b"\r\n",
            [ONE, ONE],
        ),
        # mboxrd: each quoting is undone once; a From in a paragraph's midst separates nothing.
        (
            b"From x Mon\nFrom: b@example.net\nSubject: two\n\n>From here on\n>>From there\n\n",
            [TWO],
        ),
        (b"From x Mon\nSubject: x\n\na\nFrom me\n\n", [b"Subject: x\r\n\r\na\r\nFrom me\r\n"]),
        # Where mails begin with a stamp, a line without one is text.
        (
            b"From x Mon Jan  3 10:00:00 2009\nA: x\n\na\n\nFrom me\n\nFrom y Tue 4:00 2009\nB: y\n\n\n",
            [b"A: x\r\n\r\na\r\n\r\nFrom me\r\n", b"B: y\r\n\r\n"],
        ),
        # A mail of nothing between two.
        (b"From x Mon\n\nFrom y Tue\nSubject: y\n\n\n", [b"", b"Subject: y\r\n\r\n"]),
    ],
)
def test_mbox(content: bytes, found: list[bytes], tmp_path: Path) -> None:
    path = write(tmp_path / "box", content)
    assert mails(path) == found
    assert list(mail_files.read(path))[-1].read == len(content) == mail_files.size_of(path)


def test_every_mail_is_named_and_so_is_its_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_files, "LARGEST", 60)
    big = b"Subject: big\n\n" + b"x" * 100 + b"\n\n"
    path = write(tmp_path / "box", b"From x\n" + big + b"From y\nSubject: y\n\n\n" + b"From z\n\n")
    found = list(mail_files.read(path))
    assert [(one.where, one.trouble) for one in found] == [
        (f"{path}, mail 1", "larger than 0 MiB"),
        (f"{path}, mail 2", ""),
        (f"{path}, mail 3", "empty"),
    ]
    single = write(tmp_path / "big.eml", big)
    assert [one.trouble for one in mail_files.read(single)] == ["larger than 0 MiB"]


def test_a_maildir_with_its_folders(tmp_path: Path) -> None:
    write(tmp_path / "cur" / "1.M1.host:2,S", ONE.replace(b"\r\n", b"\n"))
    write(tmp_path / "new" / "2.M2.host", TWO)
    write(tmp_path / "tmp" / "3.M3.host", b"Subject: half a m")
    write(tmp_path / "dovecot-uidlist", b"3 V1 N1\n")
    write(tmp_path / ".Sent" / "cur" / "4", ONE)
    (tmp_path / ".Sent" / "new").mkdir()
    assert mails(tmp_path) == [ONE, ONE, TWO]


def test_directories_of_anything(tmp_path: Path) -> None:
    write(tmp_path / "b" / "two.eml", TWO)
    write(tmp_path / "a.txt", b"no mail at all\n")
    write(tmp_path / "c.mbox", b"From x\n" + ONE)
    write(tmp_path / "empty", b"")
    (tmp_path / "loop").symlink_to(tmp_path)
    found = list(mail_files.read(tmp_path))
    assert [one.raw for one in found if not one.trouble] == [TWO, ONE]
    assert {Path(one.where).name: one.trouble for one in found if one.trouble} == {
        "a.txt": "this is no mail and no mbox", "empty": "empty",
    }  # fmt: skip


def test_gzipped_archives(tmp_path: Path) -> None:
    path = tmp_path / "box.mbox.gz"
    packed = gzip.compress(b"From x\n" + ONE + b"\nFrom y\n" + b"A: b\r\n\r\n" + ONE)
    path.write_bytes(packed)
    assert mails(path) == [ONE, b"A: b\r\n\r\n" + ONE]
    assert list(mail_files.read(path))[-1].read == len(packed) == mail_files.size_of(path)
    path.write_bytes(packed[:-20])
    assert [bool(one.trouble) for one in mail_files.read(path)][-1]


def test_one_byte_and_bare_ends(tmp_path: Path) -> None:
    assert next(mail_files.read(write(tmp_path / "x", b"x"))).trouble
    assert mails(write(tmp_path / "y.eml", b"A:\rb\n\nc")) == [b"A:\rb\r\n\r\nc"]


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        list(mail_files.read(tmp_path / "nowhere"))


def test_a_file_that_may_not_be_read_keeps_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.eml", ONE)
    write(tmp_path / "b.eml", TWO)
    usual = Path.open

    def refuses(self: Path, *args: str) -> object:
        if self.name == "a.eml":
            raise PermissionError(13, "Permission denied")
        return usual(self, *args)  # type: ignore[call-overload]  # as it was called

    monkeypatch.setattr(Path, "open", refuses)
    first, second = mail_files.read(tmp_path)
    assert first == FoundMail(str(tmp_path / "a.eml"), b"", 0, "Permission denied")
    assert second.raw == TWO
