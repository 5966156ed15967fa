"""The domains of an account: what they sign with, and what they should publish."""

from datetime import datetime
from typing import Final, Literal

import msgspec

from postroom_contract.mail_domains import Algorithm, Finding

KeyState = Literal["new", "signs", "retired"]
MOST_KEYS: Final = 10
MOST_SIGNING: Final = 2


class DomainKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key for DKIM, without what is secret."""

    selector: str
    algorithm: Algorithm
    state: KeyState
    """`new`: publish it first · `signs` · `retired`: signs no more, stays published for a while."""
    name: str
    """Where its record is published (TXT)."""
    record: str
    created_at: datetime


class MailDomain(msgspec.Struct, frozen=True, kw_only=True):
    """A domain that mail is taken for."""

    domain: str
    addresses: int
    keys: list[DomainKey]
    created_at: datetime


class DomainCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What the DNS says of a domain."""

    domain: str
    hostname: str
    """What our SMTP server calls itself."""
    findings: list[Finding]


def new_selector(day: datetime, chance: str) -> str:
    """Return the name of a new key: the month, and a few letters, so that no name comes again.

    A name that was used before may still be remembered, with its old key, by somebody's resolver.
    """
    return f"postroom-{day:%Y%m}-{chance}"
