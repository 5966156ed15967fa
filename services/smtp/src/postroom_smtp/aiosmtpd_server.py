"""The listener: accepts, looks after slow peers, drains."""

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from typing import Final

from postroom_runtime.errors import OperatorError
from postroom_smtp.aiosmtpd_guests import Guests
from postroom_smtp.aiosmtpd_session import SmtpSession
from postroom_smtp.domain import replies

LOOK_SECONDS: Final = 1.0
FAREWELL_SECONDS: Final = 0.5
BACKLOG: Final = 512


def listen(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen, one for each address of a host; OperatorError when it cannot be.

    Port 0: one that is free, the same for all.
    """
    made: list[socket.socket] = []
    try:
        for family, _, _, _, where in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            chosen = made[0].getsockname()[1] if made else port
            made.append(socket.create_server((where[0], chosen), family=family, backlog=BACKLOG))
    except OSError as error:
        for one in made:
            one.close()
        raise OperatorError(f"cannot listen for SMTP on {host}:{port}: {error.strerror}") from error
    return made


class SmtpServer:
    """Start it, run `watch` beside it, stop it.

    `implicit`: TLS from the first byte (RFC 8314); no load balancer can stand in front of that.
    `lmtp`: for a mail server that has queues of its own (RFC 2033).
    """

    def __init__(
        self,
        guests: Guests,
        sockets: Sequence[socket.socket],
        *,
        implicit: bool = False,
        lmtp: bool = False,
    ) -> None:
        self._lmtp = lmtp
        self._proxied = not implicit
        self._guests = guests
        self._sockets = sockets
        self._tls = guests.tls if implicit else None
        self._servers: list[asyncio.Server] = []

    @property
    def port(self) -> int:
        """The port that is listened on; of use when 0 was asked for."""
        return int(self._sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Take what connects to our sockets."""
        loop = asyncio.get_running_loop()
        for one in self._sockets:
            server = await loop.create_server(
                lambda: SmtpSession(self._guests, lmtp=self._lmtp, proxied=self._proxied),
                sock=one,
                backlog=BACKLOG,
                ssl=self._tls,
                ssl_handshake_timeout=self._guests.handshake_seconds if self._tls else None,
            )
            self._servers.append(server)

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
        self._guests.draining = True
        for one in self._servers:
            one.close()
        for guest in list(self._guests.present):
            guest.end(replies.draining())
        await self._guests.finish()
        # Time for the last words to leave; whoever stays is cut off with the process.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._guests.empty.wait()
