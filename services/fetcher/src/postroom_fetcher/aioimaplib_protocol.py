"""aioimaplib's protocol without its faults (SECURITY §2): reception, ending and execution are ours.

Laws:
1. One command at a time, each with a wall deadline that no byte prolongs.
2. One error, one time-out, one cancellation: the connection is dead and everybody waiting on it
   hears so at once. There is no resynchronising.
3. What is received is bounded by what was asked for (`Budget`).
4. No command line is ever logged. A transcript has the names of commands, and the arguments of
   those that carry no secret.

The base is pinned to 2.0.3: tests/contract/test_aioimaplib.py asserts the names we override.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final

from aioimaplib import aioimaplib as base

from postroom_fetcher.connecting import plain
from postroom_fetcher.domain.imap_wire import Budget, Response, ResponseReader, WireError
from postroom_fetcher.domain.transcript import Transcript
from postroom_fetcher.ports import ServerError, UnreachableError

Sink = Callable[[Response], None]
_SMALL: Final = Budget(responses=1_000)


class HardenedCommand(base.Command):  # type: ignore[misc]  # the library has no types
    """A command of ours: no timer of its own, and its responses go to a sink as they complete."""

    def __init__(
        self,
        name: str,
        tag: str,
        *args: str,
        prefix: str | None = None,
        budget: Budget = _SMALL,
        sink: Sink | None = None,
        answers: Sequence[bytes] = (),
    ) -> None:
        super().__init__(name, tag, *args, prefix=prefix, timeout=None)
        self.budget = budget
        self.untagged: list[Response] = []
        self.answers = list(answers)
        """What is said to the server's challenges, in turn (RFC 3501 §6.2.2)."""
        self.continued: asyncio.Event | None = None
        """Set when the server says "go on" to what has no answers (IDLE, RFC 2177)."""
        self.sink: Sink = sink or self.untagged.append
        self.done: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()

    @property
    def line(self) -> bytes:
        """What is sent."""
        words = [self.tag, *([self.prefix.strip()] if self.prefix else []), self.name]
        return " ".join([*words, *map(str, self.args)]).encode() + b"\r\n"


class HardenedProtocol(base.IMAP4ClientProtocol):  # type: ignore[misc]  # the library has no types
    """One connection."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, transcript: Transcript | None = None
    ) -> None:
        super().__init__(loop)
        self._transcript = transcript
        self.transport: Any = None
        self.state: str = base.STARTED
        self.capabilities: set[str] = set()
        self._reader = ResponseReader()
        self._turn = asyncio.Lock()
        self._current: HardenedCommand | None = None
        self._greeting: asyncio.Future[Response] = loop.create_future()
        self._dead: ServerError | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport (a second time after STARTTLS)."""
        self.transport = transport
        if self.state == base.STARTED:
            self.state = base.CONNECTED

    def data_received(self, d: bytes) -> None:
        """Take bytes; what is wrong with them ends the connection."""
        if self._dead is not None:
            return
        try:
            for response in self._reader.feed(d):
                self._take(response)
                if self._dead is not None:
                    return
        except WireError as error:
            self.die(ServerError(f"the server does not speak proper IMAP: {error}"))

    def eof_received(self) -> bool | None:
        """End with the server."""
        self.die(ServerError("the server closed the connection"))
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who waits."""
        self.die(ServerError(f"the connection was lost: {exc or 'the server closed it'}"))

    def die(self, error: ServerError) -> None:
        """Close, for good; whoever waits gets the error."""
        if self._dead is None:
            self._dead = error
        self.state = base.LOGOUT
        waiting: list[asyncio.Future[Any]] = [self._greeting]
        if self._current is not None:
            waiting.append(self._current.done)
        for one in waiting:
            if not one.done():
                one.set_exception(self._dead)
                one.exception()  # whoever waits raises it; nobody else need hear of it
        if self.transport is not None:
            self.transport.abort()

    def _take(self, response: Response) -> None:
        line = response.line
        if self._transcript is not None:
            self._transcript.heard(line, sum(map(len, response.literals)))
        if not self._greeting.done():
            self._greeting.set_result(response)
        elif line.startswith(b"* "):
            self._untagged(response)
        elif line.startswith(b"+") and self._current is not None and self._current.answers:
            self.transport.write(self._current.answers.pop(0) + b"\r\n")
        elif line.startswith(b"+") and self._current is not None and self._current.continued:
            self._current.continued.set()
        elif self._current is not None and line.startswith(f"{self._current.tag} ".encode()):
            result, _, text = line.split(b" ", 1)[1].partition(b" ")
            if result.upper() not in {b"OK", b"NO", b"BAD"}:
                raise WireError("a command ended neither with OK nor NO nor BAD")
            if not self._current.done.done():
                self._current.done.set_result((result.upper().decode(), plain(text)))
        else:
            raise WireError("a response to nothing we asked")

    def _untagged(self, response: Response) -> None:
        current = self._current
        if response.line[2:5].upper() == b"BYE" and (current is None or current.name != "LOGOUT"):
            self.die(ServerError(f"the server said goodbye: {plain(response.line[5:])}"))
        elif current is not None:
            current.sink(response)

    async def greeting(self) -> Response:
        """Return the server's first words."""
        return await asyncio.shield(self._greeting)

    async def execute(self, command: base.Command, scrub: str | None = None) -> Any:
        """Refuse what the base would build: its commands are neither bounded nor quoted."""
        raise NotImplementedError(f"{command.name} is not one of the commands we use")

    async def command(self, command: HardenedCommand, seconds: float) -> tuple[str, str]:
        """Return (OK, NO or BAD; the server's words); ServerError when the connection died."""
        async with self._turn:
            if self._dead is not None:
                raise ServerError(str(self._dead))
            self._reader.begin(command.budget)
            self._current = command
            try:
                async with asyncio.timeout(seconds):
                    if self._transcript is not None:
                        name = f"{command.prefix or ''}{command.name}"
                        self._transcript.sent(name, [str(one) for one in command.args])
                    self.transport.write(command.line)
                    return await command.done
            except TimeoutError:
                error = ServerError(f"no complete answer to {command.name} within {seconds:g} s")
                self.die(error)
                raise error from None
            except asyncio.CancelledError:
                self.die(ServerError("given up by us"))
                raise
            finally:
                self._current = None

    async def upgrade(self, context: ssl.SSLContext, host: str, seconds: float) -> None:
        """Begin TLS after STARTTLS was granted; anything said in the clear since is an attack."""
        # No await lies between the OK and here, but bytes may have come along with it.
        self.transport.pause_reading()
        if not self._reader.empty:
            error = UnreachableError("the server sent something between STARTTLS and TLS")
            self.die(error)
            raise error
        self.capabilities = set()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                transport = await loop.start_tls(
                    self.transport, self, context, server_hostname=host
                )
        except (OSError, ssl.SSLError, TimeoutError) as error:
            self.die(UnreachableError("TLS failed"))
            raise UnreachableError(f"TLS failed: {error}") from error
        if transport is None:
            raise UnreachableError("the server closed the connection during TLS")
        self.transport = transport
