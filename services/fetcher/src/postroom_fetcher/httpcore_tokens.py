"""Asking a token URL, by httpcore. Port: Tokens.

Laws:
1. It goes only where mail servers may be, and to the very address that was looked at (SSRF).
2. In clear only to what the operator calls internal; no redirect is followed; time and size end.
3. What was sent, and what came back, stands in no error.
"""

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore
import msgspec

from postroom_contract.documents import FetchSource
from postroom_fetcher.connecting import Way, addresses_of
from postroom_fetcher.domain.oauth import Said, Tokens, answer_of
from postroom_fetcher.ports import ForbiddenError, ServerError, UnreachableError
from postroom_runtime.reach import Internal, forbidden

SECONDS: Final = 15.0
LARGEST: Final = 64 * 1024
_HEADERS: Final = [
    (b"Content-Type", b"application/x-www-form-urlencoded"),
    (b"Accept", b"application/json"),
    (b"User-Agent", b"Postroom"),
]


class _Pinned(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were looked at before, whatever a name means by now."""

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = addresses
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - looked up already
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first that answers."""
        last: Exception = httpcore.ConnectError("there is no address")
        for address in self._addresses:
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last


class TokenServers:
    """Asks for tokens."""

    def __init__(self, way: Way) -> None:
        self._way = way

    async def ask(self, source: FetchSource, form: bytes) -> Tokens | Said:
        """Return the answer; ServerErrors say why there is none."""
        host, addresses = await self._allowed(source.token_url)
        backend = _Pinned(addresses)
        try:
            async with (
                asyncio.timeout(SECONDS),
                httpcore.AsyncConnectionPool(
                    ssl_context=ssl.create_default_context(), network_backend=backend
                ) as pool,
                pool.stream("POST", source.token_url, headers=_HEADERS, content=form) as answer,
            ):
                body = bytearray()
                async for piece in answer.aiter_stream():
                    body += piece
                    if len(body) > LARGEST:
                        raise ServerError(f"{host} answered with more than {LARGEST >> 10} KB")
        except TimeoutError:
            raise UnreachableError(f"{host} did not answer within {SECONDS:g} s") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException,
                httpcore.UnsupportedProtocol, OSError) as error:  # fmt: skip
            raise UnreachableError(f"{host} cannot be asked: {type(error).__name__}") from None
        return _meaning(host, answer.status, bytes(body))

    async def _allowed(self, url: str) -> tuple[str, list[str]]:
        where = urlsplit(url)
        host = (where.hostname or "").lower()
        if where.scheme not in {"https", "http"} or not host or where.username:
            raise ForbiddenError("the service's token URL is none: an administrator must mend it")
        port = where.port or (443 if where.scheme == "https" else 80)
        there = FetchSource(host=host, port=port, tls="none", login="", sealed_password="")
        addresses = await addresses_of(there, self._way)
        public = not forbidden(host, addresses, Internal())
        if where.scheme == "http" and public:
            raise ForbiddenError("the service's token URL must begin with https://")
        return host, addresses


def _meaning(host: str, status: int, body: bytes) -> Tokens | Said:
    if status >= 500 or status == 429:  # noqa: PLR2004 - its trouble, or too often
        raise UnreachableError(f"{host} has trouble (HTTP {status}): it is asked again later")
    try:
        return answer_of(status, body)
    except (msgspec.MsgspecError, ValueError):
        raise ServerError(f"{host} did not answer as OAuth 2.0 asks (HTTP {status})") from None
