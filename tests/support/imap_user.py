"""The owner of an IMAP mailbox, at another client of theirs."""

import contextlib
import imaplib
from collections.abc import Iterator

from support.dovecot import PASSWORD, USER, Dovecot


@contextlib.contextmanager
def at_home(dovecot: Dovecot) -> Iterator[imaplib.IMAP4]:
    """A connection of theirs."""
    client = imaplib.IMAP4("127.0.0.1", dovecot.imap, timeout=20)
    try:
        client.login(USER, PASSWORD)
        yield client
    finally:
        client.logout()


def append(dovecot: Dovecot, folder: str, *mails: bytes) -> None:
    """Put mails into a folder (as its name stands on the wire), which is made if need be."""
    with at_home(dovecot) as client:
        client.create(f'"{folder}"')
        for raw in mails:
            assert client.append(f'"{folder}"', "", "", raw)[0] == "OK"


def folder(dovecot: Dovecot, name: str) -> dict[bytes, bytes]:
    """Contents and flags of what lies in a folder now."""
    with at_home(dovecot) as client:
        result, count = client.select(f'"{name}"', readonly=True)
        if result != "OK" or count == [b"0"]:
            return {}
        _, found = client.fetch("1:*", "(FLAGS BODY.PEEK[])")
        pairs = [one for one in found if isinstance(one, tuple)]
        return {raw: imaplib_flags(head) for head, raw in pairs}


def imaplib_flags(head: bytes) -> bytes:
    """The flags in a FETCH response's first words."""
    return b" ".join(imaplib.ParseFlags(head))


def unread(dovecot: Dovecot, name: str) -> None:
    """Mark everything in a folder as unread."""
    with at_home(dovecot) as client:
        client.select(f'"{name}"')
        client.store("1:*", "-FLAGS", r"(\Seen)")
