"""The next hop: one kept connection a chunk, a deadline on everything.

aiosmtplib opens the conversation (EHLO, TLS, AUTH), `pipelined` goes on with it, and it is `kept`
between chunks.

Law: a password leaves us only under TLS whose certificate was verified, unless the operator has
said that there is none.
"""

import asyncio
import ssl
from typing import Final, Literal, cast

import aiosmtplib
import msgspec

from postroom_mail.address import Address, AddressError, domain_to_ascii, parse_address, quote_local
from postroom_smtp.domain.delivery import HopReply
from postroom_smtp.kept import Kept
from postroom_smtp.pipelined import Conversation, LostError

_UTF8_NEEDED: Final = HopReply(553, "5.6.7 the relay takes no international addresses (SMTPUTF8)")
Tls = Literal["none", "opportunistic", "starttls", "implicit"]


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait, in seconds (RFC 5321 §4.5.3.2)."""

    connect: float = 15.0
    command: float = 60.0
    data: float = 600.0
    """A dot without an answer makes doubles (RFC 1047): wait long."""


class Security(msgspec.Struct, frozen=True, kw_only=True):
    """How a hop is encrypted, and who we are there.

    `opportunistic`: STARTTLS where it is offered, whoever answers (RFC 7435); `starttls` and
    `implicit` verify the certificate, for the host's name.
    """

    tls: Tls = "opportunistic"
    login: str = ""
    password: str = ""

    def context(self) -> ssl.SSLContext:
        """Return what TLS is spoken with."""
        context = ssl.create_default_context()
        if self.tls == "opportunistic":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class Host(msgspec.Struct, frozen=True):
    """A server: by its name, and where it is connected to (the name again, or an address)."""

    name: str
    port: int
    address: str = ""


class SmtpRelay:
    """A smarthost."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        name: str,
        patience: Patience,
        security: Security | None = None,
        kept: Kept | None = None,
    ) -> None:
        self._kept = kept
        self._host = Host(host, port)
        self._name = name
        self._patience = patience
        self._security = security or Security()

    def destination(self, domain: str) -> str:  # noqa: ARG002 - all mail takes the same way
        """Return the smarthost."""
        return f"{self._host.name}:{self._host.port}"

    def hop(self, domain: str) -> "SmtpHop":  # noqa: ARG002 - it takes mail for all domains
        """Return a conversation that connects when first needed."""
        return SmtpHop(self._host, self._name, self._patience, self._security, "relay", self._kept)


class SmtpHop:
    """One conversation; after a loss the next `send` connects anew."""

    def __init__(
        self,
        host: Host,
        name: str,
        patience: Patience,
        security: Security,
        called: str,
        kept: Kept | None = None,
    ) -> None:
        self._host = host
        self._patience = patience
        self._security = security
        self._called = called
        self._kept = kept or Kept(most=0)
        self._key = (host, security)
        self._talk: Conversation | None = None
        self._plain = security.tls in {"none", "implicit"}
        """STARTTLS is not spoken, or no more."""
        self._client = aiosmtplib.SMTP(
            hostname=host.address or host.name,
            port=host.port,
            local_hostname=name,
            timeout=patience.command,
            start_tls=False,  # done by hand: what is offered decides
            use_tls=security.tls == "implicit",
            tls_context=security.context() if security.tls == "implicit" else None,
        )

    async def send(self, sender: str, recipient: str, mail: bytes) -> HopReply:
        """Hand over one copy (clean bytes); the reply says what became of it."""
        try:
            paths = _path(sender), _path(recipient)
        except AddressError as error:
            return HopReply(0, f"553 5.1.3 an address of ours is wrong: {error}")
        while True:
            try:
                talk = await self._ready()
            except aiosmtplib.SMTPResponseException as error:
                words = f"{self._called}: {_words(error.message)}"
                return HopReply(error.code, words, "unreachable")
            except (aiosmtplib.SMTPException, OSError) as error:
                return HopReply(0, f"{self._called}: {_why(error)}", "unreachable")
            try:
                return await self._transfer(talk, *paths, mail)
            except LostError as error:
                if not error.stale:
                    return HopReply(0, f"{self._called}: {_why(error)}", "lost")
                # It was kept, and the server had left: that is nobody's loss.
            except OSError as error:
                return HopReply(0, f"{self._called}: {_why(error)}", "lost")

    async def close(self) -> None:
        """Leave the conversation to the next chunk, or say goodbye."""
        talk, self._talk = self._talk, None
        if talk is not None:
            await self._kept.give(self._key, talk)

    async def _ready(self) -> Conversation:
        """Return the conversation: ours, a kept one, or a new one."""
        if self._talk is None or not self._talk.is_open:
            self._talk = self._kept.take(self._key)
        if self._talk is None:
            await self._connect()
            transport = cast("asyncio.Transport", self._client.transport)
            self._talk = Conversation(transport, frozenset(self._client.esmtp_extensions))
            # The transport has a new owner; the client is as new for another.
            self._client.transport = self._client.protocol = None
            self._client.close()
        return self._talk

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(self._patience.connect):
                await self._client.connect()
                await self._greet()
                if not self._plain:
                    await self._encrypt()
            if self._security.login:
                await self._sign_in()
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError):
            self._client.close()
            raise

    async def _sign_in(self) -> None:
        """Sign in by one mechanism: a second try with the same password helps nobody."""
        login, password = self._security.login, self._security.password
        offered = self._client.supported_auth_methods
        # Servers take their time with a wrong password; the deadline is a command's.
        if "plain" in offered:
            await self._client.auth_plain(login, password)
        elif "login" in offered:
            await self._client.auth_login(login, password)
        else:
            raise aiosmtplib.SMTPException("the relay offers no AUTH PLAIN or LOGIN")

    async def _greet(self) -> None:
        try:
            await self._client.ehlo()
        except aiosmtplib.SMTPHeloError:
            await self._client.helo()

    async def _encrypt(self) -> None:
        """Speak TLS where it is offered, or must be."""
        must = self._security.tls == "starttls"
        if not self._client.supports_extension("starttls"):
            if must:
                raise aiosmtplib.SMTPException("no STARTTLS is offered, and it is asked for")
            return
        try:
            await self._client.starttls(
                server_hostname=self._host.name, tls_context=self._security.context()
            )
            await self._client.ehlo()
        except (aiosmtplib.SMTPException, OSError):
            if must:
                raise
            # Better in clear than not at all: nobody has promised more.
            self._plain = True
            self._client.close()
            await self._client.connect()
            await self._greet()

    async def _transfer(
        self, talk: Conversation, sender: bytes, recipient: bytes, mail: bytes
    ) -> HopReply:
        options = _options(talk.extensions, sender, recipient, mail)
        if options is None:
            return _UTF8_NEEDED
        envelope = b" ".join((b"MAIL FROM:" + sender, *options)), b"RCPT TO:" + recipient
        patience = self._patience
        reply = await talk.send(mail, envelope, command=patience.command, data=patience.data)
        return HopReply(reply.code, _words(reply.text), reply.trouble, reply.stage)


def _options(
    extensions: frozenset[str], sender: bytes, recipient: bytes, mail: bytes
) -> list[bytes] | None:
    """Return the parameters of MAIL, or None when the relay cannot take these addresses."""
    options = []
    if "size" in extensions:
        options.append(b"SIZE=%d" % len(mail))
    if not mail.isascii() and "8bitmime" in extensions:
        options.append(b"BODY=8BITMIME")
    if not (sender.isascii() and recipient.isascii()):
        if "smtputf8" not in extensions:
            return None
        options.append(b"SMTPUTF8")
    return options


def _path(address: str) -> bytes:
    """Return `<address>` as it goes over the wire; AddressError for what is none."""
    if not address:
        return b"<>"
    parsed: Address = parse_address(address)
    return f"<{quote_local(parsed.local)}@{domain_to_ascii(parsed.domain)}>".encode()


def _why(error: Exception) -> str:
    return _words(str(error)) or "no answer in time"


def _words(text: str) -> str:
    """Return the peer's words as text that can be written as UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
