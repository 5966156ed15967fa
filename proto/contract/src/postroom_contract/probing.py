"""Trying a mailbox's server before its mail is fetched: what the api asks of a fetcher.

While the fetcher is at it, it tells on a core subject (`subjects.live`) how far it is; who missed
that has it all in the answer.
"""

from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from postroom_contract.documents import FetchSource
from postroom_contract.forum import Request

StageName = Literal["dns", "tcp", "tls", "greeting", "sign_in", "folders", "count"]


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the way, and how it went in words of ours or the server's own."""

    name: StageName
    well: bool
    words: str


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """What lies in INBOX. Sizes in bytes; times are the server's (IMAP only)."""

    messages: int
    octets: int
    largest: int
    too_large: int
    """Over the mailbox's limit: these would stay on the server."""
    oldest: datetime | None = None
    newest: datetime | None = None
    newer_than: dict[int, int] = {}
    """Days → how many are not older: what a first import of so many days would bring."""


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome: all stages up to the first that went wrong."""

    stages: tuple[Stage, ...]
    folders: tuple[str, ...] = ()
    census: Census | None = None

    @property
    def well(self) -> bool:
        """Whether every stage went well."""
        return all(stage.well for stage in self.stages)


class ProbeMailbox(Request[Probe], frozen=True, kw_only=True):
    """Connect, sign in and count; nothing is fetched, changed or remembered.

    The password in `source` was sealed for `mailbox` and for all it is sent to.
    """

    service: ClassVar[str] = "fetcher"
    verb: ClassVar[str] = "probe"
    answer: ClassVar[type] = Probe
    operation: str
    mailbox: str
    protocol: Literal["imap", "pop3"]
    source: FetchSource
    max_message_bytes: int = 0


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """An authorization code was taken: the grant, which only the fetcher can open."""

    sealed: str
    """A refresh token sealed as a password is, for the mailbox and its server."""


class ExchangeCode(Request[Granted], frozen=True, kw_only=True):
    """Exchange an authorization code (RFC 6749 §4.1.3) and try the grant at the mail server.

    A Problem says in whose words it did not work.
    """

    service: ClassVar[str] = "fetcher"
    verb: ClassVar[str] = "exchange"
    answer: ClassVar[type] = Granted
    mailbox: str
    protocol: Literal["imap", "pop3"]
    source: FetchSource
    """Its `sealed_password` is code and PKCE verifier (RFC 7636), a line each."""
    redirect_uri: str


class ProbeProgress(msgspec.Struct, frozen=True, kw_only=True, tag="probe", tag_field="kind"):
    """A stage is done. On `live.<account>.<operation>`."""

    operation: str
    stage: Stage


class CheckProgress(msgspec.Struct, frozen=True, kw_only=True, tag="check", tag_field="kind"):
    """How far a check of a mailbox is. On `live.<account>.<mailbox>`; the end is an event."""

    mailbox: str
    found: int
    stored: int
    at: datetime | None = None
    """When, by the clock that the end of the check is told by; None: an older fetcher."""


Live = ProbeProgress | CheckProgress

REQUESTS: tuple[type[Request[object]], ...] = (ProbeMailbox, ExchangeCode)  # type: ignore[assignment]  # a Request[X] is a Request[object] for our use
