"""From a finished transaction to what is stored: envelopes and the trace line.

Law: a mail's id depends on mailbox, recipient, sender and the bytes between DATA and the dot, so
that a repeat is known as one; only mail without Message-ID, Date and Received gets a new id.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Final

import msgspec

from postroom_contract.ids import derived_id
from postroom_contract.mail import Authentication, Envelope
from postroom_smtp.domain.admission import Target
from postroom_smtp.domain.data import has_identity, header_of

_NOT_A_NAME: Final = re.compile(r"[^A-Za-z0-9.:\[\]_-]")


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """What a session hands over after the dot."""

    sender: str
    targets: tuple[Target, ...]
    content: bytes
    helo: str
    client: str
    """IP address of the peer."""
    protocol: str
    smtputf8: bool
    session: str
    """Names the session in the log."""
    tls: str = ""
    submitter: str = ""
    apart: bool = False
    """Each recipient has an answer of its own (LMTP, RFC 2033 §4.2)."""


def plain_name(helo: str) -> str:
    """Return what the peer called itself, made fit for a header line."""
    return _NOT_A_NAME.sub("?", helo)


def received_line(
    transaction: Transaction, *, hostname: str, id_: str, received_at: datetime
) -> bytes:
    """Return the trace line (RFC 5321 §4.4).

    `for` names the recipient only when there is one: the others may be blind copies.
    """
    client = transaction.client
    literal = f"IPv6:{client}" if ":" in client else client
    only = transaction.targets[0].recipient if len(transaction.targets) == 1 else ""
    named = f"\r\n\tfor <{only}>" if only.isascii() and only else ""
    return (
        f"Received: from {plain_name(transaction.helo)} ([{literal}])\r\n"
        f"\tby {hostname} (Postroom) with {transaction.protocol} id {id_}{named};\r\n"
        f"\t{format_datetime(received_at)}\r\n"
    ).encode("ascii")


def envelopes(
    transaction: Transaction,
    *,
    id_: str,
    sha256: str,
    received_at: datetime,
    new_id: Callable[[], str],
    authentication: Authentication | None = None,
) -> list[Envelope]:
    """Return one envelope per recipient, but of a mailbox's addresses for the first alone.

    `id_` is the transaction's; `new_id` draws a mail's.
    """
    known = has_identity(header_of(transaction.content))
    return [
        Envelope(
            id=_mail_id(transaction.sender, target, sha256) if known else new_id(),
            account=target.account,
            mailbox=target.mailbox,
            role=target.role,
            recipient=target.recipient,
            sender=transaction.sender,
            received_at=received_at,
            sha256=sha256,
            size=len(transaction.content),
            source="smtp",
            transaction=id_,
            forum=target.forum,
            token=target.token,
            client=transaction.client,
            helo=plain_name(transaction.helo),
            smtputf8=transaction.smtputf8,
            tls=transaction.tls,
            submitter=transaction.submitter,
            authentication=authentication,
        )
        for target in distinct(transaction.targets)
    ]


def distinct(targets: Sequence[Target]) -> list[Target]:
    """Return the targets that are not another name of one before: an alias brings no second mail.

    Two forums are two, whatever mailbox they have; so are two tokens.
    """
    found: dict[tuple[str | None, ...], Target] = {}
    for one in targets:
        found.setdefault((one.mailbox, one.role, one.forum, one.token), one)
    return list(found.values())


def _mail_id(sender: str, target: Target, sha256: str) -> str:
    return derived_id("msg", target.mailbox, target.recipient, sender, sha256)
