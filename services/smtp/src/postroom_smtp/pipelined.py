"""A conversation by which mails are handed over, in few writes and with their bytes as they are.

MAIL, RCPT and DATA go together where the server can take that (RFC 2920). It takes over a transport
on which greeting, EHLO, TLS and AUTH are done.

Laws:
1. A mail's bytes leave only after the server has asked for them (354), so what breaks before that
   has delivered nothing.
2. A server that speaks out of turn, or without end, is left.
"""

import asyncio
import re
from collections import deque
from typing import Final

import msgspec

from postroom_mail.crlf import dot_stuff
from postroom_smtp.domain.delivery import HopReply, Stage

_STAGES: Final[dict[bytes, Stage]] = {b"MAIL": "mail", b"RCPT": "rcpt"}
_LINE: Final = re.compile(rb"([2-5][0-9]{2})(?:([ -])([^\n]*))?\r?\n")
_MOST_OCTETS: Final = 32 * 1024
"""Of what the server has said and nobody has read."""
_GOODBYE_SECONDS: Final = 2.0
_CLOSING: Final = 421
_GO_ON: Final = 354


class LostError(ConnectionError):
    """The connection broke. `stale`: between two mails, before a word was said to the next."""

    def __init__(self, words: str, *, stale: bool = False) -> None:
        super().__init__(words)
        self.stale = stale


class Conversation(asyncio.Protocol):
    """One connection. Whoever holds it sends one mail after the other."""

    def __init__(self, transport: asyncio.Transport, extensions: frozenset[str]) -> None:
        self.extensions = extensions
        """What EHLO said, in lower case."""
        self.mails = 0
        """How many were sent, or tried."""
        self._transport = transport
        self._received = bytearray()
        self._words: list[bytes] = []
        self._replies: deque[HopReply] = deque()
        self._owed = 0
        """Replies that the server has not given yet."""
        self._waiter: asyncio.Future[None] | None = None
        self._lost = ""
        self._open_transaction = False
        self._taken_up = False
        transport.set_protocol(self)

    @property
    def is_open(self) -> bool:
        """Whether a mail can be tried."""
        return not self._lost and not self._transport.is_closing()

    def take_up(self) -> None:
        """Go on after a rest: what breaks before the server's next word breaks nothing."""
        self._taken_up = True

    async def send(
        self, mail: bytes, envelope: tuple[bytes, bytes], *, command: float, data: float
    ) -> HopReply:
        """Hand over one mail (clean, with CRLF at its end); `envelope`: MAIL and RCPT.

        LostError and TimeoutError leave the conversation closed. Patience in seconds.
        """
        self.mails += 1
        lines = [b"RSET"] if self._open_transaction else []
        refused, go_on = await self._enveloped([*lines, *envelope, b"DATA"], command)
        if refused is not None and not go_on:
            return refused
        self._open_transaction = False
        # DATA may be granted though nobody is there to receive: an empty mail ends it.
        self._write(dot_stuff(mail) + b".\r\n" if refused is None else b".\r\n")
        reply = await self._reply(data)
        # A server may take so many mails and leave: before the next one that is nobody's loss.
        self._taken_up = reply.code // 100 == 2  # noqa: PLR2004 - the class of success
        return reply if refused is None else refused

    async def _enveloped(self, lines: list[bytes], patience: float) -> tuple[HopReply | None, bool]:
        """Return the first refusal, and whether the server waits for a mail."""
        self._open_transaction = True
        together = "pipelining" in self.extensions
        if together:
            self._write(b"\r\n".join(lines) + b"\r\n", len(lines))
        refused: HopReply | None = None
        go_on = False
        for line in lines:
            if not together:
                self._write(line + b"\r\n")
            reply = await self._reply(patience)
            is_data = line == b"DATA"
            go_on = is_data and reply.code == _GO_ON
            if refused is None and reply.code // 100 != (3 if is_data else 2):
                refused = msgspec.structs.replace(reply, stage=_STAGES.get(line[:4], ""))
                if not together:
                    break
        return refused, go_on

    def _write(self, data: bytes, replies: int = 1) -> None:
        if self._lost:
            raise self._error()
        self._owed += replies
        self._transport.write(data)

    async def _reply(self, patience: float) -> HopReply:
        if not self._replies:
            try:
                async with asyncio.timeout(patience):
                    await self._heard()
            except BaseException:
                self.close()
                raise
        reply = self._replies.popleft()
        if reply.code == _CLOSING:
            self._lost = self._lost or f"{reply.code} {reply.text}"
            self.close()
            if self._taken_up:
                raise self._error()
            return HopReply(reply.code, reply.text, "lost")
        self._taken_up = False
        return reply

    async def _heard(self) -> None:
        while not self._replies:
            if self._lost:
                raise self._error()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def _error(self) -> LostError:
        return LostError(self._lost, stale=self._taken_up)

    async def goodbye(self) -> None:
        """QUIT, and do not wait long for the answer."""
        try:
            self._taken_up = False
            self._write(b"QUIT\r\n")
            await self._reply(_GOODBYE_SECONDS)
        except OSError:
            pass  # it has left before us
        finally:
            self.close()

    def close(self) -> None:
        """Hang up."""
        self._lost = self._lost or "the connection was closed"
        if self._transport.get_write_buffer_size():
            self._transport.abort()  # nobody reads what is left
        else:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Read replies (RFC 5321 §4.2.1)."""
        self._received += data
        while found := _LINE.match(self._received):
            self._words.append(found[3].strip() if found[3] else b"")
            if found[2] != b"-":
                text = b"\n".join(self._words).decode("utf-8", "replace")
                self._words = []
                self._replies.append(HopReply(int(found[1]), text))
                self._owed -= 1
            del self._received[: found.end()]
        size = len(self._received) + sum(map(len, self._words))
        if self._owed < 0:
            self._break(f"the server spoke out of turn: {self._replies[-1].text[:200]}")
        elif b"\n" in self._received or size > _MOST_OCTETS:
            self._break("the server does not speak SMTP")
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._lost = self._lost or (str(exc) if exc else "the server closed the connection")
        self._wake()

    def _break(self, words: str) -> None:
        self._replies.clear()
        self._lost = self._lost or words
        self._transport.abort()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
