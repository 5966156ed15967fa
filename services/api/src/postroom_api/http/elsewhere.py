"""Signing in elsewhere: the way to the provider and back.

Law: what comes back is taken only from the browser that was sent, once, within ten minutes.
"""

import hmac
import secrets
from typing import Final

import msgspec
import structlog

from postroom_api.http.problems import ProblemError
from postroom_api.oidc import Attempt, Provider, RefusedError, Vouched
from postroom_api.sealing import OwnSeal
from postroom_runtime.clock import Clock
from postroom_runtime.errors import UnavailableError

SECONDS: Final = 600.0
_OWNER: Final = "browser"
AGAIN: Final = "That took too long, or began in another browser. Try again."


class Elsewhere:
    """Sends people to the provider and takes them back."""

    seconds: Final = SECONDS
    """How long an attempt may take."""

    def __init__(self, provider: Provider, seal: OwnSeal, clock: Clock) -> None:
        self._provider = provider
        self._seal = seal
        self._clock = clock
        self._log = structlog.get_logger()
        self.name = provider.name
        self.provision = provider.provision

    async def leave(self, where: str) -> tuple[str, str]:
        """Return the provider's address and what the browser keeps meanwhile, sealed."""
        attempt = Attempt(
            state=secrets.token_urlsafe(24),
            nonce=secrets.token_urlsafe(24),
            verifier=secrets.token_urlsafe(48),
            next=where,
            until=self._clock.now().timestamp() + SECONDS,
        )
        try:
            address = await self._provider.address(attempt)
        except (RefusedError, UnavailableError) as error:
            raise self._refusal(error) from error
        return address, self._seal.seal(_OWNER, msgspec.json.encode(attempt).decode())

    async def come_back(self, sealed: str, state: str, code: str) -> tuple[Vouched, str]:
        """Return whom the provider vouches for and where they were going; else 401."""
        plain = self._seal.open(_OWNER, sealed) if sealed else None
        if plain is None:
            raise ProblemError(401, "http", AGAIN)
        attempt = msgspec.json.decode(plain, type=Attempt)
        same = hmac.compare_digest(attempt.state.encode(), state.encode())
        if not same or self._clock.now().timestamp() > attempt.until or not code:
            raise ProblemError(401, "http", AGAIN)
        try:
            return await self._provider.vouch(attempt, code), attempt.next
        except (RefusedError, UnavailableError) as error:
            raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> ProblemError:
        self._log.warning("signing in elsewhere failed", provider=self.name, reason=str(error))
        if isinstance(error, UnavailableError):
            return ProblemError(503, "unavailable", f"{self.name} does not answer. Try again.")
        return ProblemError(401, "http", f"{self.name} did not say who you are. Try again.")
