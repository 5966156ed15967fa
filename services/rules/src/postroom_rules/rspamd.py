"""Asking an rspamd server (https://docs.rspamd.com/developers/protocol/): `POST /checkv2`."""

import time
from typing import Final

import httpx
import msgspec
import structlog

from postroom_contract.mail import Envelope
from postroom_rules.domain.rating import Opinion, by_rspamd

SECONDS: Final = 2.0
"""An answer that takes longer is not waited for: the mail is rated without it."""
MOST_OCTETS: Final = 8 * 1024 * 1024
"""Larger mails it is not asked about: they would take its time for all the others."""
REST_SECONDS: Final = 10.0
"""So long nobody is asked after it did not answer."""


class _Symbol(msgspec.Struct):
    score: float = 0.0


class _Answer(msgspec.Struct):
    score: float
    required_score: float
    symbols: dict[str, _Symbol] = {}


class Rspamd:
    """One server; mail goes on whether or not it answers."""

    def __init__(self, url: str, password: str | None = None) -> None:
        self._client = httpx.AsyncClient(
            base_url=url, timeout=SECONDS, headers={"Password": password} if password else {}
        )
        self._rests_until = 0.0
        self._log = structlog.get_logger()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(self, raw: bytes, envelope: Envelope) -> Opinion | None:
        """Return what it thinks; None where it did not answer in time."""
        if time.monotonic() < self._rests_until or len(raw) > MOST_OCTETS:
            return None
        told = {
            "IP": envelope.client, "Helo": envelope.helo, "From": envelope.sender,
            "Rcpt": envelope.recipient, "Queue-Id": envelope.id,
        }  # fmt: skip
        # Header values of HTTP are ASCII; what is not is left out rather than mangled.
        headers = {
            name: value
            for name, value in told.items()
            if value and value.isascii() and value.isprintable()
        }
        try:
            answer = await self._client.post("/checkv2", content=raw, headers=headers)
            answer.raise_for_status()
            found = msgspec.json.decode(answer.content, type=_Answer)
        except (httpx.HTTPError, httpx.InvalidURL, msgspec.DecodeError) as error:
            self._rests_until = time.monotonic() + REST_SECONDS
            self._log.warning("rspamd does not answer; rating without it", reason=repr(error))
            return None
        symbols = [(name, one.score) for name, one in found.symbols.items() if one.score]
        return by_rspamd(found.score, found.required_score, symbols)
