"""The protocol log of a mailbox: what the api asks of a fetcher."""

from datetime import datetime
from typing import ClassVar

import msgspec

from postroom_contract.forum import Request


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """What was said in one check: `C: ` we, `S: ` the server, `*  ` what happened besides.

    No mail and no secret is in it; long ones have a gap in their midst.
    """

    at: datetime
    error: str = ""
    """How it failed; empty when it went well."""
    lines: tuple[str, ...]


class Conversations(msgspec.Struct, frozen=True, kw_only=True):
    """The newest first: the last one that went well, and the last one that did not."""

    conversations: tuple[Conversation, ...]


class ReadConversations(Request[Conversations], frozen=True, kw_only=True):
    """Return what is kept."""

    service: ClassVar[str] = "fetcher"
    verb: ClassVar[str] = "conversations"
    answer: ClassVar[type] = Conversations
    mailbox: str


REQUESTS: tuple[type[Request[object]], ...] = (ReadConversations,)  # type: ignore[assignment]  # a Request[X] is a Request[object] for our use
