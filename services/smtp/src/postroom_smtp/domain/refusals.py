"""Which refusals are told of one by one, and which in sums: a flood of them is not to be ours.

Laws:
1. `EACH_SECOND` at most are told by themselves.
2. The others are told in sums, by network, reason and account, once a minute; none is left out.
"""

import ipaddress
from typing import Final

import msgspec

from postroom_smtp.domain.networks import plain_address

EACH_SECOND: Final = 10
SUM_SECONDS: Final = 60.0
MOST_SUMS: Final = 500
"""Sums a minute; what is beyond goes under `ELSEWHERE`."""
ELSEWHERE: Final = "elsewhere"
_PREFIXES: Final = {4: 24, 6: 64}


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was turned away, or several of a kind."""

    client: str
    """Address, or network of a sum."""
    reason: str
    reply: str
    account: str = "-"
    helo: str = ""
    sender: str = ""
    recipient: str = ""
    count: int = 1


class Refusals:
    """Those of one process. Times are those of any clock that only goes on."""

    def __init__(self) -> None:
        self._second = 0
        self._told = 0
        self._sums: dict[tuple[str, str, str], Refusal] = {}
        self._since = 0.0

    def note(self, one: Refusal, now: float) -> Refusal | None:
        """Return it when it is to be told of; None: it is in a sum."""
        if int(now) != self._second:
            self._second, self._told = int(now), 0
        if self._told < EACH_SECOND:
            self._told += 1
            return one
        if not self._sums:
            self._since = now
        where = network_of(one.client)
        if (where, one.reason, one.account) not in self._sums and len(self._sums) >= MOST_SUMS:
            where = ELSEWHERE
        key = where, one.reason, one.account
        before = self._sums.get(key)
        self._sums[key] = Refusal(
            client=where,
            reason=one.reason,
            reply=one.reply,
            account=one.account,
            count=before.count + 1 if before else 1,
        )
        return None

    def sums(self, now: float, *, all_: bool = False) -> list[Refusal]:
        """Return the sums whose minute is over, or all; they begin anew then."""
        if not self._sums or (now - self._since < SUM_SECONDS and not all_):
            return []
        found = list(self._sums.values())
        self._sums.clear()
        return found


def network_of(client: str) -> str:
    """Return the /24 or /64 of an address; what is none stays as it is."""
    found = plain_address(client)
    if found is None:
        return client
    return str(ipaddress.ip_network((found, _PREFIXES[found.version]), strict=False))
