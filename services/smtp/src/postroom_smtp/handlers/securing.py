"""How the servers of a domain must be spoken to, by its own word (MTA-STS, RFC 8461).

Laws:
1. A policy that was read holds for as long as it says, whatever the DNS or the web server says or
   does not say afterwards, until another is read (§3.3, §5.1).
2. A domain whose policy cannot be had, and of which none is remembered, is as one without (§5).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final
from weakref import WeakValueDictionary

import msgspec
import structlog

from postroom_smtp.domain.mta_sts import Policy, id_of, read_policy
from postroom_smtp.ports import DnsTroubleError, Names, NoSuchNameError, PolicyTroubleError

KEPT: Final = 10_000
AGAIN_SECONDS: Final = 300.0
"""Between questions to a web server that has not given us its policy (§3.3)."""
Fetch = Callable[[str], Awaitable[str]]
"""Returns the text of a domain's policy; PolicyTroubleError: it cannot be had."""


class _Known(msgspec.Struct):
    policy: Policy | None
    id: str
    until: float
    """When the policy ends to hold, or may be asked for again where there is none."""
    tried: str = ""
    again: float = 0.0
    """The id whose policy could not be had, and when it may be asked for again."""


class Securing:
    """The policies of domains, in memory."""

    def __init__(
        self, names: Names, fetch: Fetch, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._names = names
        self._fetch = fetch
        self._now = now
        self._known: dict[str, _Known] = {}
        """The one that was asked for longest ago first."""
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._log = structlog.get_logger()

    async def policy(self, domain: str) -> Policy | None:
        """Return what holds for a domain (in ASCII) now, or None. Never raises."""
        lock = self._asking.setdefault(domain, asyncio.Lock())
        async with lock:
            known = self._known.pop(domain, None) or _Known(None, "", 0.0)
            if known.policy is not None and self._now() >= known.until:
                known.policy, known.id = None, ""
            published = await self._published(domain)
            if published and self._is_new(known, published):
                await self._read(domain, published, known)
            if known.policy is not None or known.tried:
                self._known[domain] = known
                while len(self._known) > KEPT:
                    del self._known[next(iter(self._known))]
            return known.policy

    async def _published(self, domain: str) -> str | None:
        try:
            return id_of(await self._names.txt(f"_mta-sts.{domain}"))
        except (NoSuchNameError, DnsTroubleError):
            return None

    def _is_new(self, known: _Known, published: str) -> bool:
        if known.policy is not None and known.id == published:
            return False
        return known.tried != published or self._now() >= known.again

    async def _read(self, domain: str, published: str, known: _Known) -> None:
        try:
            policy = read_policy(await self._fetch(domain))
        except (PolicyTroubleError, ValueError) as error:
            known.tried, known.again = published, self._now() + AGAIN_SECONDS
            self._log.warning("an MTA-STS policy cannot be had", domain=domain, reason=str(error))
        else:
            known.policy, known.id, known.tried = policy, published, ""
            known.until = self._now() + policy.max_age
