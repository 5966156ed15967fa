"""Which scope a route of the API needs.

Law: every route says it with `needs`; a token without the scope, and any token at a route that
says nothing, is refused. A person who is signed in needs none: the role decides.
"""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from postroom_api.domain import scopes
from postroom_api.domain.scopes import Scope
from postroom_api.domain.values import Principal
from postroom_api.http.problems import ProblemError

KEY = "scope"
FEED = "feed"
SECONDS = "seconds"


def needs(scope: Scope, *, feed: bool = False, seconds: float | None = None) -> dict[str, Any]:
    """Return what a route's decorator takes to need a scope, and to say so in its description.

    `feed`: its answer is not bound by the deadline of requests; each of its steps has its own.
    `seconds`: its own deadline.
    """
    own = {} if seconds is None else {SECONDS: seconds}
    return {"opt": {KEY: scope, FEED: feed, **own}, "security": [{"bearer": [scope]}]}


def needs_any_token() -> dict[str, Any]:
    """Return the same for what every token may ask."""
    return {"opt": {KEY: scopes.ANY}, "security": [{"bearer": []}]}


async def guard(
    connection: ASGIConnection[Any, Principal, Any, Any], route: BaseRouteHandler
) -> None:
    """Answer 403 to a token that is not for this route."""
    scope = route.opt.get(KEY)
    if not scopes.covers(connection.user.scopes, scope):
        words = f"This token is not for that: it needs the scope {scope or 'of no token'}."
        raise ProblemError(403, "scope_missing", words)
