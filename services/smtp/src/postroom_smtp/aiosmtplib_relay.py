"""The next hop by aiosmtplib: one kept connection a chunk, a deadline on everything."""

import asyncio
import contextlib
from typing import Final

import aiosmtplib
import msgspec

from postroom_mail.address import Address, AddressError, domain_to_ascii, parse_address, quote_local
from postroom_smtp.domain.delivery import HopReply

_GOODBYE_SECONDS: Final = 2.0
_UTF8_NEEDED: Final = HopReply(553, "5.6.7 the relay takes no international addresses (SMTPUTF8)")


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait, in seconds (RFC 5321 §4.5.3.2)."""

    connect: float = 15.0
    command: float = 60.0
    data: float = 600.0
    """A dot without an answer makes doubles (RFC 1047): wait long."""


class SmtpRelay:
    """A smarthost."""

    def __init__(self, host: str, port: int, *, name: str, patience: Patience) -> None:
        self._host = host
        self._port = port
        self._name = name
        self._patience = patience

    def hop(self) -> "SmtpHop":
        """Return a conversation that connects when first needed."""
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            local_hostname=self._name,
            timeout=self._patience.command,
            start_tls=False,  # encryption to the relay comes with its own settings
        )
        return SmtpHop(client, self._patience)


class SmtpHop:
    """One conversation; after a loss the next `send` connects anew."""

    def __init__(self, client: aiosmtplib.SMTP, patience: Patience) -> None:
        self._client = client
        self._patience = patience

    async def send(self, sender: str, recipient: str, mail: bytes) -> HopReply:
        """Hand over one copy (clean bytes); the reply says what became of it."""
        try:
            paths = _path(sender), _path(recipient)
        except AddressError as error:
            return HopReply(0, f"553 5.1.3 an address of ours is wrong: {error}")
        try:
            await self._connect()
        except aiosmtplib.SMTPResponseException as error:
            return HopReply(error.code, f"relay: {_words(error.message)}", "unreachable")
        except (aiosmtplib.SMTPException, OSError) as error:
            return HopReply(0, f"relay: {_words(str(error))}", "unreachable")
        try:
            return await self._transfer(*paths, mail)
        except (aiosmtplib.SMTPException, OSError) as error:
            self._client.close()
            return HopReply(0, f"relay: {_words(str(error))}", "lost")

    async def close(self) -> None:
        """QUIT, and do not wait long for the answer."""
        if self._client.is_connected:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await self._client.quit(timeout=_GOODBYE_SECONDS)
        self._client.close()

    async def _connect(self) -> None:
        if self._client.is_connected:
            return
        try:
            async with asyncio.timeout(self._patience.connect):
                await self._client.connect()
                try:
                    await self._client.ehlo()
                except aiosmtplib.SMTPHeloError:
                    await self._client.helo()
        except (aiosmtplib.SMTPException, OSError):
            self._client.close()
            raise

    async def _transfer(self, sender: bytes, recipient: bytes, mail: bytes) -> HopReply:
        options = self._options(sender, recipient, mail)
        if options is None:
            return _UTF8_NEEDED
        for words in ((b"MAIL", b"FROM:" + sender, *options), (b"RCPT", b"TO:" + recipient)):
            reply = await self._client.execute_command(*words)
            if reply.code // 100 != 2:  # noqa: PLR2004 - the class of success
                return await self._refused(reply.code, reply.message)
        try:
            reply = await self._client.data(mail, timeout=self._patience.data)
        except aiosmtplib.SMTPDataError as error:
            return await self._refused(error.code, error.message)
        return HopReply(reply.code, _words(reply.message))

    def _options(self, sender: bytes, recipient: bytes, mail: bytes) -> list[bytes] | None:
        """Return the parameters of MAIL, or None when the relay cannot take these addresses."""
        options = []
        if self._client.supports_extension("size"):
            options.append(b"SIZE=%d" % len(mail))
        if not mail.isascii() and self._client.supports_extension("8bitmime"):
            options.append(b"BODY=8BITMIME")
        if not (sender.isascii() and recipient.isascii()):
            if not self._client.supports_extension("smtputf8"):
                return None
            options.append(b"SMTPUTF8")
        return options

    async def _refused(self, code: int, message: str) -> HopReply:
        """Make the connection ready for the next copy; 421 announces its end."""
        if code == aiosmtplib.SMTPStatus.domain_unavailable:
            self._client.close()
            return HopReply(code, _words(message), "lost")
        try:
            await self._client.rset()
        except (aiosmtplib.SMTPException, OSError):
            self._client.close()
        return HopReply(code, _words(message))


def _path(address: str) -> bytes:
    """Return `<address>` as it goes over the wire; AddressError for what is none."""
    if not address:
        return b"<>"
    parsed: Address = parse_address(address)
    return f"<{quote_local(parsed.local)}@{domain_to_ascii(parsed.domain)}>".encode()


def _words(text: str) -> str:
    """Return the peer's words as text that can be written as UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
