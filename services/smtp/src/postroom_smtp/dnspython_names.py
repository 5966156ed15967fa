"""The DNS by dnspython: this machine's resolver, or those that the operator names. Port: Names.

Laws:
1. A question ends within its deadline; what a resolver in trouble costs is paid once in
   `REST_SECONDS`, and until then everything is temporary trouble at once.
2. Answers are kept as long as they say, in a cache of bounded size.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver
import dns.reversename

from postroom_smtp.ports import DnsTroubleError, NoSuchNameError

QUESTION_SECONDS: Final = 3.0
REST_SECONDS: Final = 30.0
LONGEST: Final = 3_600.0
"""Seconds that an answer is kept, whatever it says of itself."""
LONGEST_NO: Final = 300.0
_TROUBLES: Final = 3
"""Questions in a row without an answer, after which the resolver is given a rest."""
_KEPT: Final = 20_000
_MOST: Final = 100
_TEXT: Final = 16 * 1024


class _Cache(dns.resolver.LRUCache):
    """Keeps nothing for long: a "no" may have no end of its own."""

    def put(self, key: Any, value: dns.resolver.Answer) -> None:
        most = LONGEST if value.rrset is not None else LONGEST_NO
        value.expiration = min(value.expiration, time.time() + most)
        super().put(key, value)


class DnspythonNames:
    """Asks, and remembers unless told otherwise (`fresh`)."""

    def __init__(self, nameservers: Sequence[tuple[str, int]] = (), *, fresh: bool = False) -> None:
        self._nameservers = nameservers
        self._fresh = fresh
        self._resolver: dns.asyncresolver.Resolver | None = None
        self._troubles = 0
        self._rests_until = 0.0

    async def txt(self, name: str) -> tuple[bytes, ...]:
        """Return the texts of a name, each joined (RFC 7208 §3.3)."""
        found = await self._ask(name, "TXT")
        return tuple(b"".join(one.strings)[:_TEXT] for one in found)

    async def addresses(self, name: str, family: int) -> tuple[str, ...]:
        """Return the addresses of a name, of family 4 or 6."""
        return tuple(one.address for one in await self._ask(name, "A" if family == 4 else "AAAA"))  # noqa: PLR2004 - IPv4

    async def mx(self, name: str) -> tuple[tuple[int, str], ...]:
        """Return preference and name of each mail server."""
        found = await self._ask(name, "MX")
        return tuple((one.preference, one.exchange.to_text(omit_final_dot=True)) for one in found)

    async def ptr(self, name: str) -> tuple[str, ...]:
        """Return the names behind a reverse name."""
        found = await self._ask(name, "PTR")
        return tuple(one.target.to_text(omit_final_dot=True) for one in found)

    async def _ask(self, name: str, kind: str) -> list[Any]:
        if time.monotonic() < self._rests_until:
            raise DnsTroubleError("the resolver did not answer a moment ago")
        try:
            async with asyncio.timeout(QUESTION_SECONDS + 1):
                answer = await self._ready().resolve(
                    name, kind, lifetime=QUESTION_SECONDS, search=False, raise_on_no_answer=False
                )
        except dns.resolver.NXDOMAIN:
            self._troubles = 0
            raise NoSuchNameError(name) from None
        except dns.resolver.NoNameservers as error:  # SERVFAIL: of that name, not of the resolver
            raise DnsTroubleError(str(error)[:200]) from None
        except (dns.exception.Timeout, TimeoutError, OSError) as error:
            self._troubles += 1
            if self._troubles >= _TROUBLES:
                self._rests_until, self._troubles = time.monotonic() + REST_SECONDS, 0
            raise DnsTroubleError(f"no answer from the resolver: {error}"[:200]) from None
        except (dns.exception.DNSException, UnicodeError) as error:
            raise NoSuchNameError(f"{name}: {error}"[:200]) from None
        self._troubles = 0
        return list(answer.rrset or ())[:_MOST]

    def _ready(self) -> dns.asyncresolver.Resolver:
        """Return the resolver; made at the first question, since the machine may have none."""
        if self._resolver is None:
            try:
                made = dns.asyncresolver.Resolver(configure=not self._nameservers)
            except dns.resolver.NoResolverConfiguration as error:
                raise DnsTroubleError(str(error)) from None
            if self._nameservers:
                made.nameservers = [
                    dns.nameserver.Do53Nameserver(host, port) for host, port in self._nameservers
                ]
            made.cache = None if self._fresh else _Cache(_KEPT)
            self._resolver = made
        return self._resolver
