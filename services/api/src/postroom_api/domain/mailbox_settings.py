"""What a mailbox may be set to, what must be said with it, and what one should be warned of.

Law: a stored password is for one host, port, login and way of encryption. A change of any of these,
or of verification, asks for the password again; without it the change is refused.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec

from postroom_contract.events import SkippedMail
from postroom_mail.charset import known

Type = Literal["smtp", "pop3", "imap"]
Tls = Literal["none", "starttls", "implicit"]
PORTS: Final[dict[tuple[str, str], int]] = {
    ("imap", "implicit"): 993,
    ("imap", "starttls"): 143,
    ("imap", "none"): 143,
    ("pop3", "implicit"): 995,
    ("pop3", "starttls"): 110,
    ("pop3", "none"): 110,
}
BOUND: Final = ("type", "host", "port", "login", "tls", "verify")
"""What the password is sealed together with."""
SECRET_MASK: Final = "•"  # noqa: S105 - what masks are made of

Text = Annotated[str, msgspec.Meta(max_length=254)]
FolderName = Annotated[str, msgspec.Meta(max_length=200)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the mail comes from; what does not apply to the type is ignored."""

    type: Type
    addresses: list[Text] = []
    """smtp: the addresses whose mail it takes."""
    host: Text = ""
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    """0 = the usual port of type and TLS mode."""
    tls: Tls = "implicit"
    verify: bool = True
    login: Text = ""
    password: Annotated[str, msgspec.Meta(max_length=1_000)] | None = None
    """Write-only; None = as it is."""
    apop: bool = False
    interval_minutes: Count = 0
    """0 = only by hand."""
    delete_after: bool = False
    delete_after_days: Annotated[int, msgspec.Meta(ge=0, le=36_500)] = 0
    """With delete_after: so many days after a mail was received; 0 = at once."""
    mark_read: bool = False
    """IMAP: mark what was received as read on the server."""
    move_to: FolderName = ""
    """IMAP: move what was received to this folder, by name or special use (\\Archive)."""
    folders: Annotated[list[FolderName], msgspec.Meta(max_length=50)] = []
    """IMAP: the folders to fetch from, by name or special use (\\Junk); empty = INBOX."""
    first_import_days: Annotated[int, msgspec.Meta(ge=0, le=36_500)] | None = None
    """At the very first check: null = everything, 0 = only new mail, N = the last N days (IMAP)."""
    ca: Annotated[str, msgspec.Meta(max_length=20_000)] = ""
    charset: Annotated[str, msgspec.Meta(max_length=40)] = ""
    """What a mail is read in that names no charset and is not UTF-8; empty = windows-1252."""


class MailboxLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """0 = no limit of its own."""

    max_messages: Count = 0
    max_message_kb: Count = 0
    keep_days: Count = 0


class MailboxPrivacy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept here of a mailbox's mail besides subject, addresses and the decision on it."""

    index_text: bool = True
    """False: nothing of the text is put into the message log, its search and events; what is there
    already is taken out, but for events that were published (they go after 90 days)."""
    keep_raw: bool = True
    """False: the raw mail, text and attachments together, is removed as soon as it is decided and
    what rules want of it is done. In quarantine, or set aside, it stays until that is settled."""


class MailboxSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mailbox as it is made or changed."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    source: Source
    kind: Literal["system", "user"] = "system"
    description: Annotated[str, msgspec.Meta(max_length=1_000)] = ""
    active: bool = True
    limits: MailboxLimits = MailboxLimits()
    privacy: MailboxPrivacy = MailboxPrivacy()
    owner: Text | None = None
    """kind user: whose it is, by id or e-mail address; None = who makes it, or as it is."""
    service: Text | None = None
    """kind user: the e-mail service it is connected through; it decides server, port and TLS."""
    web_link: Annotated[str, msgspec.Meta(max_length=1_000)] = ""
    """kind user: where one reads it in a browser; empty = the service's."""


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Whose a mailbox is; name and address are null where you may not see them."""

    id: str
    name: str | None
    email: str | None


class ServiceRef(msgspec.Struct, frozen=True, kw_only=True):
    """The e-mail service a mailbox was connected through."""

    id: str
    name: str


class PasswordState(msgspec.Struct, frozen=True):
    """All that is ever said of a password."""

    set: bool
    updated_at: datetime | None


class SourceView(msgspec.Struct, frozen=True, kw_only=True):
    """A source as it is shown."""

    type: Type
    addresses: list[str]
    host: str
    port: int
    tls: str
    verify: bool
    login: str
    password: PasswordState
    """With `auth` oauth2: whether a grant is there, and since when."""
    apop: bool
    interval_minutes: int
    delete_after: bool
    delete_after_days: int
    mark_read: bool
    move_to: str
    folders: list[str]
    first_import_days: int | None
    ca: str
    charset: str
    auth: Literal["password", "oauth2"] = "password"
    """oauth2: it signs in with what its owner has granted at the provider."""


class LastCheck(msgspec.Struct, frozen=True, kw_only=True):
    """How the last look at the other server went."""

    state: str
    error: str | None
    checked_at: datetime
    next_check_at: datetime | None
    found: int
    stored: int
    skipped: list[SkippedMail]


class Mailbox(msgspec.Struct, frozen=True, kw_only=True):
    """A mailbox as the API shows it."""

    id: str
    name: str
    kind: str
    description: str
    active: bool
    source: SourceView
    limits: MailboxLimits
    privacy: MailboxPrivacy
    last_check: LastCheck | None
    warnings: list[str]
    forum: str | None
    """The forum it was made for."""
    state: str
    """open, paused, sign_in_again, new, connecting, syncing, or how the last check went."""
    paused_for: str
    """`restriction`: its service is no longer permitted, and the grace date has passed."""
    access: Literal["full", "manage", "read"]
    """What you may do: everything, all but deleting and handing over, or read."""
    owner: Owner | None
    orphaned: bool
    """Its owner was deactivated."""
    service: ServiceRef | None
    web_link: str
    mails: int
    """Stored here, with those that were deleted and can be brought back."""
    bytes: int
    unread: int
    created_at: datetime
    version: int
    """Grows with each change; what `ETag` says."""

    @property
    def checked(self) -> str:
        """When it was checked last, as a word to compare with; `never`."""
        return self.last_check.checked_at.isoformat() if self.last_check else "never"

    @property
    def addresses(self) -> list[str]:
        """The addresses it takes mail for."""
        return self.source.addresses


class UnderWay(msgspec.Struct, frozen=True):
    """A check that somebody is at."""

    heard_at: datetime
    """By our clock."""
    told_at: datetime
    """By the fetcher's, which tells the end of the check, too."""
    found: int
    """Mails that are new to us."""


def as_of_now(mailbox: Mailbox, check: UnderWay | None) -> Mailbox:
    """Return the mailbox with the state of a check that is under way: connecting or syncing."""
    fetched = mailbox.source.type != "smtp" and mailbox.active and mailbox.source.password.set
    if check is None or not fetched:
        return mailbox
    if mailbox.last_check is not None and mailbox.last_check.checked_at >= check.told_at:
        return mailbox  # it has ended since
    return msgspec.structs.replace(mailbox, state="syncing" if check.found else "connecting")


def complete(settings: MailboxSettings) -> MailboxSettings:
    """Return the settings with what follows from them: the usual port, no fields of other types."""
    source = settings.source
    if source.type == "smtp":
        source = Source(type="smtp", addresses=source.addresses, charset=source.charset)
    else:
        port = source.port or PORTS[source.type, source.tls]
        source = msgspec.structs.replace(
            source,
            port=port,
            host=source.host.strip().lower(),
            apop=source.apop and source.type == "pop3",
        )
    source = msgspec.structs.replace(source, charset=source.charset.strip().lower())
    return msgspec.structs.replace(settings, source=source)


def problems(
    settings: MailboxSettings, before: Mailbox | None, *, grants: bool = False
) -> Iterator[tuple[str, str]]:
    """Yield (JSON pointer, sentence) for what cannot be saved.

    `grants`: no password is needed, its owner can sign in at the provider instead.
    """
    source = settings.source
    if before is not None and settings.kind != before.kind:
        yield "/kind", "the kind stays as it was; make a new mailbox"
    if before is not None and source.type != before.source.type:
        yield "/source/type", "the type stays as it was; make a new mailbox"
    if source.charset and not known(source.charset):
        yield "/source/charset", f"{source.charset!r} is no charset that is known here"
    if source.type != "smtp":
        yield from _server_problems(source)
        yield from _password_problems(source, before, grants=grants)


def _server_problems(source: Source) -> Iterator[tuple[str, str]]:
    for field in ("host", "login"):
        if not getattr(source, field).strip():
            yield f"/source/{field}", f"a {source.type} mailbox needs a {field}"
    if any(c in source.host + source.login for c in "\r\n\x00") or " " in source.host.strip():
        yield "/source/host", "host and login stand on one line"
    if source.type == "pop3" and source.first_import_days:
        yield "/source/first_import_days", "POP3 tells no dates: choose everything or only new mail"
    yield from _folder_problems(source)


def _folder_problems(source: Source) -> Iterator[tuple[str, str]]:
    for field in ("folders", "move_to", "mark_read"):
        if source.type == "pop3" and getattr(source, field):
            yield f"/source/{field}", "POP3 knows neither folders nor marks: use IMAP for it"
    for number, name in enumerate(source.folders):
        if not name.strip() or any(c < " " for c in name):
            yield f"/source/folders/{number}", "a folder's name stands on one line and is not empty"
    if any(c < " " for c in source.move_to):
        yield "/source/move_to", "a folder's name stands on one line"
    if source.move_to and source.delete_after:
        yield "/source/move_to", "a mail is moved or deleted after receiving, not both"
    if source.move_to and source.move_to in (source.folders or ["INBOX"]):
        yield "/source/move_to", "mail cannot be moved to a folder that it is fetched from"
    if source.delete_after_days and not source.delete_after:
        yield "/source/delete_after_days", "days are only counted when mail is deleted afterwards"


def _password_problems(
    source: Source, before: Mailbox | None, *, grants: bool
) -> Iterator[tuple[str, str]]:
    password = source.password or ""
    if SECRET_MASK in password:
        yield "/source/password", "this is a masked password, not the password"
    if any(c in password for c in "\r\n\x00"):
        yield "/source/password", "a password stands on one line"
    if not password and not (grants and (before is None or before.source.auth == "oauth2")):
        yield from _password_missing(source, before)


def _password_missing(source: Source, before: Mailbox | None) -> Iterator[tuple[str, str]]:
    if before is None:
        yield "/source/password", "a password is needed"
        return
    if not before.source.password.set:
        return  # it has to sign in again, and until then it fetches nothing
    changed = [name for name in BOUND if getattr(source, name) != getattr(before.source, name)]
    if changed:
        words = (
            f"{' and '.join(changed)} changed: enter the password again (it is never sent to"
            " another place than the one it was entered for)"
        )
        yield "/source/password", words


def moved(source: Source, before: Mailbox) -> bool:
    """Return whether what it signs in with is for another place than the one it has by now."""
    return any(getattr(source, name) != getattr(before.source, name) for name in BOUND)


def state_of(*, source: str, active: bool, has_password: bool, last_check: str | None) -> str:
    """Return a mailbox's state in one word; the grid's rows have the same from Postgres."""
    if not active:
        return "paused"
    if source == "smtp":
        return "open"
    if not has_password:
        return "sign_in_again"
    return last_check or "new"


def warnings(source: SourceView, *, keep_raw: bool = True) -> list[str]:
    """Return what one should know about a mailbox that was saved all the same."""
    found = []
    if source.type == "smtp" and not source.addresses:
        found.append("It has no address, so it accepts nothing.")
    if not keep_raw and source.type != "smtp" and source.delete_after:
        found.append("Mail is deleted on the server and not kept here: it is lost once decided.")
    elif not keep_raw:
        found.append("Raw mail is not kept: text and attachments go once a mail is decided.")
    if source.type != "smtp":
        found += _server_warnings(source)
    return found


def _server_warnings(source: SourceView) -> Iterator[str]:
    if not source.password.set and source.auth == "oauth2":
        yield "Sign in at the provider: until then no mail is fetched."
    elif not source.password.set:
        yield "Sign in again: its server changed, so its password was forgotten."
    if source.tls == "none":
        yield "The password and all mail cross the network unencrypted."
    elif not source.verify:
        yield "The server's certificate is not verified: anybody may pose as it."
    if source.delete_after and source.delete_after_days:
        yield "Mail is deleted on the server some days after it was stored here."
    elif source.delete_after:
        yield "Mail is deleted on the server once it is stored here."
    if not source.interval_minutes:
        yield "It is checked only by hand (“receive now”)."
