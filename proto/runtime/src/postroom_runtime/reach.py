"""Which addresses we connect to on somebody's behalf (SSRF, SECURITY §4).

Law: an address that is not one of the public Internet is connected to only where the operator has
said so; what an address embeds (IPv4 in IPv6, NAT64, 6to4, Teredo) is judged too. One forbidden
address of a name forbids the name: a resolver may say something else the next time.
"""

import ipaddress
from collections.abc import Iterable, Iterator

import msgspec

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Internal(msgspec.Struct, frozen=True):
    """What the operator allows of what is not public: networks, and names whatever they are."""

    networks: tuple[Network, ...] = ()
    names: frozenset[str] = frozenset()


def parse_internal(text: str) -> Internal:
    """Return what a setting allows: networks, addresses and names with commas between them.

    ValueError names what is none of these.
    """
    networks: list[Network] = []
    names: set[str] = set()
    for word in filter(None, (part.strip().lower() for part in text.split(","))):
        try:
            networks.append(ipaddress.ip_network(word))
        except ValueError:
            if "/" in word or any(c.isspace() for c in word):
                raise ValueError(f"{word!r} is neither a network nor a name") from None
            names.add(word.rstrip("."))
    return Internal(tuple(networks), frozenset(names))


def forbidden(host: str, addresses: Iterable[str], internal: Internal) -> list[str]:
    """Return those addresses of `host` that may not be connected to."""
    if host.lower().rstrip(".") in internal.names:
        return []
    return [one for one in addresses if not _allowed(one, internal.networks)]


def _allowed(text: str, networks: tuple[Network, ...]) -> bool:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    for one in _meant(address):
        if any(one in network for network in networks):
            continue
        if not one.is_global or one.is_multicast or one.is_reserved:
            return False
    return True


def _meant(address: Address) -> Iterator[Address]:
    """Yield the address that packets go to in the end, or the address and what it embeds."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            yield address.ipv4_mapped
            return
        if address in _NAT64:
            yield ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
            return
        if address.sixtofour is not None:
            yield address.sixtofour
        if address.teredo is not None:
            yield from address.teredo
    yield address
