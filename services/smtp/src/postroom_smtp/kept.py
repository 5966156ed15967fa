"""Conversations that are kept a moment for the next chunk to the same server.

Laws:
1. So many at most, so long at most: a server's connection is not ours to sit on.
2. What is taken is taken by one.
"""

import asyncio
from collections.abc import Hashable
from typing import Final

from postroom_smtp.pipelined import Conversation

SECONDS: Final = 3.0
"""Idle. Postfix keeps them 2 s."""
MOST: Final = 50
MAILS: Final = 500
"""By one connection."""


class Kept:
    """Those of one process, by server and security."""

    def __init__(self, seconds: float = SECONDS, most: int = MOST, mails: int = MAILS) -> None:
        self._seconds = seconds
        self._most = most
        self._mails = mails
        self._idle: dict[Conversation, tuple[Hashable, asyncio.TimerHandle]] = {}
        """The one that waits longest first."""
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = False

    def take(self, server: Hashable) -> Conversation | None:
        """Return the youngest that is open, or None."""
        for one in reversed([one for one, (where, _) in self._idle.items() if where == server]):
            self._idle.pop(one)[1].cancel()
            if one.is_open:
                one.take_up()
                return one
        return None

    async def give(self, server: Hashable, one: Conversation) -> None:
        """Keep a conversation, or end it where that is not to be."""
        if not one.is_open:
            return
        if self._closed or not self._most or one.mails >= self._mails:
            await one.goodbye()
            return
        if len(self._idle) >= self._most:
            self._leave(next(iter(self._idle)))
        timer = asyncio.get_running_loop().call_later(self._seconds, self._leave, one)
        self._idle[one] = server, timer

    def _leave(self, one: Conversation) -> None:
        self._idle.pop(one)[1].cancel()
        task = asyncio.create_task(one.goodbye())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """End all, shortly, and keep none from now on."""
        self._closed = True
        for one in list(self._idle):
            self._leave(one)
        if self._leaving:
            await asyncio.wait(self._leaving)
