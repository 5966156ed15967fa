"""Lists of networks, as an operator writes them."""

import ipaddress
from functools import lru_cache

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
    if not networks:
        return False
    try:
        one = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    plain = (one.ipv4_mapped or one) if isinstance(one, ipaddress.IPv6Address) else one
    return any(plain in network for network in networks)


def client_network(address: str) -> str:
    """Return the network that one client is counted as: /24 of IPv4, /48 of IPv6."""
    try:
        one = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    plain = (one.ipv4_mapped or one) if isinstance(one, ipaddress.IPv6Address) else one
    return str(ipaddress.ip_network((plain, 24 if plain.version == 4 else 48), strict=False))  # noqa: PLR2004 - IPv4
