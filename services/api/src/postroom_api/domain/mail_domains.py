"""The domains of an account: what they sign with, and what they should publish."""

from collections.abc import Sequence
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


def next_selector(day: datetime, algorithm: Algorithm, taken: Sequence[str]) -> str:
    """Return the name of a new key: the month, and what it is."""
    base = f"postroom-{day:%Y%m}" + ("" if algorithm == "rsa" else "-ed25519")
    names = [base, *(f"{base}-{number}" for number in range(2, 100))]
    return next(name for name in names if name not in taken)
