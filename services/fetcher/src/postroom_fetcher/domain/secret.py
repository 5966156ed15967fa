"""Whether an opened secret is for what the mailbox's document says."""

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
