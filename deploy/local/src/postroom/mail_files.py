"""Mails as people keep them in files: mbox, Maildir, single ones (all may be gzipped), directories.

Laws: what is read is never changed on the disk; a file is read in pieces, whatever its size; a mail
comes out with CRLF line ends, and as it was before it was quoted for an mbox (RFC 4155, mboxrd).
"""

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

LARGEST: Final = 25 * 1024 * 1024
"""No mail may be larger in Postroom."""
_QUOTED: Final = re.compile(rb">+From ")
_ANY_BEGIN: Final = re.compile(rb"From ")
_STAMPED_BEGIN: Final = re.compile(rb"From .{1,300}?[0-9]{1,2}:[0-9]{2}.{0,40}[0-9]{4}")
_HEADER: Final = re.compile(rb"[!-9;-~]{1,200}[ \t]*:")
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")
_GZIP: Final = b"\x1f\x8b"
_LOOK: Final = 4_096


@dataclass(frozen=True, slots=True)
class FoundMail:
    """A mail, and where it stands; or, without content, why it cannot be had."""

    where: str
    raw: bytes
    read: int
    """Bytes of its file up to its end."""
    trouble: str = ""


def size_of(path: Path) -> int:
    """Return the bytes that `read` will go through."""
    return sum(one.stat().st_size for one in _files(path))


def read(path: Path) -> Iterator[FoundMail]:
    """Yield each mail below `path`, in the order of names; OSError when it is not there."""
    path.stat()
    for file in _files(path):
        try:
            with file.open("rb") as stream:
                if stream.peek(2)[:2] == _GZIP:
                    yield from _of_gzip(stream, str(file))
                else:
                    yield from _of_file(stream, str(file))
        except (OSError, EOFError, zlib.error) as error:
            words = getattr(error, "strerror", None) or str(error)
            yield FoundMail(str(file), b"", 0, words)


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    maildir = (path / "cur").is_dir() and (path / "new").is_dir()
    for one in sorted(path.iterdir()):
        # A mail in `tmp` is not there yet; other files of a Maildir are the server's own.
        if maildir and (one.name == "tmp" or not one.is_dir()):
            continue
        if not one.is_symlink():
            yield from _files(one)


def _of_gzip(packed: io.BufferedReader, where: str) -> Iterator[FoundMail]:
    with gzip.open(packed) as stream:
        for mail in _of_file(stream, where):
            yield replace(mail, read=packed.tell())


def _of_file(stream: BinaryIO | gzip.GzipFile, where: str) -> Iterator[FoundMail]:
    begin = stream.read(_LOOK)
    stream.seek(0)
    if begin.startswith(b"From "):
        yield from _of_mbox(stream, where)
    elif not begin.strip():
        yield FoundMail(where, b"", len(begin), "empty")
    elif not _HEADER.match(begin):
        yield FoundMail(where, b"", 0, "this is no mail and no mbox")
    else:
        raw = _BARE_LF.sub(b"\r\n", stream.read(LARGEST + 1))
        yield _mail(where, raw, stream.tell())


def _of_mbox(stream: BinaryIO | gzip.GzipFile, where: str) -> Iterator[FoundMail]:
    lines: list[bytes] = []
    size = number = read_ = 0
    blank, begins = True, _ANY_BEGIN
    for line in stream:
        if blank and begins.match(line):
            # A file whose first mail is stamped has stamps everywhere: other lines are text.
            if not number and _STAMPED_BEGIN.match(line):
                begins = _STAMPED_BEGIN
            if number:
                yield _mail(f"{where}, mail {number}", _body(lines, size), read_)
            number += 1
            lines, size = [], 0
        elif size <= LARGEST:
            lines.append(_ended(line[1:] if _QUOTED.match(line) else line))
            size += len(lines[-1])
        read_ += len(line)
        blank = not line.strip(b"\r\n")
    yield _mail(f"{where}, mail {number}", _body(lines, size), read_)


def _body(lines: list[bytes], size: int) -> bytes:
    """Return a mail without the empty line that stands before the next one in an mbox."""
    if size <= LARGEST and lines and lines[-1] == b"\r\n":
        return b"".join(lines[:-1])
    return b"".join(lines)


def _mail(where: str, raw: bytes, read_: int) -> FoundMail:
    if len(raw) > LARGEST:
        return FoundMail(where, b"", read_, f"larger than {LARGEST // 2**20} MiB")
    if not raw.strip():
        return FoundMail(where, b"", read_, "empty")
    return FoundMail(where, raw, read_)


def _ended(line: bytes) -> bytes:
    """Return a line with CRLF at its end, if it has an end."""
    if line.endswith(b"\r\n") or not line.endswith(b"\n"):
        return line
    return line[:-1] + b"\r\n"
