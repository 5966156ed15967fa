r"""What a load balancer says in front of a connection (HAProxy's PROXY protocol, versions 1 and 2).

Law: it is believed only from networks that the operator has named, and there it must come.
"""

import ipaddress
import struct
from typing import Final

import msgspec

from postroom_smtp.domain.networks import plain_address

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
LONGEST_LINE: Final = 107
"""Version 1, with CRLF (specification §2.1)."""
LONGEST_BLOCK: Final = 4_096
"""Version 2: addresses and all that may be told besides."""
_HEAD: Final = 16
_FAMILIES: Final = {0x11: ("!4s4s", 4), 0x21: ("!16s16s", 16)}
"""TCP over IPv4 and IPv6; any other family says nothing that we could use."""
_LOCAL, _PROXY = 0x20, 0x21


class ProxyError(Exception):
    """The connection does not begin as it must."""


class Proxied(msgspec.Struct, frozen=True):
    """Who is behind the load balancer; `length` bytes said so."""

    address: str
    """Empty: the load balancer speaks for itself (a health check), or does not know."""
    length: int


def proxied(data: bytes) -> Proxied | None:
    """Return what the first bytes say, or None when more must come; ProxyError otherwise."""
    if data[: len(SIGNATURE)] == SIGNATURE[: len(data)]:
        return _version_2(data)
    if data[:6] == b"PROXY "[: len(data)]:
        return _version_1(data)
    raise ProxyError("no PROXY header")


def _version_1(data: bytes) -> Proxied | None:
    end = data.find(b"\r\n", 0, LONGEST_LINE)
    if end < 0:
        if len(data) >= LONGEST_LINE:
            raise ProxyError("the PROXY line is too long")
        return None
    words = data[:end].decode("ascii", "replace").split(" ")
    if words[1:2] == ["UNKNOWN"]:
        return Proxied("", end + 2)
    try:
        family, source, target, *ports = words[1:]
        version = {"TCP4": 4, "TCP6": 6}[family]
        addresses = [ipaddress.ip_address(source), ipaddress.ip_address(target)]
    except (KeyError, ValueError):
        raise ProxyError("the PROXY line is not understood") from None
    good = len(ports) == 2 and all(one.isdigit() and int(one) < 1 << 16 for one in ports)  # noqa: PLR2004 - of both ends
    if not good or any(one.version != version for one in addresses):
        raise ProxyError("the PROXY line is not understood")
    return Proxied(str(plain_address(source)), end + 2)


def _version_2(data: bytes) -> Proxied | None:
    if len(data) < _HEAD:
        return None
    command, family, length = struct.unpack_from("!BBH", data, len(SIGNATURE))
    if command not in {_LOCAL, _PROXY} or length > LONGEST_BLOCK:
        raise ProxyError("the PROXY header is not understood")
    if len(data) < _HEAD + length:
        return None
    address = ""
    if command == _PROXY and family in _FAMILIES:
        layout, width = _FAMILIES[family]
        if length < 2 * width + 4:
            raise ProxyError("the PROXY header is too short")
        source, _ = struct.unpack_from(layout, data, _HEAD)
        address = str(plain_address(str(ipaddress.ip_address(source))))
    return Proxied(address, _HEAD + length)
