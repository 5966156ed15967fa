"""The recipients' own servers (RFC 5321 §5.1), for those who need no smarthost. Port: Relay.

Laws:
1. Servers are tried in the order of their preference; one that can be reached keeps the chunk.
2. Only public addresses are connected to, and what the operator allows besides: anybody may name
   any address as the server of their domain.
3. That a domain does not exist, or takes no mail (RFC 7505), is final; that the DNS does not say is
   not.
4. Where the domain's policy says so (MTA-STS, RFC 8461), mail goes only to servers that it names,
   under TLS whose certificate was verified; else it waits.
"""

import random
from typing import Final

import msgspec
import structlog

from postroom_mail.address import AddressError, domain_to_ascii
from postroom_runtime.reach import Internal, forbidden
from postroom_smtp.aiosmtplib_relay import Host, Patience, Security, SmtpHop
from postroom_smtp.domain.delivery import HopReply
from postroom_smtp.handlers.securing import Securing
from postroom_smtp.kept import Kept
from postroom_smtp.ports import DnsTroubleError, Names, NoSuchNameError

_MOST: Final = 6
"""Servers tried for one chunk."""
_NO_DOMAIN: Final = HopReply(550, "5.1.2 there is no such domain")
_NO_MAIL: Final = HopReply(556, "5.1.10 the domain takes no mail (null MX)")
_NO_SERVER: Final = HopReply(550, "5.4.4 the domain has no mail server")


class Way(msgspec.Struct, frozen=True):
    """Where mail for a domain goes."""

    hosts: list[Host]
    enforced: bool
    """TLS is a must (MTA-STS)."""


class MxRelay:
    """Finds the way for each domain."""

    def __init__(
        self,
        names: Names,
        internal: Internal,
        *,
        name: str,
        patience: Patience,
        port: int = 25,
        kept: Kept | None = None,
        securing: Securing | None = None,
    ) -> None:
        self._securing = securing
        self._log = structlog.get_logger()
        self._kept = kept
        self._names = names
        self._internal = internal
        self._name = name
        self._patience = patience
        self._port = port

    def destination(self, domain: str) -> str:
        """Return the domain."""
        return domain.lower()

    def hop(self, domain: str) -> "MxHop":
        """Return a conversation that looks for its server when first needed."""
        return MxHop(self, domain)

    def at(self, host: Host, *, enforced: bool = False) -> SmtpHop:
        """Return a conversation with one server."""
        security = Security(tls="starttls") if enforced else Security()
        called = f"{host.name} (MTA-STS: enforce)" if enforced else host.name
        return SmtpHop(host, self._name, self._patience, security, called, self._kept)

    async def way(self, domain: str) -> Way | HopReply:
        """Return the servers of a domain in the order to try them, or why there is none."""
        try:
            ascii_ = domain_to_ascii(domain)
        except AddressError as error:
            return HopReply(550, f"5.1.3 the domain is no domain: {error}")
        try:
            servers = await self._servers(ascii_)
        except NoSuchNameError:
            return _NO_DOMAIN
        except DnsTroubleError as error:
            return _trouble(f"the DNS does not say who takes mail: {error}")
        if servers == [""]:
            return _NO_MAIL
        enforced, servers = await self._secured(ascii_, servers)
        if not servers:
            return _trouble(f"MTA-STS of {ascii_} (enforce) names none of its servers")
        found = await self._reachable(servers)
        return found if isinstance(found, HopReply) else Way(found, enforced)

    async def _secured(self, domain: str, servers: list[str]) -> tuple[bool, list[str]]:
        """Return whether TLS is a must, and the servers that mail may be given to."""
        policy = await self._securing.policy(domain) if self._securing else None
        if policy is None or policy.mode == "none":
            return False, servers
        named = [one for one in servers if policy.allows(one)]
        if named != servers:
            self._log.warning(
                "servers are not in their domain's MTA-STS policy",
                domain=domain,
                mode=policy.mode,
                servers=sorted({*servers} - {*named}),
            )
        return (True, named) if policy.mode == "enforce" else (False, servers)

    async def _servers(self, domain: str) -> list[str]:
        """Return names by preference; the domain itself where it has no MX."""
        found = list(await self._names.mx(domain))
        random.shuffle(found)  # equal preference shares the load (RFC 5321 §5.1)
        names = [name.rstrip(".") for _, name in sorted(found, key=lambda one: one[0])]
        return names or [domain]

    async def _reachable(self, servers: list[str]) -> list[Host] | HopReply:
        found: list[Host] = []
        trouble: HopReply | None = None
        for name in servers[:_MOST]:
            try:
                addresses = await self._addresses(name)
            except NoSuchNameError:
                continue
            except DnsTroubleError as error:
                trouble = _trouble(f"the DNS does not say where {name} is: {error}")
                continue
            if forbidden(name, addresses, self._internal):
                trouble = _trouble(f"{name} has an internal address: no connection was made")
                continue
            found.extend(Host(name, self._port, one) for one in addresses)
        return found[: 2 * _MOST] or trouble or _NO_SERVER

    async def _addresses(self, name: str) -> list[str]:
        """Return IPv4 first: few mail servers have a good name on IPv6."""
        four = await self._names.addresses(name, 4)
        try:
            six = await self._names.addresses(name, 6)
        except (NoSuchNameError, DnsTroubleError):
            six = ()
        return [*four, *six]


class MxHop:
    """One conversation, with the first server that can be reached."""

    def __init__(self, relay: MxRelay, domain: str) -> None:
        self._relay = relay
        self._domain = domain
        self._hop: SmtpHop | None = None
        self._none: HopReply | None = None

    async def send(self, sender: str, recipient: str, mail: bytes) -> HopReply:
        """Hand over one copy. Never raises for what the network or the next hop does."""
        if self._hop is not None:
            return await self._hop.send(sender, recipient, mail)
        if self._none is not None:
            return self._none
        way = await self._relay.way(self._domain)
        if isinstance(way, HopReply):
            self._none = way
            return way
        reply = _NO_SERVER
        for host in way.hosts:
            hop = self._relay.at(host, enforced=way.enforced)
            reply = await hop.send(sender, recipient, mail)
            if reply.trouble != "unreachable":
                self._hop = hop
                return reply
            await hop.close()
        return reply

    async def close(self) -> None:
        """Say goodbye, shortly."""
        if self._hop is not None:
            await self._hop.close()


def _trouble(words: str) -> HopReply:
    return HopReply(0, words, "unreachable")
