"""Who asks, and what every answer carries.

Laws: a cookie signs requests only of our own pages (Sec-Fetch-Site, Origin); a token does what its
scopes say (http/scoped.py) and opens pages only with all of them; a wrong credential is 401, never
an anonymous request; every request but a feed ends within REQUEST_SECONDS, or its own.
"""

import asyncio
import re
import secrets
from typing import Any, Final
from urllib.parse import urlsplit

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import MutableScopeHeaders
from litestar.exceptions import NotAuthorizedException
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.middleware.base import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from postroom_api.domain.scopes import ADMIN, covers
from postroom_api.domain.values import Principal
from postroom_api.http.problems import ProblemError
from postroom_api.postgres.people import People, Visit
from postroom_runtime.clock import Clock

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
COOKIE: Final = "postroom_session"
REQUEST_SECONDS: Final = 5.5
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
CONTENT_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
DOCS_POLICY: Final = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;"
    " script-src 'self'; connect-src 'self'; font-src 'self' data:;"
    " worker-src blob:; base-uri 'none'; frame-ancestors 'none'"
)
"""The API reference is a vendored program that writes its own styles."""

FRAME_POLICY: Final = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:;"
    " style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
"""Foreign HTML: it may look as it wants, and neither run nor fetch anything."""


class Authentication(AbstractAuthenticationMiddleware):
    """Finds the principal by bearer token or session cookie."""

    async def authenticate_request(
        self, connection: ASGIConnection[Any, Any, Any, Any]
    ) -> AuthenticationResult:
        """Return the principal, or raise 401."""
        people: People = connection.app.state.people
        clock: Clock = connection.app.state.clock
        header = connection.headers.get("authorization", "")
        if header:
            kind, _, secret = header.partition(" ")
            principal = (
                await people.by_token(secret.strip(), clock.now())
                if kind.lower() == "bearer" and secret
                else None
            )
            if principal is None:
                raise NotAuthorizedException("this token is not known (Authorization: Bearer …)")
            if not connection.url.path.startswith("/api/") and not covers(principal.scopes, ADMIN):
                # The pages ask for no scopes: a token of some scopes only would go around them.
                raise ProblemError(403, "scope_missing", "This token is for the API (/api/v1).")
            return AuthenticationResult(user=principal, auth="token")
        secret = connection.cookies.get(COOKIE, "")
        principal = await people.by_session(secret, clock.now()) if secret else None
        if principal is None:
            raise NotAuthorizedException("a bearer token or a session is needed")
        if connection.scope.get("method") not in SAFE:
            refuse_foreign(connection)
        return AuthenticationResult(user=principal, auth="session")


def refuse_foreign(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Raise 403 when another site made the browser ask (CSRF)."""
    site = connection.headers.get("sec-fetch-site")
    if site is not None:
        if site not in {"same-origin", "none"}:
            raise ProblemError(403, "foreign_site", "This form came from another site.")
        return
    origin = connection.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != connection.headers.get("host"):
        raise ProblemError(403, "foreign_site", "This form came from another site.")


class Deadline(ASGIMiddleware):
    """Ends every request in time (`opt={"seconds": …}`: its own); a 503 is made of it."""

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Run one request; feeds (`opt={"feed": True}`) end by themselves."""
        options = scope["route_handler"].opt
        if options.get("feed"):
            await next_app(scope, receive, send)
            return
        async with asyncio.timeout(options.get("seconds", REQUEST_SECONDS)):
            await next_app(scope, receive, send)


class Framing:
    """The outermost layer: gives each request an id, and each answer its protecting headers."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request (or pass on the lifespan)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _given_id(scope) or secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        path = scope["path"]

        async def send_framed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableScopeHeaders(message)
                headers["X-Request-Id"] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "same-origin"
                # What shows or hands out foreign files has a policy of its own.
                headers.setdefault(
                    "Content-Security-Policy", DOCS_POLICY if path == "/docs" else CONTENT_POLICY
                )
                headers["Cache-Control"] = (
                    "max-age=3600" if path.startswith("/static/") else "no-store"
                )
            await send(message)

        await self._app(scope, receive, send_framed)


def _given_id(scope: Any) -> str | None:
    """Return the asker's own X-Request-Id, if it can be written into a log."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value.decode("ascii"))
    return None


def visit_of(request: Request[Any, Any, Any]) -> Visit:
    """Return where a request comes from."""
    peer = request.client.host if request.client else "-"
    return Visit(peer, request.headers.get("user-agent", ""))


def principal_of(request: Request[Principal, Any, Any]) -> Principal:
    """Return who asks; the middleware has made sure that there is somebody."""
    return request.user


def administrator_of(request: Request[Principal, Any, Any]) -> Principal:
    """Return who asks, if they may change configuration."""
    if not request.user.administrator:
        raise ProblemError(403, "administrators_only", "Only administrators may do this.")
    return request.user
