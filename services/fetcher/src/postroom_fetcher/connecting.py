"""How long we wait for other people's servers, and which of them we believe."""

import ssl

import msgspec

from postroom_contract.documents import FetchSource
from postroom_fetcher.ports import ForbiddenError


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """Wall deadlines in seconds; a byte now and then prolongs none of them."""

    connect: float = 20.0
    """Name look-up, connection, TLS and greeting, each."""
    login: float = 60.0
    """Servers delay failed sign-ins (Dovecot: 2, 4, 8… s)."""
    command: float = 120.0


def tls_context(source: FetchSource) -> ssl.SSLContext | None:
    """Return how TLS is spoken with this server, or None when it is not."""
    if source.tls == "none":
        return None
    try:
        context = ssl.create_default_context(cadata=source.ca or None)
    except (ssl.SSLError, ValueError) as error:
        raise ForbiddenError(f"the certificate authority given is no PEM: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not source.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def plain(text: bytes) -> str:
    """Return a server's words as one short printable line."""
    words = text[:500].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in words).strip()[:200]
