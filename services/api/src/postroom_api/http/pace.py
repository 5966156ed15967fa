"""How many requests a principal may make: a bucket each, in memory (RateLimit headers).

The draft's words (draft-ietf-httpapi-ratelimit-headers-10): `RateLimit-Policy` names quota and
window, `RateLimit` what remains and in how many seconds the quota is whole again.
"""

import time
from collections import OrderedDict
from typing import Final

import msgspec
from litestar.datastructures import MutableScopeHeaders
from litestar.middleware.base import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from postroom_api.domain.values import Principal
from postroom_api.http.problems import ProblemError

WINDOW: Final = 60
KEYS: Final = 50_000


class _Bucket(msgspec.Struct):
    tokens: float
    at: float


class Buckets:
    """One bucket a principal; the least recently used are forgotten (they were full again)."""

    def __init__(self, quota: int) -> None:
        self.quota = quota
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, key: str, now: float) -> tuple[bool, int, int]:
        """Count one request; return (may go on, remaining, seconds until the quota is whole)."""
        bucket = self._buckets.pop(key, None) or _Bucket(float(self.quota), now)
        bucket.tokens = min(self.quota, bucket.tokens + (now - bucket.at) * self.quota / WINDOW)
        bucket.at = now
        allowed = bucket.tokens >= 1
        if allowed:
            bucket.tokens -= 1
        self._buckets[key] = bucket
        while len(self._buckets) > KEYS:
            self._buckets.popitem(last=False)
        missing = self.quota - bucket.tokens
        return allowed, int(bucket.tokens), int(missing * WINDOW / self.quota) + 1


class Pace(ASGIMiddleware):
    """Stands behind the authentication; counts the API's requests only."""

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Count one request."""
        who = scope.get("user")
        if not str(scope["path"]).startswith("/api/") or not isinstance(who, Principal):
            await next_app(scope, receive, send)
            return
        buckets: Buckets = scope["litestar_app"].state.buckets
        allowed, remaining, reset = buckets.take(who.id, time.monotonic())
        policy = f'"default";q={buckets.quota};w={WINDOW}'
        said = f'"default";r={remaining};t={reset}'
        scope.setdefault("state", {})["pace"] = (policy, said)
        if not allowed:
            raise ProblemError(
                429, "too_many_requests", f"More than {buckets.quota} requests in {WINDOW} s."
            )

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableScopeHeaders(message)
                headers["RateLimit-Policy"], headers["RateLimit"] = policy, said
            await send(message)

        await next_app(scope, receive, send_counted)
