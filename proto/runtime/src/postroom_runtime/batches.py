"""Atomic batches: several messages of one stream that are stored together or not at all.

Laws: the first message is a request, or errors go unseen; the last commits. Until then nothing is
stored, and the broker forgets a batch that it hears nothing of for 10 s.
"""

import json
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from nats.aio.msg import Msg

from postroom_runtime.errors import UnavailableError
from postroom_runtime.messages import MESSAGE_ID, Publication, Stored, stored_in

FRESH_SECONDS: Final = 6.0
"""So long after its last message a batch is surely still open."""
Ask = Callable[[str, bytes, Mapping[str, str]], Awaitable[Msg]]
Send = Callable[[str, bytes, dict[str, str]], Awaitable[None]]


class Batch:
    """One batch, from its first message to its commit."""

    def __init__(self, ask: Ask, send: Send) -> None:
        self._ask = ask
        self._send = send
        self._id = os.urandom(12).hex()
        self._count = 0

    async def add(self, one: Publication) -> None:
        """Send a message that is not the last."""
        headers = self._headers(one)
        if self._count > 1:
            await self._send(one.subject, one.payload, headers)
            return
        answer = await self._ask(one.subject, one.payload, headers)
        if answer.data:
            stored_in(answer.data)

    async def commit(self, last: Publication) -> list[Stored]:
        """Send the last message; return where each lies. UnavailableError: it is not known.

        KnownError, ConflictError, FullError and BrokerError: nothing is stored.
        """
        headers = {**self._headers(last), "Nats-Batch-Commit": "1"}
        answer = await self._ask(last.subject, last.payload, headers)
        stored = stored_in(answer.data)
        counted = json.loads(answer.data).get("count")
        if counted != self._count:
            raise UnavailableError(f"batch of {self._count} was counted as {counted}")
        begin = stored.sequence - self._count + 1
        return [Stored(stored.stream, begin + offset) for offset in range(self._count)]

    def _headers(self, one: Publication) -> dict[str, str]:
        self._count += 1
        headers = {
            **one.headers,
            "Nats-Batch-Id": self._id,
            "Nats-Batch-Sequence": str(self._count),
        }
        if one.id is not None:
            headers[MESSAGE_ID] = one.id
        return headers
