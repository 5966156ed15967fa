"""Taking in mail that somebody has as files: what the api asks of a fetcher."""

from typing import ClassVar, Final, Literal

import msgspec

from postroom_contract.forum import Request
from postroom_contract.streams import MAX_MESSAGE_BYTES

MOST_MAILS: Final = 200
MOST_BYTES: Final = MAX_MESSAGE_BYTES
"""Of all mails of one request together; in base64 they fit the broker's largest message."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one mail."""

    state: Literal["stored", "known", "skipped"]
    mail: str = ""
    """Its id here; empty for one that was skipped."""
    reason: str = ""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """One outcome a mail, in the order they were given."""

    outcomes: tuple[Outcome, ...]


class TakeMails(Request[Taken], frozen=True, kw_only=True):
    """Store mails in a mailbox as if they had been fetched, each content once."""

    service: ClassVar[str] = "fetcher"
    verb: ClassVar[str] = "take"
    answer: ClassVar[type] = Taken
    mailbox: str
    mails: tuple[bytes, ...]
    aloud: bool = False
    """Whether people are told of them as of new mail."""


REQUESTS: tuple[type[Request[object]], ...] = (TakeMails,)  # type: ignore[assignment]  # a Request[X] is a Request[object] for our use
