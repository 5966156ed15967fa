"""Our certificate for TLS, read again when its files change.

Law: a pair of files that does not fit together (half of a renewal) changes nothing: what was
loaded stays, and the log says why.
"""

import asyncio
import ssl
from pathlib import Path
from typing import Final

import structlog

from postroom_runtime.errors import OperatorError

LOOK_SECONDS: Final = 2.0


class Certificate:
    """A certificate with its chain and key, in one context that all sessions share."""

    def __init__(self, chain: Path, key: Path) -> None:
        self._chain, self._key = chain, key
        try:
            self._seen = self._stamp()
            self.context = self._loaded()
        except (OSError, ssl.SSLError) as error:
            raise OperatorError(
                f"POSTROOM_SMTP_TLS_CERTIFICATE={chain} and POSTROOM_SMTP_TLS_KEY={key}"
                f" cannot be used: {error}"
            ) from error

    async def watch(self) -> None:
        """Look for newer files, for ever; new sessions get them, running ones keep theirs."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Take newer files, if they fit together."""
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return
            self._loaded()  # tried apart first: a pair that does not fit spoils a context
            self.context.load_cert_chain(self._chain, self._key)
        except (OSError, ssl.SSLError) as error:
            structlog.get_logger().warning("certificate not read again", reason=str(error))
            return
        self._seen = stamp
        structlog.get_logger().info("certificate read again", file=str(self._chain))

    def _stamp(self) -> tuple[int, ...]:
        found = [path.stat() for path in (self._chain, self._key)]
        return tuple(n for one in found for n in (one.st_mtime_ns, one.st_ino, one.st_size))

    def _loaded(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
        context.load_cert_chain(self._chain, self._key)
        return context
