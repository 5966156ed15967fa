"""The listener: accepts, looks after slow peers, drains."""

import asyncio
import contextlib
from typing import Final

from postroom_runtime.errors import OperatorError
from postroom_smtp.aiosmtpd_guests import Guests
from postroom_smtp.aiosmtpd_session import SmtpSession
from postroom_smtp.domain import replies

LOOK_SECONDS: Final = 1.0
FAREWELL_SECONDS: Final = 0.5


class SmtpServer:
    """Start it, run `watch` beside it, stop it.

    `implicit`: TLS from the first byte (RFC 8314); no load balancer can stand in front of that.
    `lmtp`: for a mail server that has queues of its own (RFC 2033).
    """

    def __init__(
        self, guests: Guests, host: str, port: int, *, implicit: bool = False, lmtp: bool = False
    ) -> None:
        self._lmtp = lmtp
        self._proxied = not implicit
        self._guests = guests
        self._host = host
        self._port = port
        self._tls = guests.tls if implicit else None
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port that is listened on; of use when 0 was asked for."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen; OperatorError when the address cannot be had."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: SmtpSession(self._guests, lmtp=self._lmtp, proxied=self._proxied),
                self._host,
                self._port,
                backlog=512,
                ssl=self._tls,
                ssl_handshake_timeout=self._guests.handshake_seconds if self._tls else None,
            )
        except OSError as error:
            raise OperatorError(
                f"cannot listen for SMTP on {self._host}:{self._port}: {error.strerror}"
            ) from error

    async def watch(self) -> None:
        """End sessions that keep us waiting, for ever."""
        loop = asyncio.get_running_loop()
        shortest = min(self._guests.limits.idle, self._guests.limits.window)
        while True:
            await asyncio.sleep(min(LOOK_SECONDS, shortest / 4))
            for guest in list(self._guests.present):
                guest.look(loop.time())

    async def stop(self) -> None:
        """Take no more connections, say 421 to all, and wait for the stores that run."""
        if self._server is None:
            return
        self._guests.draining = True
        self._server.close()
        for guest in list(self._guests.present):
            guest.end(replies.draining())
        await self._guests.finish()
        # Time for the last words to leave; whoever stays is cut off with the process.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._guests.empty.wait()
