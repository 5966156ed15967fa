"""The way to other people's servers: how long we wait, whom we reach, and whom we believe."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

import msgspec

from postroom_contract.documents import FetchSource
from postroom_contract.probing import StageName
from postroom_fetcher.domain.transcript import Transcript
from postroom_fetcher.ports import ForbiddenError, UnreachableError, Watch
from postroom_runtime.reach import Internal, forbidden


def unwatched(_stage: StageName, _words: str) -> None:
    """Nobody looks on."""


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """Wall deadlines in seconds; a byte now and then prolongs none of them."""

    connect: float = 20.0
    """Name look-up, connection, TLS and greeting, each."""
    login: float = 60.0
    """Servers delay failed sign-ins (Dovecot: 2, 4, 8… s)."""
    command: float = 120.0


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How any server is reached."""

    patience: Patience = Patience()
    internal: Internal = Internal()
    watch: Watch = unwatched
    transcript: Transcript | None = None
    """Where it is written down what is said."""


_FAMILIES: Final = {socket.AF_INET, socket.AF_INET6}


async def addresses_of(source: FetchSource, way: Way) -> list[str]:
    """Return the addresses to try, in order; ForbiddenError when one of them is internal.

    The connection goes to one of these and asks nobody again.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(way.patience.connect):
            found = await loop.getaddrinfo(source.host, source.port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise UnreachableError(f"the name {source.host} was not resolved in time") from None
    except (OSError, UnicodeError) as error:
        raise UnreachableError(f"no such server: {source.host} ({plain_error(error)})") from error
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found if one[0] in _FAMILIES))
    if wrong := forbidden(source.host, addresses, way.internal):
        raise ForbiddenError(
            f"{source.host} is {wrong[0]}, an internal address: no connection was made"
            " (the operator allows it with POSTROOM_INTERNAL_HOSTS)"
        )
    way.watch("dns", f"{source.host} is {', '.join(addresses)}")
    return addresses


async def reach(
    source: FetchSource, way: Way, connect: Callable[[str, dict[str, Any]], Any]
) -> Any:
    """Connect to the first address that answers; return what `connect(address, TLS)` returned.

    With implicit TLS, `connect` gets `ssl` and `server_hostname` for asyncio.
    """
    addresses = await addresses_of(source, way)
    context = tls_context(source)
    tls: dict[str, Any] = {}
    if context is not None and source.tls == "implicit":
        tls = {"ssl": context, "server_hostname": source.host}
    seconds = way.patience.connect
    last = UnreachableError(f"{source.host} has no address")
    for address in addresses:
        try:
            async with asyncio.timeout(seconds):
                connected = await connect(address, tls)
        except TimeoutError:
            last = UnreachableError(f"no connection within {seconds:g} s")
        except ssl.SSLError as error:
            way.watch("tcp", f"connected to {address}, port {source.port}")
            raise UnreachableError(f"TLS failed: {_reason(error)}") from error
        except (OSError, UnicodeError) as error:
            last = UnreachableError(f"no connection: {plain_error(error)}")
        else:
            way.watch("tcp", f"connected to {address}, port {source.port}")
            return connected
    raise last


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


def tls_words(transport: asyncio.BaseTransport) -> str:
    """Return what was agreed on: version, and whose certificate, made by whom, until when."""
    secured = transport.get_extra_info("ssl_object")
    if secured is None:
        return "not encrypted"
    certificate = secured.getpeercert() or {}
    if not certificate:
        return f"{secured.version()}, the certificate was not verified"
    subject, issuer = _name(certificate.get("subject")), _name(certificate.get("issuer"))
    until = certificate.get("notAfter", "?")
    return f"{secured.version()}, certificate of {subject} by {issuer}, valid until {until}"


def _name(rdns: Any) -> str:
    found = {key: value for rdn in rdns or () for key, value in rdn}
    return str(found.get("commonName") or found.get("organizationName") or "?")


def _reason(error: ssl.SSLError) -> str:
    return str(getattr(error, "verify_message", "") or error.reason or error)


def plain_error(error: BaseException) -> str:
    """Return an error of the network in words, without numbers and addresses of ours."""
    return str(getattr(error, "strerror", None) or error)


def plain(text: bytes) -> str:
    """Return a server's words as one short printable line."""
    words = text[:500].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in words).strip()[:200]
