"""Who may connect at all, and how they are received.

Law: a network that is allowed is neither refused, delayed nor looked up in lists.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from postroom_smtp.domain.networks import Network, lies_in, plain_address

GREET_MOST: Final = 30.0


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator says about networks. Times in seconds."""

    deny: tuple[Network, ...] = ()
    allow: tuple[Network, ...] = ()
    proxies: tuple[Network, ...] = ()
    """Load balancers that say in front of each connection whose it is (PROXY protocol)."""
    greet: float = 0.0
    """How long the greeting is held back: programs that send spam rarely wait for it."""
    lists: tuple[str, ...] = ()
    """Zones that list senders of spam (DNSBL, RFC 5782)."""

    def verdict(self, address: str) -> Literal["denied", "allowed", "waits", "in"]:
        """Return how a peer is received; `waits`: after the delay, and once the lists are asked."""
        if lies_in(address, self.allow):
            return "allowed"
        if lies_in(address, self.deny):
            return "denied"
        return "waits" if self.greet or self.lists else "in"


def list_names(address: str, zones: Sequence[str]) -> list[str]:
    """Return what to ask the DNS for (RFC 5782 §2.1, §2.4), a name a zone; none for no address."""
    found = plain_address(address)
    if found is None:
        return []
    reverse = found.reverse_pointer.rsplit(".", 2)[0]
    return [f"{reverse}.{zone}" for zone in zones]


def is_listed(answers: Sequence[str]) -> bool:
    """Return whether an answer means "listed": 127.0.0.0/8 without 127.255.255.0/24.

    The latter is what lists say to those they do not want to be asked by.
    """
    return any(one.startswith("127.") and not one.startswith("127.255.255.") for one in answers)
