"""A domain in the DNS, as others see it."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Sequence
from typing import Final

from postroom_contract.mail_domains import Examination, ExamineDomain, Finding
from postroom_mail.address import AddressError, domain_to_ascii, parse_address
from postroom_runtime.errors import RefusedError
from postroom_smtp.domain import examination
from postroom_smtp.ports import DnsTroubleError, Knocking, Names, NoSuchNameError, Senders

_ADDRESSES: Final = 4


class Examining:
    """Answers `examine`."""

    def __init__(
        self,
        names: Names,
        senders: Senders,
        hostname: str,
        *,
        by_relay: bool,
        knocking: Knocking | None = None,
        port: int = 25,
    ) -> None:
        self._knocking = knocking
        self._port = port
        self._names = names
        self._senders = senders
        self._hostname = hostname
        self._by_relay = by_relay

    async def examine(self, question: ExamineDomain) -> Examination:
        """Return what is published; RefusedError for what is no domain."""
        try:
            domain = domain_to_ascii(parse_address(f"postmaster@{question.domain}").domain)
        except AddressError as error:
            raise RefusedError(str(error)) from error
        keys = question.keys
        found, servers, texts, policy, *records = await asyncio.gather(
            self._addresses(),
            _said(self._mx(domain)),
            _said(self._txt(domain)),
            _said(self._txt(f"_dmarc.{domain}")),
            *(_said(self._txt(f"{one.selector}._domainkey.{domain}")) for one in keys),
        )
        reverse, denied, behind = await asyncio.gather(
            self._reverse(found or ()),
            self._denied(domain, found or ()),
            self._behind(domain, servers),
        )
        findings: list[Finding] = [
            examination.mx(domain, self._hostname, servers),
            examination.address(self._hostname, found),
            examination.ptr(self._hostname, reverse),
            *behind,
            examination.spf(domain, texts, denied, by_relay=self._by_relay),
            *(
                examination.dkim(domain, key, record)
                for key, record in zip(keys, records, strict=True)
            ),
            examination.dmarc(domain, policy),
        ]
        return Examination(hostname=self._hostname, findings=tuple(findings))

    async def _behind(self, domain: str, servers: Sequence[str] | None) -> list[Finding]:
        """Return what is found at the first server that takes the domain's mail."""
        if self._knocking is None or servers is None:
            return []
        ordered = sorted((one.split() for one in servers), key=lambda one: int(one[0]))
        host = ordered[0][-1].rstrip(".") if ordered else domain
        addresses = await _said(self._names.addresses(host, 4)) if host != "." and host else ()
        if not addresses:
            return []
        found = await self._knocking.knock(host, addresses[:_ADDRESSES])
        return [examination.port(host, self._port, found), examination.tls(host, found)]

    async def _mx(self, domain: str) -> list[str]:
        return [f"{preference} {host}" for preference, host in await self._names.mx(domain)]

    async def _txt(self, name: str) -> list[str]:
        return [one.decode("utf-8", "replace") for one in await self._names.txt(name)]

    async def _addresses(self) -> Sequence[str] | None:
        four, six = await asyncio.gather(
            _said(self._names.addresses(self._hostname, 4)),
            _said(self._names.addresses(self._hostname, 6)),
        )
        if four is None and six is None:
            return None
        return [*(four or ()), *(six or ())][:_ADDRESSES]

    async def _reverse(self, addresses: Sequence[str]) -> dict[str, Sequence[str] | None]:
        names = [ipaddress.ip_address(one).reverse_pointer for one in addresses]
        found = await asyncio.gather(*(_said(self._names.ptr(name)) for name in names))
        return dict(zip(addresses, found, strict=True))

    async def _denied(self, domain: str, addresses: Sequence[str]) -> list[str]:
        """Return those addresses of ours that the domain's SPF does not let send."""
        results = await asyncio.gather(
            *(self._senders.spf(one, f"postmaster@{domain}", self._hostname) for one in addresses)
        )
        refused = {"fail", "softfail", "neutral", "permerror"}
        return [one for one, result in zip(addresses, results, strict=True) if result in refused]


async def _said(question: Awaitable[Sequence[str]]) -> Sequence[str] | None:
    """Return the answer; empty where there is no such name, None where the DNS does not say."""
    try:
        return await question
    except NoSuchNameError:
        return ()
    except DnsTroubleError:
        return None
