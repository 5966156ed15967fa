"""One connection: bytes in, replies out, on aiosmtpd's `SMTP` protocol class.

aiosmtpd's own reader, command loop, timer and address parser have faults that cannot be patched
one by one (SECURITY.md §2, lab A7): this class keeps its transport and session and replaces them.

Laws:
1. Nothing is run as a command before the mail in front of it has its answer.
2. The end of a connection, a time-out or a half-close never ends a store that has begun.
3. What we hold of a peer is bounded: a command line, one mail, one backlog.
"""

import asyncio
import enum
import ssl
from datetime import UTC, datetime
from typing import Final, cast

import structlog
from aiosmtpd.smtp import SMTP

from postroom_contract.beats import Peer
from postroom_smtp.aiosmtpd_guests import Guests
from postroom_smtp.domain import replies
from postroom_smtp.domain.arguments import recipient_in
from postroom_smtp.domain.conversation import Conversation
from postroom_smtp.domain.data import DataReader, check_header, header_of
from postroom_smtp.domain.intake import Transaction
from postroom_smtp.domain.networks import lies_in
from postroom_smtp.domain.proxy import ProxyError, proxied
from postroom_smtp.domain.refusals import Refusal
from postroom_smtp.domain.replies import RefusalError, Reply

BACKLOG_BYTES: Final = 64 * 1024
"""What may wait behind a DATA before reading is paused."""
LINGER_SECONDS: Final = 10.0
"""How long a peer may go on sending after we have closed; else our last reply would be lost."""


class State(enum.IntEnum):
    """What the next bytes are."""

    PROXY = enum.auto()
    """A load balancer says whose connection this is."""
    WELCOMING = enum.auto()
    """The greeting is held back."""
    COMMANDS = enum.auto()
    UPGRADING = enum.auto()
    DATA = enum.auto()
    STORING = enum.auto()
    CLOSING = enum.auto()


_WAITING: Final = frozenset({State.PROXY, State.WELCOMING, State.COMMANDS})


class SmtpSession(SMTP):
    """A session; `Guests` knows all of them."""

    def __init__(self, guests: Guests, *, lmtp: bool = False, proxied: bool = True) -> None:
        self.loop = asyncio.get_running_loop()
        # SMTP.__init__ walks over all members of two classes for each connection and asks the DNS
        # for our name (lab A2): its own parent is what the transport needs.
        super(SMTP, self).__init__(asyncio.StreamReader(loop=self.loop), loop=self.loop)
        self._guests = guests
        self._wire: asyncio.Transport | None = None
        self._state = State.COMMANDS
        self._buffer = b""
        self._out: list[bytes] = []
        self._data = DataReader(guests.limits.message)
        self._half_closed = False
        self._since = self.loop.time()
        self._received = 0
        self._came = datetime.now(tz=UTC)
        self._mails = 0
        self._line = b""
        """The last command."""
        self.address = ""
        self.name = guests.receiving.new_session()
        self._talk = Conversation(
            guests.hostname,
            guests.limits,
            guests.receiving.admit,
            check=guests.receiving.sign_in if guests.tls else None,
            tls_offered=guests.tls is not None,
            lmtp=lmtp,
        )
        self._lmtp = lmtp
        self._proxied = proxied
        self._welcoming: asyncio.Task[None] | None = None
        """Not one of the house's tasks: nobody who stops waits for a greeting."""

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, turn away, or hear first whose connection it is."""
        # uvloop's transport is one in all but name.
        self.transport = self._wire = wire = cast("asyncio.Transport", transport)
        self.session = self._create_session()
        self.session.peer = transport.get_extra_info("peername")
        self.address = str(self.session.peer[0]) if self.session.peer else ""
        self._talk.tls = _tls_of(wire)
        refusal = self._guests.enter(self)
        if refusal is None and self._proxied and lies_in(self.address, self._guests.access.proxies):
            self._state = State.PROXY
            return
        self._receive(refusal)

    def _receive(self, refusal: Reply | None) -> None:
        """Greet now or soon, or turn away."""
        if refusal is None and self._guests.access.verdict(self.address) == "waits":
            self._state = State.WELCOMING
            self._welcoming = asyncio.create_task(self._welcome())
            return
        self._state = State.COMMANDS
        self._say(refusal or replies.greeting(self._guests.hostname, lmtp=self._lmtp))
        self._flush()
        if refusal is not None and self._wire is not None:
            self._wire.close()

    async def _welcome(self) -> None:
        """Greet whoever waits for it, and is on no list."""
        guests = self._guests
        seconds = guests.access.greet
        listed, _ = await asyncio.gather(
            guests.listed(self.address) if guests.listed else _no(), asyncio.sleep(seconds)
        )
        if self._wire is None or self._state is not State.WELCOMING:
            return
        early = bool(self._buffer) and seconds > 0
        refusal = replies.LISTED if listed else replies.EARLY if early else None
        self._state = State.COMMANDS
        self._watch()
        self._say(refusal or replies.greeting(guests.hostname, lmtp=self._lmtp))
        self._flush()
        if refusal is not None:
            self._wire.close()
        else:
            self._advance()

    def data_received(self, data: bytes) -> None:
        """Take the next bytes."""
        if self._state in {State.CLOSING, State.UPGRADING}:
            return
        self._received += len(data)
        self._buffer = self._buffer + data if self._buffer else bytes(data)
        if self._state is State.PROXY:
            self._take_proxy()
        self._advance()

    def eof_received(self) -> bool:
        """Keep our side open while a store runs: its answer is owed. True = stay open.

        Under TLS there is no half of a connection: the answer is lost, and the repeat harmless.
        """
        self._half_closed = True
        return self._state is State.STORING and not self._talk.tls

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the peer; a running store goes on."""
        super(SMTP, self).connection_lost(error)
        self._welcome_no_more()
        self.transport = self._wire = None
        self._state = State.CLOSING
        self._buffer = b""
        self._guests.leave(self)

    # What the house calls.

    def seen(self) -> Peer:
        """Return the session as the panel shows it."""
        return Peer(
            address=self.address,
            name=self._talk.helo,
            since=self._came,
            state=self._state.name.lower(),
            tls=self._talk.tls,
            submitter=self._talk.submitter,
            mails=self._mails,
        )

    def look(self, now: float) -> None:
        """End the session when the peer keeps us waiting; `now` is the loop's time."""
        waited = now - self._since
        limits = self._guests.limits
        if self._state is State.CLOSING:
            if waited > LINGER_SECONDS and self._wire is not None:
                self._wire.abort()
        elif self._state is State.UPGRADING:
            if waited > self._guests.handshake_seconds and self._wire is not None:
                self._wire.abort()
        elif self._state in _WAITING:
            if waited > limits.idle + self._guests.access.greet:
                self.end(replies.too_slow("idle too long"))
        elif self._state is State.DATA and waited > limits.window:
            if self._received < limits.slow * waited:
                self.end(replies.too_slow("data came too slowly"))
            self._watch()

    def end(self, reply: Reply) -> None:
        """Say a last word, unless a store runs: then it comes behind the store's answer."""
        if self._state in _WAITING or self._state is State.DATA:
            self._welcome_no_more()
            self._say(reply)
            self._flush()

    def _welcome_no_more(self) -> None:
        if self._state is State.WELCOMING and self._welcoming is not None:
            self._welcoming.cancel()

    # The machine.

    def _advance(self) -> None:
        """Take what the buffer holds as far as the state allows; one write for all replies."""
        while self._buffer and self._state in {State.COMMANDS, State.DATA}:
            took = self._take_line() if self._state is State.COMMANDS else self._take_data()
            if not took:
                break
        self._flush()
        if self._wire is not None and len(self._buffer) > BACKLOG_BYTES:
            self._wire.pause_reading()

    def _take_proxy(self) -> None:
        """Learn who is behind the load balancer; nothing is said before that."""
        try:
            found = proxied(self._buffer)
        except ProxyError as error:
            structlog.get_logger().warning("no PROXY header", peer=self.address, reason=str(error))
            self.end(replies.NO_PROXY)
            return
        if found is None:
            return
        self._buffer = self._buffer[found.length :]
        refusal = None
        if found.address:
            refusal = self._guests.behind(self, found.address)
        self._watch()
        self._receive(refusal)

    def _take_line(self) -> bool:
        """Answer one command; False when its line is not complete."""
        end = self._buffer.find(b"\n")
        length = end + 1 or len(self._buffer)
        if length > self._guests.limits.command:
            self._say(replies.syntax("the line is too long", closes=True))
            return False
        if end < 0:
            return False
        line, self._buffer = self._buffer[: end + 1], self._buffer[end + 1 :]
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            self._say(replies.syntax("lines end with CRLF", closes=True))
            return False
        self._watch()
        self._line = line
        reply = self._talk.command(line[:-2])
        if reply == replies.START_TLS:
            return self._begin_tls()
        if reply.code == replies.GO_ON:
            self._state = State.DATA
            self._data = DataReader(self._guests.limits.message)
        self._say(reply)
        return True

    def _begin_tls(self) -> bool:
        """Hand the connection over to TLS; False: no line is taken before that has ended."""
        wire = self._wire
        if self._buffer or wire is None:
            self._say(replies.TLS_ALONE)
            return False
        # From here on bytes stay in the kernel: what comes in clear is never read as a command.
        wire.pause_reading()
        self._state = State.UPGRADING
        self._say(replies.START_TLS)
        self._flush()
        self._guests.spawn(self._upgrade(wire))
        return False

    async def _upgrade(self, wire: asyncio.Transport) -> None:
        assert self._guests.tls is not None, "STARTTLS is offered only with it"
        try:
            over = await self.loop.start_tls(
                wire, self, self._guests.tls, server_side=True,
                ssl_handshake_timeout=self._guests.handshake_seconds,
            )  # fmt: skip
        except (OSError, ssl.SSLError) as error:
            self._guests.counts.refused("tls")
            structlog.get_logger().info("no TLS", session=self.name, reason=str(error)[:200])
            wire.abort()
            return
        if over is None or self._state is not State.UPGRADING:
            wire.abort()
            return
        self.transport = self._wire = over
        self._state = State.COMMANDS
        self._talk.encrypted(_tls_of(over))
        self._watch()
        if self._guests.draining:
            self.end(replies.draining())

    def _take_data(self) -> bool:
        """Feed what came; False when the dot has not come."""
        block, self._buffer = self._buffer, b""
        try:
            rest = self._data.feed(block)
            if rest is None:
                return False
            self._buffer = rest
            check_header(header_of(self._data.content), self._guests.limits)
        except RefusalError as refusal:
            self._end_transaction(refusal.reply)
            return True
        self._state = State.STORING
        self._guests.spawn(self._store(self._transaction()))
        return True

    def _transaction(self) -> Transaction:
        talk = self._talk
        return Transaction(
            sender=talk.sender or "",
            targets=tuple(talk.targets.values()),
            content=self._data.content,
            helo=talk.helo,
            client=self.address,
            protocol=talk.protocol,
            smtputf8=talk.smtputf8,
            session=self.name,
            tls=talk.tls,
            submitter=talk.submitter,
        )

    async def _store(self, transaction: Transaction) -> None:
        reply = await self._guests.receiving.store(transaction)
        if self._wire is None:
            return  # the peer has left; it will ask again, and the ids make that harmless
        self._end_transaction(reply)
        self._wire.resume_reading()
        if self._guests.draining:
            self._say(replies.draining())
        self._advance()
        if self._half_closed and self._wire is not None:
            self._wire.close()

    def _end_transaction(self, reply: Reply) -> None:
        accepted = reply.code == replies.OK
        self._mails += accepted
        self._state = State.COMMANDS
        self._data = DataReader(0)
        self._watch()
        # By LMTP each recipient that was granted has a reply of its own (RFC 2033 §4.2).
        said = reply if accepted else self._talk.count("DATA", reply)
        for _ in range(self._talk.granted if self._lmtp and not said.closes else 1):
            self._say(said)
        self._talk.end_transaction(accepted=accepted)

    def _told(self, reply: Reply) -> None:
        """Let a refusal be told of, with the recipient that it is about, or the first."""
        talk = self._talk
        first = next(iter(talk.targets.values()), None)
        named = recipient_in(self._line)
        account = self._guests.receiving.account_of(named) if named else first and first.account
        self._guests.note(
            Refusal(
                client=self.address,
                reason=reply.why,
                reply=f"{reply.code} {reply.status} {reply.text}",
                account=account or "-",
                helo=talk.helo,
                sender=talk.sender or "",
                recipient=named or (first.recipient if first else ""),
            )
        )

    def _watch(self) -> None:
        """Begin to measure anew."""
        self._since = self.loop.time()
        self._received = 0

    def _say(self, reply: Reply) -> None:
        if reply.why and reply.is_error:
            self._guests.counts.refused(reply.why)
            self._told(reply)
        elif reply.why:
            self._guests.counts.deferred(reply.why)
        self._out.append(reply.encode())
        if reply.closes:
            self._state = State.CLOSING
            self._buffer = b""
            self._data = DataReader(0)
            self._watch()

    def _flush(self) -> None:
        if self._wire is None or self._wire.is_closing():
            return
        if self._out:
            self._wire.write(b"".join(self._out))
            self._out.clear()
        if self._state is State.CLOSING:
            if self._wire.can_write_eof():
                # A close with unread data makes a reset, which would swallow the last reply.
                self._wire.write_eof()
            else:
                self._wire.close()  # TLS says goodbye in its own words


async def _no() -> bool:
    return False


def _tls_of(wire: asyncio.BaseTransport) -> str:
    """Return the version of a connection's TLS, or nothing."""
    encrypted = wire.get_extra_info("ssl_object")
    return str(encrypted.version() or "TLS") if encrypted is not None else ""
