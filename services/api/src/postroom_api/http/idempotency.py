"""`Idempotency-Key` on POST (draft-ietf-httpapi-idempotency-key-header): a repeat creates nothing.

Laws: a key belongs to its principal for 24 h. The same key with another request is 422, while the
first is still being worked on 409, afterwards the first answer again, with `Idempotency-Replayed`.
An answer that says "our fault" or "not now" is not kept: then the key may be used again. Answers
hold what is shown once (tokens, links, codes) and requests hold passwords: both are kept sealed.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.middleware.base import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, ReceiveMessage, Scope, Send

from postroom_api.domain.values import Principal
from postroom_api.http.problems import ProblemError
from postroom_api.postgres.idempotency import Idempotency, KeptAnswer
from postroom_api.sealing import OwnSeal
from postroom_runtime.clock import Clock

HEADER: Final = "idempotency-key"
LONGEST_KEY: Final = 255
LARGEST_ANSWER: Final = 256 * 1024
LARGEST_BODY: Final = 1_000_000
RETRYABLE: Final = frozenset({401, 403, 408, 409, 429})


class IdempotentPosts(ASGIMiddleware):
    """Stands behind the authentication: the key is the principal's."""

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Answer one request, perhaps from memory."""
        key = Headers.from_scope(scope).get(HEADER, "")
        who = scope.get("user")
        mine = scope.get("method") == "POST" and str(scope["path"]).startswith("/api/")
        if not key or not mine or not isinstance(who, Principal):
            await next_app(scope, receive, send)
            return
        if len(key) > LONGEST_KEY or not key.isprintable():
            raise ProblemError(
                400, "bad_idempotency_key", f"A key has 1 to {LONGEST_KEY} printable characters."
            )
        body, again = await _read(receive)
        state = scope["litestar_app"].state
        store: Idempotency = state.idempotency
        clock: Clock = state.clock
        seal: OwnSeal = state.kept_seal
        fingerprint = _fingerprint(scope, body)
        known = await store.begin(who, key, seal.seal(who.id, fingerprint), clock.now())
        if known is not None:
            await _replay(_opened(known, who, seal), fingerprint, send)
            return

        async def keep(answer: KeptAnswer) -> None:
            await store.keep(who, key, _sealed(answer, who, seal))

        recorder = _Recorder(send, fingerprint, keep)
        try:
            await next_app(scope, again, recorder.send)
        finally:
            if not recorder.kept:
                await store.forget(who, key)


def _sealed(answer: KeptAnswer, who: Principal, seal: OwnSeal) -> KeptAnswer:
    body = seal.seal(who.id, answer.body.decode("latin-1")).encode("ascii")
    return msgspec.structs.replace(answer, body=body)


def _opened(known: KeptAnswer, who: Principal, seal: OwnSeal) -> KeptAnswer:
    """Return what was kept; of what no key opens any more, nothing fits."""
    fingerprint = seal.open(who.id, known.fingerprint) or ""
    body = (seal.open(who.id, known.body.decode("ascii")) or "") if known.body else ""
    return msgspec.structs.replace(known, fingerprint=fingerprint, body=body.encode("latin-1"))


def _fingerprint(scope: Scope, body: bytes) -> str:
    parts = (str(scope.get("method")).encode(), str(scope["path"]).encode(), body)
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


async def _read(receive: Receive) -> tuple[bytes, Receive]:
    """Return the body (cut above what any route takes) and a `receive` that has it again."""
    messages: list[ReceiveMessage] = []
    body = b""
    while len(body) <= LARGEST_BODY:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request":
            break
        body += message["body"]
        if not message.get("more_body"):
            break
    waiting = iter(messages)

    async def again() -> ReceiveMessage:
        for message in waiting:
            return message
        return await receive()

    return body, again


async def _replay(known: KeptAnswer, fingerprint: str, send: Send) -> None:
    if known.fingerprint != fingerprint:
        raise ProblemError(
            422, "idempotency_mismatch", "This Idempotency-Key was used for another request."
        )
    if known.status is None:
        raise ProblemError(
            409, "idempotency_running", "The first request with this key is still at work."
        )
    headers = [(b"content-type", known.content_type.encode()), (b"idempotency-replayed", b"true")]
    if known.location:
        headers.append((b"location", known.location.encode()))
    headers.append((b"content-length", str(len(known.body)).encode()))
    await send({"type": "http.response.start", "status": known.status, "headers": headers})
    await send({"type": "http.response.body", "body": known.body, "more_body": False})


class _Recorder:
    """Passes an answer on; its end only when it is kept, so that whoever has it may ask again."""

    def __init__(
        self, send: Send, fingerprint: str, keep: Callable[[KeptAnswer], Awaitable[None]]
    ) -> None:
        self.kept = False
        self._send = send
        self._fingerprint = fingerprint
        self._keep = keep
        self._status = 500
        self._type = ""
        self._location = ""
        self._body = b""
        self._whole = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableScopeHeaders(message)
            self._status = message["status"]
            self._type = headers.get("content-type", "")
            self._location = headers.get("location", "")
        elif message["type"] == "http.response.body":
            self._body += message["body"]
            self._whole = not message["more_body"]
            answer = self._answer()
            if answer is not None:
                self.kept = True  # also when that fails: what was created is not created again
                await self._keep(answer)
        await self._send(message)

    def _answer(self) -> KeptAnswer | None:
        """Return what is to be kept, or None."""
        ours = self._status >= 500 or self._status in RETRYABLE  # noqa: PLR2004 - RFC 9110 §15.6
        if not self._whole or ours or len(self._body) > LARGEST_ANSWER:
            return None
        return KeptAnswer(self._fingerprint, self._status, self._type, self._location, self._body)
