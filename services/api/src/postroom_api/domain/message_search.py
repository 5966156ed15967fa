"""What one wants to see of the message log, and what may be done to many mails at once."""

import re
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from postroom_contract.rules import Importance

MAX_WORDS: Final = 8
TELLING: Final = 3
"""Letters from which on an index helps: nearly every mail has a word that begins with `a`."""
BULK: Final = 200
"""Mails of one bulk call."""
ALL: Final = 10_000
"""Mails of one bulk call over all that match."""
MAX_TAG: Final = 100
_WORD: Final = re.compile(r"[^\W_]+")
Mark = Literal[
    "spam", "not_spam", "forget", "read", "unread", "delete", "restore", "tag", "untag", "release",
]  # fmt: skip
"""`forget`: what the filter was taught of it; `release`: from quarantine, and it is no spam."""


class MessageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """None or empty = whatever."""

    search: str = ""
    """Words; each must begin a word of subject, sender, recipient or preview."""
    mailbox: str = ""
    sender: str = ""
    """Stands in the sender's name or address."""
    recipient: str = ""
    spam: bool | None = None
    """Marked so or, where nobody has, rated 50 or more."""
    read: bool | None = None
    importance: Importance | None = None
    tag: str = ""
    since: datetime | None = None
    until: datetime | None = None
    deleted: bool = False
    quarantine: bool = False
    """What is kept apart, instead of the rest."""

    @property
    def narrow(self) -> bool:
        """Whether anything is wanted at all, beside a mailbox."""
        return (
            msgspec.structs.replace(self, mailbox="", deleted=False, quarantine=False)
            != MessageQuery()
        )

    def wanted(self) -> dict[str, Any]:
        """Return it for `config.messages_found`."""
        found: dict[str, Any] = {"deleted": self.deleted, "quarantine": self.quarantine}
        if words := words_of(self.search):
            found |= _queries(words)
        for name in ("sender", "recipient"):
            if text := getattr(self, name):
                found[name] = f"%{_literal(text)}%"
        for name in ("mailbox", "importance", "tag"):
            if text := getattr(self, name):
                found[name] = text
        for name in ("spam", "read"):
            if (value := getattr(self, name)) is not None:
                found[name] = value
        for name in ("since", "until"):
            if (time := getattr(self, name)) is not None:
                found[name] = time.isoformat()
        return found


def _queries(words: list[str]) -> dict[str, str]:
    """Return what words ask of an index, and what the short ones ask besides."""
    long = [word for word in words if len(word) >= TELLING] or words
    short = [word for word in words if word not in long]
    # Letters and digits only: none of them means anything to the query.
    asked = {"words": long, "short": short}
    return {
        name: " & ".join(f"'{word}':*" for word in mine) for name, mine in asked.items() if mine
    }


def words_of(text: str) -> list[str]:
    """Return the words that are looked for."""
    return [word[:60] for word in _WORD.findall(text.lower())][:MAX_WORDS]


def _literal(text: str) -> str:
    """Return a text that LIKE takes as it is."""
    return re.sub(r"([\\%_])", r"\\\1", text)
