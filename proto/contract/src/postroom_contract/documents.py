"""Configuration documents in the bucket `config`: small, self-contained, versioned.

Law: a reader ignores a document older than the one it has; a deletion is a document too.
"""

from typing import Final, Literal

import msgspec

from postroom_contract.ids import short_hash
from postroom_contract.rules import Action, Condition, Layer


class AddressDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An address of ours. With a forum, its mail is a post, its `+token` parts come back to it."""

    address: str
    account: str
    mailbox: str
    version: int
    forum: str | None = None
    deleted: bool = False
    rejects: bool = False
    """A rule may refuse its mail: smtp asks before it takes any."""


class DkimKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that a domain signs with; only smtp can open it."""

    selector: str
    sealed: str


class DomainDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A domain we accept mail for (known addresses only)."""

    domain: str
    account: str
    version: int
    deleted: bool = False
    keys: tuple[DkimKey, ...] = ()
    """Those that sign what is sent from this domain."""


class SubmissionDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may sign in to send mail (RFC 6409), by e-mail address.

    The passwords are drawn by machine with 256 random bits: a plain SHA-256 of each is enough.
    """

    login: str
    account: str
    version: int
    hashes: tuple[str, ...] = ()
    """SHA-256 in hex; any of them opens."""
    deleted: bool = False


class SuppressedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An address that nothing of this account is sent to."""

    address: str
    """Canonical, its local part in lower case."""
    account: str
    version: int
    deleted: bool = False


class FetchSource(msgspec.Struct, frozen=True, kw_only=True):
    """A server of other people that a mailbox's mail is fetched from, and how."""

    host: str
    port: int
    tls: Literal["none", "starttls", "implicit"]
    verify: bool = True
    """Whether the server's certificate must be valid and bear its name."""
    login: str
    sealed_password: str
    """Base64 of a sealed box that only the fetcher opens (`postroom_runtime.sealing`)."""
    apop: bool = False
    interval_minutes: int = 0
    """0 = by hand only."""
    max_messages: int = 0
    """Per connection; 0 = no limit."""
    max_message_kb: int = 0
    """Larger mails stay on the server; 0 = our own limit, 25 MiB."""
    delete_after: bool = False
    delete_after_days: int = 0
    """With `delete_after`: so many days after a mail was stored; 0 = at once."""
    mark_read: bool = False
    """IMAP: what was stored is marked as read on the server."""
    move_to: str = ""
    """IMAP: what was stored is moved to this folder, by name or special use (`\\Archive`)."""
    folders: tuple[str, ...] = ()
    """IMAP: those that are fetched from, by name or special use; empty = INBOX."""
    first_import_days: int | None = None
    """At the very first check: None = everything, 0 = only what comes from then on, else what is
    not older than so many days by the server's clock (IMAP)."""
    ca: str = ""
    """PEM of the authority to believe, instead of the system's."""
    auth: Literal["password", "oauth2"] = "password"
    """oauth2: what is sealed is a refresh token (RFC 6749 §1.5), and the next three say where an
    access token is had for it."""
    token_url: str = ""
    client_id: str = ""
    sealed_client_secret: str = ""
    """Sealed with the client and the token URL's host; empty: the client has none."""


class MailboxDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A mailbox and where its mail comes from. 0 = no limit."""

    id: str
    account: str
    name: str
    kind: Literal["system", "user"]
    source: Literal["smtp", "pop3", "imap"]
    active: bool
    version: int
    max_message_bytes: int = 0
    keep_days: int = 0
    fetch: FetchSource | None = None
    """With the sources pop3 and imap."""
    charset: str = ""
    """What a mail is read in that names no charset and is not UTF-8; empty = windows-1252."""
    index_text: bool = True
    """False: nothing of its mail's text is put into events (`postroom_contract.textless`)."""
    deleted: bool = False


class RuleDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of one scope: an account (tried first) or a mailbox."""

    id: str
    account: str
    scope: str
    name: str
    active: bool
    when: Condition
    then: tuple[Action, ...]
    version: int
    deleted: bool = False
    layer: Layer = "before"
    """Of an account's rules."""
    shadow: bool = False
    """It is tried, and does nothing."""


class RulesetDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The order of a scope's rules, and the version of the whole."""

    scope: str
    account: str
    version: int
    rules: tuple[str, ...]
    deleted: bool = False


class HoldDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A domain that an account sends nothing to for now; what is for it waits."""

    account: str
    domain: str
    version: int
    deleted: bool = False


class SpamDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How an account's mail is rated, and what its rating means."""

    account: str
    version: int
    mark_at: int = 90
    """From this rating on a mail is spam unless a rule says otherwise; 0 = never by itself."""
    quarantine_at: int = 0
    """From this rating on a mail is kept apart; 0 = never by itself."""
    quarantine_days: int = 30
    trusted_headers: tuple[str, ...] = ()
    """Header fields of the own mail servers that say what they think, as `X-Spam-Status`."""
    allowed: tuple[str, ...] = ()
    """Addresses, and domains with all that is below them, that are never spam."""
    blocked: tuple[str, ...] = ()
    """… and that always are."""
    deleted: bool = False


class DoorDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the SMTP server takes sessions."""

    open: bool
    version: int
    deleted: bool = False


def address_key(address: str) -> str:
    """Return the key of a canonical address (`@` and `+` cannot stand in a key)."""
    return f"address.{short_hash(address)}"


def domain_key(domain: str) -> str:
    """Return the key of a canonical domain."""
    return f"domain.{short_hash(domain)}"


def submission_key(login: str) -> str:
    """Return the key of who may sign in to send mail, by e-mail address in lower case."""
    return f"submission.{short_hash(login)}"


def suppressed_key(account: str, address: str) -> str:
    """Return the key of an address that nothing of an account is sent to (lower case)."""
    return f"suppressed.{short_hash(account, address)}"


def hold_key(account: str, domain: str) -> str:
    """Return the key of what an account holds back, by canonical domain."""
    return f"hold.{short_hash(f'{account} {domain}')}"


def spam_key(account: str) -> str:
    """Return the key of how an account's mail is rated."""
    return f"spam.{account}"


DOOR_KEY: Final = "door.smtp"


def mailbox_key(mailbox: str) -> str:
    """Return the key of a mailbox."""
    return f"mailbox.{mailbox}"


def rule_key(scope: str, rule: str) -> str:
    """Return the key of a rule."""
    return f"rule.{scope}.{rule}"


def ruleset_key(scope: str) -> str:
    """Return the key of a scope's ruleset."""
    return f"ruleset.{scope}"
