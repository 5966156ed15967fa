"""Lists of networks, as an operator writes them."""

import ipaddress
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the networks (`192.0.2.0/24, 2001:db8::/32, 198.51.100.7`); ValueError names one."""
    found: list[Network] = []
    for word in text.replace(",", " ").split():
        try:
            found.append(ipaddress.ip_network(word))
        except ValueError as error:
            raise ValueError(f"{word!r} is no network: {error}") from None
    return tuple(found)


@lru_cache(maxsize=10_000)
def lies_in(address: str, networks: tuple[Network, ...]) -> bool:
    """Return whether an address is in one of them; what is no address is in none."""
    found = plain_address(address)
    return found is not None and any(found in network for network in networks)


def plain_address(text: str) -> Address | None:
    """Return an address without its zone, IPv4 in IPv6's dress as IPv4; None for what is none."""
    try:
        one = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (one.ipv4_mapped or one) if isinstance(one, ipaddress.IPv6Address) else one
