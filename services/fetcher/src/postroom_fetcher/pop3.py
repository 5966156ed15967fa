"""POP3 (RFC 1939, 2449, 2595) on asyncio streams. Port: Session.

Laws:
1. Every command has a wall deadline; a line and an answer have a limit that is checked as bytes
   come; one error and the connection is of no more use.
2. A message is known by its UIDL, never by its number. Where two messages bear one UIDL, against
   RFC 1939 §7, the later ones get a number of their own behind it.
3. DELE counts only when QUIT was answered with +OK (RFC 1939 §6).
"""

import asyncio
import hashlib
import re
import ssl
from collections.abc import Awaitable, Sequence
from typing import Any, Final, Self, TypeVar

from postroom_contract.documents import FetchSource
from postroom_contract.rules import ServerFlag
from postroom_fetcher.connecting import Patience, Way, plain, reach, tls_context, tls_words
from postroom_fetcher.domain import oauth
from postroom_fetcher.domain.folders import INBOX
from postroom_fetcher.domain.plan import Listed
from postroom_fetcher.domain.transcript import Transcript
from postroom_fetcher.ports import (
    ForbiddenError,
    Inbox,
    ServerError,
    SignInError,
    UnreachableError,
)

_LINE: Final = 2_048
_LISTING: Final = 32 * 1024 * 1024
_CAPABILITIES: Final = 16 * 1024
_WORTHWHILE: Final = 10
"""So many mails make it worth to ask whether they may be asked for ahead."""
_AHEAD: Final = 20
"""Mails asked for before the first of them has come."""
_CHALLENGE: Final = 16 * 1024
_TITLE: Final = 64 * 1024
"""Of a header that is only to be named."""
_READ: Final = 256 * 1024
_UIDL: Final = re.compile(rb"([0-9]{1,9}) ([\x21-\x7e]{1,200})[ \t]*")
_SIZE: Final = re.compile(rb"([0-9]{1,9}) ([0-9]{1,15})\b.*")
_STAMP: Final = re.compile(rb"<[\x21-\x3b\x3d\x3f-\x7e]{1,200}@[\x21-\x3b\x3d\x3f-\x7e]{1,200}>")
_NOT_NOW: Final = re.compile(r"\[(IN-USE|SYS/TEMP|LOGIN-DELAY)\]", re.IGNORECASE)
"""RFC 2449 §8, RFC 3206: the server's trouble, not the password's."""
_END: Final = b"\r\n.\r\n"
T = TypeVar("T")


class _Wire:
    """Bytes to answers, within bounds."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        transcript: Transcript | None,
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.transcript = transcript
        self.buffer = bytearray()

    async def until(self, mark: bytes, limit: int) -> bytes:
        """Return what comes before `mark`, and leave the mark in the buffer."""
        searched = 0
        while (end := self.buffer.find(mark, max(searched - len(mark), 0))) < 0:
            searched = len(self.buffer)
            if searched > limit:
                raise ServerError(f"the server sent more than {limit} bytes without an end")
            data = await self.reader.read(_READ)
            if not data:
                raise ServerError("the server closed the connection")
            self.buffer += data
        if end > limit:
            raise ServerError(f"the server sent more than {limit} bytes")
        found = bytes(memoryview(self.buffer)[:end])
        del self.buffer[:end]
        return found

    async def status(self) -> tuple[bool, bytes]:
        """Return whether the answer is +OK, and its words; its line end stays in the buffer."""
        line = await self.until(b"\r\n", _LINE)
        if self.transcript is not None:
            self.transcript.heard(line)
        good = line.startswith(b"+OK")
        if not good and not line.startswith(b"-ERR"):
            raise ServerError(f"the server does not speak POP3: {plain(line)}")
        return good, line[3 if good else 4 :].strip()

    async def body(self, limit: int) -> bytes:
        """Return a multi-line answer behind its status, dots removed (RFC 1939 §3)."""
        # The status's own line end is still there: an answer without lines is `CRLF . CRLF` too.
        found = await self.until(_END, limit)
        if self.transcript is not None:
            self.transcript.noted(f"{len(found)} bytes")
        del self.buffer[: len(_END)]
        return (found + b"\r\n").replace(b"\r\n.", b"\r\n")[2:] if found else b""


class Pop3Session:
    """One connection; a POP3 server locks the mailbox while it lasts."""

    def __init__(self, wire: _Wire, source: FetchSource, patience: Patience) -> None:
        self._wire = wire
        self._source = source
        self._patience = patience
        self._numbers: dict[str, int] = {}
        self._deleting = False
        self._pipelining: bool | None = None
        self.tells = False
        self.next_key: int | None = None

    @classmethod
    async def open(cls, source: FetchSource, password: str, way: Way) -> Self:
        """Connect, encrypt and sign in."""
        wire = await reach(source, way, lambda address, tls: _connect(source, address, tls, way))
        session = cls(wire, source, way.patience)
        try:
            if source.tls == "implicit":
                way.watch("tls", tls_words(wire.writer.transport))
            stamp = await session._greeting()
            way.watch("greeting", plain(stamp))
            if source.tls == "starttls":
                await session._start_tls()
                way.watch("tls", tls_words(wire.writer.transport))
            await session._sign_in(password, stamp)
            way.watch("sign_in", f"signed in as {source.login}")
        except BaseException:
            session.close()
            raise
        return session

    async def _greeting(self) -> bytes:
        try:
            async with asyncio.timeout(self._patience.connect):
                good, words = await self._wire.status()
        except TimeoutError:
            raise UnreachableError("the server did not greet in time") from None
        except OSError as error:
            raise UnreachableError(f"the connection was lost: {error}") from error
        if not good:
            raise UnreachableError(f"the server does not let us in: {plain(words)}")
        del self._wire.buffer[:2]
        return words

    async def _start_tls(self) -> None:
        await self._need(b"STLS")
        if self._wire.buffer:
            raise UnreachableError("the server sent something between STLS and TLS")
        context = tls_context(self._source)
        assert context is not None
        try:
            async with asyncio.timeout(self._patience.connect):
                await self._wire.writer.start_tls(context, server_hostname=self._source.host)
        except (OSError, ssl.SSLError, TimeoutError) as error:
            raise UnreachableError(f"TLS failed: {error}") from error

    async def _bear(self, token: str) -> None:
        """Sign in with an access token (RFC 5034, RFC 7628; XOAUTH2)."""
        self._send(b"CAPA")
        offered = await self._long(b"CAPA", _CAPABILITIES) or b""
        named = [line.upper().split() for line in offered.split(b"\r\n")]
        mechanisms = {word.decode("ascii", "replace") for line in named for word in line[1:]
                      if line[0] == b"SASL"}  # fmt: skip
        mechanism = oauth.mechanism_of(frozenset(mechanisms))
        if mechanism is None:
            raise ForbiddenError("the server offers no sign-in by OAuth2")
        try:
            first = oauth.response(mechanism, self._source, token)
        except ValueError as error:
            raise ForbiddenError(str(error)) from None
        # Tokens are longer than a command may be (RFC 5034 §4): the response has a line of its own.
        said = await self._answered(b"AUTH " + mechanism.encode())
        if said is None:
            said = await self._answered(first)
        if said is None:  # why it is refused, in base64: that is only said with the last answer
            said = await self._answered(oauth.after_refusal(mechanism))
        if said is None:
            raise ServerError("the server asks on and on instead of signing us in")
        good, words = said
        if not good and _NOT_NOW.search(plain(words)):
            raise ServerError(f"the server cannot sign us in now: {plain(words)}")
        if not good:
            raise SignInError(f"the server refuses the provider's token: {plain(words)}")

    async def _answered(self, line: bytes) -> tuple[bool, bytes] | None:
        """Send a line of an exchange; return how it ended, or None when the server asks on."""

        async def step() -> tuple[bool, bytes] | None:
            heard = await self._wire.until(b"\r\n", _CHALLENGE)
            if heard[:1] == b"+" and heard[:3] != b"+OK":
                del self._wire.buffer[:2]
                return None
            self._wire.buffer[:0] = heard
            answer = await self._wire.status()
            del self._wire.buffer[:2]
            return answer

        if line.startswith(b"AUTH "):
            self._send(line)
        else:  # what carries the token is written down nowhere
            self._wire.writer.write(line + b"\r\n")
        return await self._within(step(), b"AUTH", self._patience.login)

    async def _sign_in(self, password: str, stamp: bytes) -> None:
        if self._source.auth == "oauth2":
            await self._bear(password)
            return
        login = _argument(self._source.login)
        secret = _argument(password, spaces=True)
        seconds = self._patience.login
        if self._source.apop:
            found = _STAMP.search(stamp)
            if found is None:
                raise ForbiddenError("the server offers no APOP; a password was not sent")
            digest = hashlib.md5(found[0] + secret, usedforsecurity=False).hexdigest()
            good, words = await self._ask(b"APOP " + login + b" " + digest.encode(), seconds)
        else:
            good, words = await self._ask(b"USER " + login, seconds)
            if good:
                good, words = await self._ask(b"PASS " + secret, seconds)
        if not good and _NOT_NOW.search(plain(words)):
            raise ServerError(f"the server cannot sign us in now: {plain(words)}")
        if not good:
            raise SignInError(f"the server refuses login or password: {plain(words)}")

    async def chosen(self, wanted: Sequence[str]) -> list[str]:  # noqa: ARG002 - there is one
        """POP3 has one folder."""
        return [INBOX]

    async def folder(self, name: str = INBOX) -> str:  # noqa: ARG002 - there is one
        """POP3 has one folder and no UIDVALIDITY."""
        return ""

    async def look(self) -> Inbox:
        """Return the sizes of all messages; POP3 tells no dates and no folders."""
        sizes = {
            int(match[1]): int(match[2])
            for line in await self._lines(b"LIST")
            if (match := _SIZE.fullmatch(line))
        }
        return Inbox(messages=tuple((size, None) for size in sizes.values()))

    async def newer(self, days: int) -> set[str] | None:  # noqa: ARG002 - POP3 tells no dates
        """POP3 tells no dates: None."""
        return None

    async def listing(self, after: int) -> list[Listed]:  # noqa: ARG002 - POP3 lists all
        """Return UIDL and size of all messages, in the server's order."""
        sizes = {
            int(match[1]): int(match[2])
            for line in await self._lines(b"LIST")
            if (match := _SIZE.fullmatch(line))
        }
        found: list[Listed] = []
        self._numbers = {}
        times: dict[str, int] = {}
        for line in await self._lines(b"UIDL"):
            match = _UIDL.fullmatch(line)
            if match is None:
                raise ServerError("the server gives a message no usable name (UIDL)")
            number, uidl = int(match[1]), match[2].decode("ascii")
            times[uidl] = times.get(uidl, 0) + 1
            key = uidl if times[uidl] == 1 else f"{uidl} {times[uidl]}"
            self._numbers[key] = number
            found.append(Listed(key, sizes.get(number, 0)))
        return found

    async def fetch(self, wanted: Sequence[Listed], limit: int) -> dict[str, bytes]:
        """Return the mails by UIDL."""
        mails: dict[str, bytes] = {}
        if self._pipelining is None and len(wanted) >= _WORTHWHILE:
            await self._ask_for_pipelining()
        commands = [b"RETR %d" % self._numbers[one.key] for one in wanted]
        asked = 0
        for answered, one in enumerate(wanted):
            window = answered + (_AHEAD if self._pipelining else 1)
            self._send(*commands[asked:window], awaited=asked - answered)
            asked = max(asked, min(window, len(commands)))
            # Dots that were doubled and line ends that were not counted: an eighth more is borne.
            answer = await self._long(commands[answered], limit + limit // 8 + _LINE)
            if answer is None:
                continue
            if len(answer) > limit:
                raise ServerError("the server hands out a mail larger than it said")
            mails[one.key] = answer
        return mails

    async def heads(self, wanted: Sequence[Listed]) -> dict[str, bytes]:
        """Return the headers by UIDL (TOP); a server that has no TOP names none."""
        found: dict[str, bytes] = {}
        for one in wanted:
            command = b"TOP %d 0" % self._numbers[one.key]
            self._send(command)
            head = await self._long(command, _TITLE)
            if head is None:
                break
            found[one.key] = head
        return found

    async def _ask_for_pipelining(self) -> None:
        """Learn whether commands may be sent before the answer to the last has come (RFC 2449)."""
        self._send(b"CAPA")
        offered = await self._long(b"CAPA", _CAPABILITIES)
        words = (offered or b"").upper().split(b"\r\n")
        self._pipelining = b"PIPELINING" in (word.strip() for word in words)

    async def delete(self, keys: Sequence[str]) -> None:
        """Mark these; they are deleted with QUIT."""
        for key in keys:
            self._deleting = True
            await self._need(b"DELE %d" % self._numbers[key])

    async def flag(self, keys: Sequence[str], flag: ServerFlag) -> None:  # noqa: ARG002 - never done
        """POP3 marks nothing: ForbiddenError."""
        raise ForbiddenError("POP3 cannot mark mails")

    async def move(self, keys: Sequence[str], folder: str) -> None:  # noqa: ARG002 - never done
        """POP3 moves nothing: ForbiddenError."""
        raise ForbiddenError("POP3 cannot move mails to a folder")

    async def news(self, seconds: float) -> bool:  # noqa: ARG002 - POP3 tells nothing
        """POP3 tells nothing: ForbiddenError."""
        raise ForbiddenError("a POP3 server does not tell of new mail")

    async def finish(self) -> None:
        """Quit. ServerError when mails were to be deleted and +OK did not come."""
        good, words = await self._ask(b"QUIT", self._patience.command)
        self.close()
        if not good and self._deleting:
            raise ServerError(f"the server did not confirm the deletions: {plain(words)}")

    def close(self) -> None:
        """Cut the connection; nothing is deleted (RFC 1939 §6)."""
        self._wire.writer.transport.abort()

    async def _lines(self, command: bytes) -> list[bytes]:
        self._send(command)
        answer = await self._long(command, _LISTING)
        if answer is None:
            raise ServerError(f"the server refuses {command.decode()}")
        return answer.split(b"\r\n")[:-1]

    async def _ask(self, command: bytes, seconds: float) -> tuple[bool, bytes]:
        """Return whether +OK came, and the words; time-outs and losses are ServerErrors."""

        async def step() -> tuple[bool, bytes]:
            answer = await self._wire.status()
            del self._wire.buffer[:2]
            return answer

        self._send(command)
        return await self._within(step(), command, seconds)

    async def _long(self, command: bytes, limit: int) -> bytes | None:
        """Return the answer of many lines to a command that was sent, or None for -ERR."""

        async def step() -> bytes | None:
            good, _ = await self._wire.status()
            if not good:
                del self._wire.buffer[:2]
                return None
            return await self._wire.body(limit)

        return await self._within(step(), command, self._patience.command)

    async def _need(self, command: bytes) -> None:
        good, words = await self._ask(command, self._patience.command)
        if not good:
            raise ServerError(f"the server refuses {command.decode()}: {plain(words)}")

    def _send(self, *commands: bytes, awaited: int = 0) -> None:
        """Send commands, behind so many whose answers are still awaited."""
        if self._wire.buffer and not awaited:
            raise ServerError("the server said more than it was asked")
        if self._wire.transcript is not None:
            for command in commands:
                name, *arguments = command.decode("utf-8", "replace").split(" ")
                self._wire.transcript.sent(name, arguments)
        self._wire.writer.write(b"".join(command + b"\r\n" for command in commands))

    async def _within(self, step: Awaitable[T], command: bytes, seconds: float) -> T:
        verb = command.split(b" ")[0].decode()
        try:
            async with asyncio.timeout(seconds):
                return await step
        except TimeoutError:
            self.close()
            raise ServerError(f"no complete answer to {verb} within {seconds:g} s") from None
        except OSError as error:
            raise ServerError(f"the connection was lost: {error}") from error


async def _connect(source: FetchSource, address: str, tls: dict[str, Any], way: Way) -> _Wire:
    streams = await asyncio.open_connection(address, source.port, limit=_READ, **tls)
    return _Wire(*streams, way.transcript)


def _argument(text: str, *, spaces: bool = False) -> bytes:
    """Return a word of a command; ForbiddenError where it could become another command."""
    if not text or any(c in "\0\r\n" for c in text) or (" " in text and not spaces):
        raise ForbiddenError("login or password has a character that POP3 cannot say")
    return text.encode()
