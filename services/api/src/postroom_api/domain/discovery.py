"""Where the mailbox of an address lies: the catalogue first, then DNS (RFC 6186), then a guess.

Nothing here is trusted: it fills in a form, and whoever owns the mailbox looks at it before saving.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from postroom_api.domain.mail_services import MailService
from postroom_api.domain.mailbox_settings import PORTS, ServiceRef, Tls

Found = Literal["service", "srv", "guess"]
Wanted = Literal["", "imap", "pop3"]
"""The protocol that is asked for; empty = the best."""
SRV: Final[tuple[tuple[str, Literal["imap", "pop3"], Tls], ...]] = (
    ("_imaps._tcp", "imap", "implicit"),
    ("_imap._tcp", "imap", "starttls"),
    ("_pop3s._tcp", "pop3", "implicit"),
)
"""What is asked for, the best first; RFC 8314 §3 prefers TLS from the start."""


class SrvRecord(msgspec.Struct, frozen=True):
    """One answer of DNS (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str


class Discovered(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal for a mailbox."""

    found: Found
    service: ServiceRef | None
    """The service to connect through; null where none fits that you may choose."""
    type: Literal["imap", "pop3"]
    host: str
    port: int
    tls: str
    login: str
    elsewhere: bool
    """The domain's records name a server under another domain: look twice."""


def by_catalogue(address: str, domain: str, services: Sequence[MailService]) -> Discovered | None:
    """Return the first service, in the catalogue's order, that has the domain."""
    for one in services:
        if one.choosable and not one.free and domain in one.domains:
            return Discovered(
                found="service",
                service=ServiceRef(id=one.id, name=one.name),
                type="imap",
                host=one.imap.host,
                port=one.imap.port,
                tls=one.imap.tls,
                login=address,
                elsewhere=False,
            )
    return None


def by_records(
    address: str,
    domain: str,
    answers: Sequence[Sequence[SrvRecord]],
    services: Sequence[MailService],
    wanted: Wanted = "",
) -> Discovered | None:
    """Return what the answers to SRV, in their order, say; None when they say nothing.

    A target of `.` means that the domain does not offer this (RFC 6186 §3.4).
    """
    for (_, kind, tls), records in zip(SRV, answers, strict=True):
        usable = [one for one in records if one.target.strip(".") and one.port > 0]
        if not usable or wanted not in {"", kind}:
            continue
        best = min(usable, key=lambda one: (one.priority, -one.weight, one.target))
        host = best.target.rstrip(".").lower()
        return Discovered(
            found="srv",
            service=_free(services) if kind == "imap" else None,
            type=kind,
            host=host,
            port=best.port,
            tls=tls,
            login=address,
            elsewhere=host != domain and not host.endswith(f".{domain}"),
        )
    return None


def guess(
    address: str, domain: str, services: Sequence[MailService], wanted: Wanted = ""
) -> Discovered:
    """Return what many servers are called."""
    kind: Literal["imap", "pop3"] = wanted or "imap"
    return Discovered(
        found="guess",
        service=_free(services) if kind == "imap" else None,
        type=kind,
        host=f"{'pop' if kind == 'pop3' else 'imap'}.{domain}",
        port=PORTS[kind, "implicit"],
        tls="implicit",
        login=address,
        elsewhere=False,
    )


def _free(services: Sequence[MailService]) -> ServiceRef | None:
    for one in services:
        if one.choosable and one.free:
            return ServiceRef(id=one.id, name=one.name)
    return None
