"""SPF (RFC 7208) by spftrace, on our DNS. Port: Senders."""

from typing import Final, cast, get_args

from spftrace import BaseResolver, DnsError, Evaluator, Limits
from spftrace.resolver import NOERROR, NXDOMAIN

from postroom_contract.mail import SpfResult
from postroom_smtp.ports import DnsTroubleError, Names, NoSuchNameError

_QUERIES: Final = 60
_RESULTS: Final = frozenset(get_args(SpfResult))


class _Resolver(BaseResolver):
    """Our DNS, as the library asks for it."""

    def __init__(self, names: Names) -> None:
        self._names = names

    async def _lookup(self, name: str, rtype: str) -> tuple[str, list[str]]:
        try:
            return NOERROR, await self._found(name, rtype)
        except NoSuchNameError:
            return NXDOMAIN, []
        except DnsTroubleError as error:
            raise DnsError(str(error)) from error

    async def _found(self, name: str, kind: str) -> list[str]:
        if kind == "TXT":
            return [one.decode("utf-8", "replace") for one in await self._names.txt(name)]
        if kind == "MX":
            return [host for _, host in await self._names.mx(name)]
        if kind == "PTR":
            return list(await self._names.ptr(name))
        return list(await self._names.addresses(name, 6 if kind == "AAAA" else 4))


class SpfSenders:
    """Asks whether an address may send for a domain."""

    def __init__(self, names: Names, hostname: str, seconds: float) -> None:
        self._resolver = _Resolver(names)
        self._hostname = hostname
        self._limits = Limits(time_limit=seconds, max_queries=_QUERIES)

    async def spf(self, client: str, sender: str, helo: str) -> SpfResult:
        """Return the result for MAIL FROM, or for HELO where that is empty (RFC 7208 §2.4)."""
        evaluator = Evaluator(self._resolver, self._limits, receiver=self._hostname)
        found = await evaluator.evaluate(client, sender or f"postmaster@{helo}", helo)
        return cast("SpfResult", found.verdict) if found.verdict in _RESULTS else "permerror"
