"""Finding the server of an address: no connection is made, only DNS is asked, within 3 s."""

import asyncio
from typing import Final

from postroom_api.domain import discovery
from postroom_api.domain.discovery import SRV, Discovered, SrvRecord, Wanted
from postroom_api.domain.values import Principal
from postroom_api.http.catalogue import Catalogue
from postroom_api.http.entries import address_of
from postroom_api.http.problems import invalid
from postroom_api.ports import Records

SECONDS: Final = 3.0


class Discovering:
    """Proposes where a mailbox lies."""

    def __init__(self, catalogue: Catalogue, records: Records) -> None:
        self._catalogue = catalogue
        self._records = records

    async def discover(self, who: Principal, text: str, wanted: Wanted = "") -> Discovered:
        """Return a proposal for an address, of what this person may choose.

        `wanted` is the protocol that it must be; POP3 goes through no e-mail service.
        """
        address = address_of("address", text)
        domain = address.rpartition("@")[2]
        if domain.startswith("[") or "." not in domain:
            raise invalid("address", "bad_address", f"{domain!r} is no domain with mailboxes.")
        try:
            domain = domain.encode("idna").decode("ascii").lower()
        except UnicodeError:
            raise invalid("address", "bad_address", f"{domain!r} is no domain.") from None
        services = await self._catalogue.services(who)
        known = discovery.by_catalogue(address, domain, services) if wanted != "pop3" else None
        if known is not None:
            return known
        answers = await self._answers(domain)
        found = None
        if answers:
            found = discovery.by_records(address, domain, answers, services, wanted)
        return found or discovery.guess(address, domain, services, wanted)

    async def _answers(self, domain: str) -> list[list[SrvRecord]]:
        """Return the answers to all questions, asked at once; none when one is not in time."""
        questions = (self._records.srv(f"{name}.{domain}", SECONDS) for name, _, _ in SRV)
        try:
            async with asyncio.timeout(SECONDS):
                return list(await asyncio.gather(*questions))
        except TimeoutError:
            return []
