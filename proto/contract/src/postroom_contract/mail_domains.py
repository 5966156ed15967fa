"""Domains that mail is taken for, and sent from: what the api asks of smtp about them."""

from typing import ClassVar, Literal

import msgspec

from postroom_contract.forum import Request

Algorithm = Literal["rsa", "ed25519"]
Standing = Literal["good", "missing", "differs", "unknown"]
"""`unknown`: the DNS did not say."""
Aspect = Literal["mx", "address", "ptr", "port", "tls", "spf", "dkim", "dmarc"]


class MadeKey(msgspec.Struct, frozen=True, kw_only=True):
    """A new key for DKIM."""

    sealed: str
    """The private key; only smtp can open it."""
    record: str
    """What its domain publishes (TXT of `<selector>._domainkey.<domain>`)."""


class MakeKey(Request[MadeKey], frozen=True, kw_only=True):
    """Make a key for a domain; nothing is stored."""

    service: ClassVar[str] = "smtp"
    verb: ClassVar[str] = "make_key"
    answer: ClassVar[type] = MadeKey
    domain: str
    selector: str
    algorithm: Algorithm


class PublishedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as its domain should publish it."""

    selector: str
    record: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a domain publishes or should, or that is found behind it."""

    aspect: Aspect
    name: str
    """Where in the DNS."""
    kind: str
    """The kind of record: MX, A, PTR, TXT."""
    standing: Standing
    found: tuple[str, ...] = ()
    wanted: str = ""
    """What to publish; empty where that is not for us to say."""
    words: str = ""
    """What is wrong, and what it costs."""


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """What the DNS says of a domain."""

    hostname: str
    """What our SMTP server calls itself."""
    findings: tuple[Finding, ...]


class ExamineDomain(Request[Examination], frozen=True, kw_only=True):
    """Look at a domain in the DNS."""

    service: ClassVar[str] = "smtp"
    verb: ClassVar[str] = "examine"
    answer: ClassVar[type] = Examination
    domain: str
    keys: tuple[PublishedKey, ...] = ()


REQUESTS: tuple[type[Request[object]], ...] = (MakeKey, ExamineDomain)  # type: ignore[assignment]  # a Request[X] is a Request[object] for our use
