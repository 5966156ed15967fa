"""A real list's archive: imagej-devel, 2009 to 2016, and what its own archiver made of it."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from postroom.mail_files import read as read_files
from postroom_forum_bridge.domain.threading import Names, names_of
from postroom_mail.read import read
from postroom_mail.values import Mail
from support.corpora import SHARED

FOLDER = SHARED / "list-imagej-devel"
_AUTHOR = re.compile(rb"(?m)^(From: \S+) at (\S+)")
"""How pipermail writes an author's address."""


@dataclass(frozen=True, slots=True)
class Theirs:
    """Where pipermail put a mail."""

    month: str
    """Of the page that it stands on; no thread goes over two pages."""
    parent: str | None
    root: str


@dataclass(frozen=True, slots=True)
class Archived:
    """One mail of the archive."""

    raw: bytes
    mail: Mail
    names: Names
    came: int
    """Its number, in the order in which the list took them."""
    theirs: Theirs


def archive(folder: Path = FOLDER) -> dict[str, Archived]:
    """Return every mail by its Message-ID, in the order in which they came."""
    theirs = json.loads((folder / "pipermail-threads.json").read_text())
    made: dict[str, Archived] = {}
    for found in read_files(folder / "imagej-devel.mbox.gz"):
        assert not found.trouble, found
        raw = _AUTHOR.sub(rb"\1@\2", found.raw, count=1)
        mail = read(raw)
        assert mail.message_id, found.where
        assert mail.message_id not in made, found.where
        names = names_of(mail.message_id, mail.in_reply_to, mail.references)
        stated = Theirs(**theirs[mail.message_id])
        made[mail.message_id] = Archived(raw, mail, names, len(made), stated)
    return made


def threads(mails: dict[str, Archived]) -> list[list[str]]:
    """Return whole threads: mails that an id of their headers, or pipermail, puts together."""
    up: dict[str, str] = {}

    def top(one: str) -> str:
        while up.setdefault(one, one) != one:
            one = up[one]
        return one

    for one, mail in mails.items():
        for other in (*mail.names.named, mail.theirs.root):
            up[top(other)] = top(one)
    groups: dict[str, list[str]] = {}
    for one in mails:
        groups.setdefault(top(one), []).append(one)
    return list(groups.values())
