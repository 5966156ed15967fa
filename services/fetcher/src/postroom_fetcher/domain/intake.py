"""From a fetched message to its id and envelope.

Law: a message has the same id however often and by whomever it is fetched (DESIGN §3, identity).
"""

import hashlib
from datetime import datetime
from typing import Literal

from postroom_contract.documents import AddressDocument, MailboxDocument
from postroom_contract.ids import derived_id
from postroom_contract.mail import Envelope
from postroom_fetcher.domain.folders import INBOX
from postroom_fetcher.domain.sender import is_history, sender_of


def mail_id(
    protocol: Literal["imap", "pop3"],
    mailbox: str,
    uidvalidity: str,
    key: str,
    folder: str = INBOX,
) -> str:
    """Return the id that this message always gets."""
    if protocol == "imap":
        return derived_id("msg", mailbox, folder, uidvalidity, key)
    later_era = (uidvalidity,) if uidvalidity else ()
    return derived_id("msg", mailbox, "pop3", key, *later_era)


def envelope(
    raw: bytes,
    mailbox: MailboxDocument,
    address: AddressDocument | None,
    *,
    id_: str,
    protocol: Literal["imap", "pop3", "import"],
    login: str,
    transaction: str,
    received_at: datetime,
) -> Envelope:
    """Return the envelope; `address` is the mailbox's first, where it has one."""
    forum = address.forum if address else None
    return Envelope(
        id=id_,
        account=mailbox.account,
        mailbox=mailbox.id,
        role="post" if forum else "mail",
        recipient=address.address if address else login,
        sender=sender_of(raw),
        received_at=received_at,
        sha256=hashlib.sha256(raw).hexdigest(),
        size=len(raw),
        source=protocol,
        transaction=transaction,
        history=is_history(raw, received_at),
        forum=forum,
    )
