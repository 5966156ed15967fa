"""Lists of senders of spam in the DNS (RFC 5782).

Law: a list that does not answer within `SECONDS` has said nothing.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from postroom_smtp.domain.access import is_listed, list_names
from postroom_smtp.ports import DnsTroubleError, Names, NoSuchNameError

SECONDS: Final = 3.0


class Blocklists:
    """Asks all zones at once."""

    def __init__(self, names: Names, zones: Sequence[str]) -> None:
        self._names = names
        self._zones = zones

    async def listed(self, address: str) -> bool:
        """Return whether one of the zones lists the address."""
        names = list_names(address, self._zones)
        return any(await asyncio.gather(*map(self._one, names)))

    async def _one(self, name: str) -> bool:
        try:
            async with asyncio.timeout(SECONDS):
                return is_listed(await self._names.addresses(name, 4))
        except (NoSuchNameError, DnsTroubleError, TimeoutError):
            return False
