"""Whether an opened secret is for what the mailbox's document says, and how it stays one."""

from typing import Protocol

from postroom_contract.documents import MailboxDocument


class Secret(Protocol):
    """What a password was sealed with."""

    @property
    def mailbox(self) -> str: ...  # noqa: D102 - the names speak
    @property
    def login(self) -> str: ...  # noqa: D102 - the names speak
    @property
    def host(self) -> str: ...  # noqa: D102 - the names speak
    @property
    def port(self) -> int: ...  # noqa: D102 - the names speak
    @property
    def tls(self) -> str: ...  # noqa: D102 - the names speak
    @property
    def verify(self) -> bool: ...  # noqa: D102 - the names speak


def mismatches(secret: Secret, mailbox: MailboxDocument) -> tuple[str, ...]:
    """Return in words what the password was not given for; empty when all is as it was."""
    source = mailbox.fetch
    if source is None:
        return ("server",)
    pairs = (
        ("mailbox", secret.mailbox, mailbox.id),
        ("login", secret.login, source.login),
        ("host", secret.host, source.host),
        ("port", secret.port, source.port),
        ("encryption (TLS)", secret.tls, source.tls),
        ("certificate verification", secret.verify, source.verify),
    )
    return tuple(name for name, given, wanted in pairs if given != wanted)


SHORTEST_REST = 4


def without(words: str, password: str) -> str:
    """Return a server's words without the password, should it say it back, whole or cut off.

    As it was sent: IMAP puts a backslash before quotes and backslashes (RFC 9051 §4.3).
    """
    quoted = password.replace("\\", "\\\\").replace('"', '\\"')
    for form in sorted({quoted, password}, key=len, reverse=True):
        if form:
            words = words.replace(form, "…")
        for length in range(len(form) - 1, SHORTEST_REST - 1, -1):
            if words.endswith(form[:length]):
                words = words[:-length] + "…"
                break
    return words
