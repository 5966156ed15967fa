"""The list of mailboxes: what it may be filtered, sorted and searched by."""

from datetime import datetime
from typing import Final, Literal

import msgspec

from postroom_api.domain.cursors import CursorError, decode_parts, encode

Sort = Literal["name", "checked", "volume", "unread", "-name", "-checked", "-volume", "-unread"]
BulkAction = Literal["activate", "pause", "receive", "delete"]
COLUMNS: Final = {
    "name": "name_key",
    "checked": "checked_at",
    "volume": "bytes",
    "unread": "unread",
}
"""Sort → column of config.mailbox_summary."""
MAX_WORDS: Final = 8
BULK: Final = 200
"""Mailboxes of one bulk call."""


class GridQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What one wants to see; None = whatever."""

    search: str = ""
    """Words; each must begin a word of name, addresses, login or host."""
    kind: Literal["system", "user"] | None = None
    type: Literal["smtp", "pop3", "imap"] | None = None
    state: str | None = None
    active: bool | None = None
    owner: str | None = None
    service: str | None = None
    orphaned: bool | None = None
    sort: Sort = "name"

    @property
    def column(self) -> str:
        """The column that sorts."""
        return COLUMNS[self.sort.removeprefix("-")]

    @property
    def descending(self) -> bool:
        """Largest first."""
        return self.sort.startswith("-")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one mailbox of a bulk call."""

    mailbox: str
    done: bool
    code: str | None = None
    detail: str | None = None


def cursor_of(query: GridQuery, key: str | int | datetime, mailbox: str) -> str:
    """Return where the next page begins; it is for this order only."""
    return encode(query.sort, key, mailbox)


def after(query: GridQuery, cursor: str) -> tuple[str | int | datetime, str]:
    """Return (key, mailbox) of a cursor; CursorError when it is none of ours or of this order."""
    sort, key, mailbox = decode_parts(cursor, 3)
    if sort != query.sort:
        raise CursorError("this cursor belongs to another order: begin again without one")
    try:
        found: str | int | datetime = str(key)
        if query.column == "checked_at":
            found = datetime.fromisoformat(str(key))
        elif query.column != "name_key":
            found = int(key)
    except ValueError as error:
        raise CursorError("this cursor was not made by this server") from error
    return found, str(mailbox)
