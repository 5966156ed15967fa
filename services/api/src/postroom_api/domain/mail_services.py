"""E-mail services: what an account lets its users connect through.

Laws: a service may be chosen while it is active and permitted. A restricted one keeps its mailboxes
going until its grace date; then they pause, and those resume when the restriction is undone. What
is pushed to a mailbox never takes a stored password to another place: it is forgotten instead.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec

from postroom_api.domain.mailbox_settings import BOUND, SECRET_MASK, PasswordState, Text, Tls

Link = Annotated[str, msgspec.Meta(max_length=1_000)]
OAuth = Literal["no", "offered", "needed"]
_IMAP_PORTS: Final[dict[str, int]] = {"implicit": 993, "starttls": 143, "none": 143}
_SMTP_PORTS: Final[dict[str, int]] = {"implicit": 465, "starttls": 587, "none": 25}


class ServiceServer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a server is; port 0 = the usual one of its TLS mode."""

    host: Text = ""
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    tls: Tls = "implicit"
    verify: bool = True
    ca: Annotated[str, msgspec.Meta(max_length=20_000)] = ""


class OAuthClient(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How Postroom is known to the provider (OAuth2); stored now, used once the flow is there."""

    use: OAuth = "no"
    client_id: Link = ""
    client_secret: Link | None = None
    """Write-only; None = as it is."""
    authorize_url: Link = ""
    token_url: Link = ""
    scopes: Link = ""


class ServiceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service as it is made or changed."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    domains: Annotated[list[Text], msgspec.Meta(max_length=200)] = []
    imap: ServiceServer = ServiceServer()
    smtp: ServiceServer = ServiceServer()
    web_link: Link = ""
    free: bool = False
    """Whoever connects types the server: for all providers that are not in the catalogue."""
    oauth: OAuthClient = OAuthClient()
    active: bool = True


class OAuthView(msgspec.Struct, frozen=True, kw_only=True):
    """An OAuth2 client as it is shown."""

    use: str
    client_id: str
    client_secret: PasswordState
    authorize_url: str
    token_url: str
    scopes: str

    @property
    def usable(self) -> bool:
        """People can sign in at the provider: an administrator has entered a client."""
        wanted = (self.client_id, self.authorize_url, self.token_url)
        return self.use != "no" and all(wanted)


class MailService(msgspec.Struct, frozen=True, kw_only=True):
    """A service as the API shows it."""

    id: str
    preset: str
    """The shipped service it was copied from; empty for one of the account's own."""
    name: str
    position: int
    domains: list[str]
    imap: ServiceServer
    smtp: ServiceServer
    web_link: str
    free: bool
    oauth: OAuthView
    active: bool
    permitted: bool
    grace_until: datetime | None
    """Restricted: until then its mailboxes go on."""
    mailboxes: int
    """How many are connected through it, of those you may see."""
    version: int
    """Grows with each change; what `ETag` says."""

    @property
    def choosable(self) -> bool:
        """A new mailbox may be connected through it."""
        return self.active and self.permitted

    def over(self, now: datetime) -> bool:
        """Its mailboxes may not fetch: it is restricted, and the grace date has passed."""
        return not self.permitted and (self.grace_until is None or self.grace_until <= now)


class AffectedMailbox(msgspec.Struct, frozen=True, kw_only=True):
    """A mailbox that a change of its service reaches."""

    id: str
    name: str
    login: str
    owner: str | None
    owner_name: str | None
    active: bool
    changes: dict[str, list[str | int | bool]] = {}
    """Field → before, after (of a push)."""
    sign_in_again: bool = False
    """Its password will be forgotten: it was given for another place."""


class AffectedOwner(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody whose mailboxes are affected."""

    id: str | None
    name: str | None
    email: str | None
    mailboxes: int


class Impact(msgspec.Struct, frozen=True, kw_only=True):
    """What a change of a service would do; the lists name the first 200."""

    service: str
    count: int
    mailboxes: list[AffectedMailbox]
    owners: list[AffectedOwner]


class Target(msgspec.Struct, frozen=True):
    """The fields of a mailbox that its service decides, as they stand."""

    host: str
    port: int
    tls: str
    verify: bool
    ca: str


PUSHED: Final = ("host", "port", "tls", "verify", "ca")


def moves(before: Target, imap: ServiceServer) -> dict[str, list[str | int | bool]]:
    """Return what a push would change in a mailbox: field → [before, after]."""
    return {
        name: [getattr(before, name), getattr(imap, name)]
        for name in PUSHED
        if getattr(before, name) != getattr(imap, name)
    }


def forgets(changes: Sequence[str] | dict[str, list[str | int | bool]]) -> bool:
    """Whether these changes part a password from what it was given for."""
    return any(name in BOUND for name in changes)


def complete(settings: ServiceSettings) -> ServiceSettings:
    """Return the settings with the usual ports, and names in the form they are compared in."""
    domains = {one.strip().lower().lstrip("@") for one in settings.domains}
    return msgspec.structs.replace(
        settings,
        domains=sorted(domains - {""}),
        imap=_completed(settings.imap, _IMAP_PORTS),
        smtp=_completed(settings.smtp, _SMTP_PORTS),
    )


def _completed(server: ServiceServer, ports: dict[str, int]) -> ServiceServer:
    host = server.host.strip().lower()
    port = server.port or (ports[server.tls] if host else 0)
    return msgspec.structs.replace(server, host=host, port=port)


def problems(settings: ServiceSettings, before: MailService | None) -> Iterator[tuple[str, str]]:
    """Yield (JSON pointer, sentence) for what cannot be saved."""
    if not settings.imap.host and not settings.free:
        yield "/imap/host", "a service needs an IMAP server"
    for name in ("imap", "smtp"):
        if any(c.isspace() or c == "\x00" for c in getattr(settings, name).host):
            yield f"/{name}/host", "a server's name has no spaces"
    for domain in settings.domains:
        if "." not in domain or any(c in domain for c in " @/\x00"):
            yield "/domains", f"{domain!r} is no domain"
    if settings.web_link and not _is_web(settings.web_link):
        yield "/web_link", "a web link begins with https:// or http://"
    yield from _oauth_problems(settings.oauth, before.oauth if before else None)


def _oauth_problems(oauth: OAuthClient, before: OAuthView | None) -> Iterator[tuple[str, str]]:
    for name in ("authorize_url", "token_url"):
        link = getattr(oauth, name)
        if link and not _is_safe(link):
            yield f"/oauth/{name}", "it begins with https:// (http:// only for 127.0.0.1)"
    secret = oauth.client_secret
    if secret and (SECRET_MASK in secret or any(c in secret for c in "\r\n\x00")):
        yield "/oauth/client_secret", "this is not a secret but a mask, or has several lines"
    if secret and not (oauth.client_id and oauth.token_url):
        yield "/oauth/client_id", "a secret is stored with its client id and token URL"
    if secret or before is None or not before.client_secret.set:
        return
    if (oauth.client_id, oauth.token_url) != (before.client_id, before.token_url):
        words = "client id or token URL changed: enter the secret again"
        yield "/oauth/client_secret", words


def _is_safe(link: str) -> bool:
    """Return whether what goes there is not read on its way; loopback has none (RFC 8252 §8.3)."""
    parts = urlsplit(link)
    return parts.scheme == "https" or (parts.scheme, parts.hostname) == ("http", "127.0.0.1")


def _is_web(link: str) -> bool:
    parts = urlsplit(link)
    return parts.scheme in {"http", "https"} and bool(parts.netloc) and "\n" not in link
