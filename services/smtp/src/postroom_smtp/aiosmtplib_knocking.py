"""A look at somebody's SMTP server from outside: whether it answers, and what its TLS is worth.

Law: it connects to public addresses, and to what the operator allows besides, and to nothing else.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from typing import Final

import aiosmtplib

from postroom_runtime.reach import Internal, forbidden
from postroom_smtp.domain.knock import Knock, Tls

SECONDS: Final = 5.0
_SHOWN: Final = 200


class SmtpKnocking:
    """Knocks at port `port` (25). Port: Knocking."""

    def __init__(
        self,
        internal: Internal,
        *,
        name: str,
        port: int = 25,
        seconds: float = SECONDS,
        believes: ssl.SSLContext | None = None,
    ) -> None:
        self._believes = believes
        self._internal = internal
        self._name = name
        self._port = port
        self._seconds = seconds

    async def knock(self, host: str, addresses: Sequence[str]) -> Knock:
        """Return what is found at the first address that answers. Never raises."""
        if forbidden(host, addresses, self._internal):
            return Knock(shut="it has an internal address: no connection was made", looked=False)
        found = Knock(shut="it has no address", looked=False)
        for one in addresses:
            found = await self._at(host, one)
            if not found.shut:
                break
        return found

    async def _at(self, host: str, address: str) -> Knock:
        client = aiosmtplib.SMTP(
            hostname=address, port=self._port, local_hostname=self._name, timeout=self._seconds,
            start_tls=False,
        )  # fmt: skip
        try:
            async with asyncio.timeout(self._seconds):
                greeting = (await client.connect()).message
                await client.ehlo()
        except (aiosmtplib.SMTPException, OSError) as error:
            client.close()
            return Knock(shut=_plain(str(error)) or "no answer in time")
        try:
            tls, why = await self._tls(client, host)
            return Knock(_plain(greeting), tls, why)
        finally:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=1)
            client.close()

    async def _tls(self, client: aiosmtplib.SMTP, host: str) -> tuple[Tls, str]:
        """Return what is known of TLS, and why it is not to be believed."""
        if not client.supports_extension("starttls"):
            return "", ""
        try:
            async with asyncio.timeout(self._seconds):
                await client.starttls(
                    server_hostname=host, tls_context=self._believes or ssl.create_default_context()
                )
        except (aiosmtplib.SMTPException, OSError) as error:
            return "offered", _plain(str(error)) or "no answer in time"
        return "verified", ""


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:_SHOWN].strip()
