"""The api's settings, each with where it is used."""

import msgspec

from postroom_runtime.errors import OperatorError
from postroom_runtime.reach import Internal, parse_internal
from postroom_runtime.settings import Settings


class OidcConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where people may prove who they are instead (OpenID Connect)."""

    issuer: str
    client_id: str
    client_secret: str
    provision: bool
    """Whoever the provider vouches for is let in as a user of the first account."""


class ApiConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Read once at start."""

    app_url: str
    worker_url: str
    http_host: str
    http_port: int
    base_url: str
    """How browsers and mails reach the console; without a trailing slash."""
    admin_email: str
    admin_password: str | None
    tokens: tuple[str, ...]
    """Bootstrap tokens: the one that was asked for, and that of the command on this machine."""
    fetcher_public_key: str
    """What passwords for other servers are sealed to; only the fetcher can open them."""
    requests_a_minute: int
    """Of one principal at the API; then 429."""
    session_key: str
    """What the secrets of second factors are sealed with: lines of 64 hex digits."""
    oidc: OidcConfig | None
    relay: str | None
    """Shown on the pages only; smtp does the relaying."""
    internal: Internal
    """What webhooks may reach besides the public Internet."""


def read(settings: Settings) -> ApiConfig:
    """Return the configuration; OperatorError names what is wrong."""
    host = settings.text("HTTP_HOST", "127.0.0.1")
    port = settings.integer("HTTP_PORT", 8080, low=1, high=65_535)
    base_url = settings.text("BASE_URL", f"http://127.0.0.1:{port}").rstrip("/")
    if not base_url.startswith(("http://", "https://")):
        raise OperatorError(f"POSTROOM_BASE_URL={base_url!r} must begin with http:// or https://")
    return ApiConfig(
        app_url=settings.text("DATABASE_APP_URL"),
        worker_url=settings.text("DATABASE_WORKER_URL"),
        http_host=host,
        http_port=port,
        base_url=base_url,
        admin_email=settings.text("ADMIN_EMAIL", "admin@postroom.local").strip().lower(),
        admin_password=settings.optional("ADMIN_PASSWORD"),
        tokens=tuple(
            token for name in ("ADMIN_TOKEN", "COMMAND_TOKEN") if (token := settings.optional(name))
        ),
        fetcher_public_key=settings.text("FETCHER_PUBLIC_KEY"),
        requests_a_minute=settings.integer("HTTP_REQUESTS", 12_000, low=60, high=10_000_000),
        session_key=settings.text("SESSION_KEY"),
        oidc=_oidc(settings),
        relay=settings.optional("RELAY"),
        internal=_internal(settings),
    )


def _internal(settings: Settings) -> Internal:
    try:
        return parse_internal(settings.optional("INTERNAL_HOSTS") or "")
    except ValueError as error:
        raise OperatorError(f"POSTROOM_INTERNAL_HOSTS: {error}") from error


def _oidc(settings: Settings) -> OidcConfig | None:
    issuer = settings.optional("OIDC_ISSUER")
    if issuer is None:
        return None
    local = issuer.startswith(("http://127.0.0.1:", "http://localhost:"))
    if not issuer.startswith("https://") and not local:
        raise OperatorError(f"POSTROOM_OIDC_ISSUER={issuer!r} must begin with https://")
    provision = settings.flag("OIDC_PROVISION", usual=False)
    return OidcConfig(
        issuer=issuer,
        client_id=settings.text("OIDC_CLIENT_ID"),
        client_secret=settings.text("OIDC_CLIENT_SECRET"),
        provision=provision,
    )
