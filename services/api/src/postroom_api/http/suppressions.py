"""Suppressed addresses as API and pages see them."""

from typing import Final

from postroom_api.domain.suppressions import MAX_WORDS, Reason, Suppression
from postroom_api.domain.values import PageOf, Principal
from postroom_api.http.entries import address_of, require_administrator
from postroom_api.http.problems import ProblemError, not_found
from postroom_api.http.versions import expect
from postroom_api.ports import Publisher
from postroom_api.postgres.suppressions import Suppressions
from postroom_mail.text import one_line

LIVE_SECONDS: Final = 3.0


class SuppressionDesk:
    """What those who manage an account do about them; it holds on return, or soon after."""

    def __init__(self, rows: Suppressions, publisher: Publisher) -> None:
        self._rows = rows
        self._publisher = publisher

    async def page(
        self, who: Principal, search: str, reason: Reason | None, cursor: str | None, limit: int
    ) -> PageOf[Suppression]:
        """Return a page, the newest first."""
        require_administrator(who)
        return await self._rows.page(who, search.strip(), reason, cursor, limit)

    async def one(self, who: Principal, suppression: str) -> Suppression:
        """Return one of them; 404 where there is none."""
        require_administrator(who)
        found = await self._rows.one(who, suppression)
        if found is None:
            raise not_found("suppressed address")
        return found

    async def add(self, who: Principal, address: str, words: str) -> Suppression:
        """Suppress an address; 409 for one that is."""
        require_administrator(who)
        wanted = address_of("address", address)
        made = await self._rows.add(who, wanted, one_line(words, MAX_WORDS))
        if made is None:
            raise ProblemError(409, "conflict", "This address is suppressed already.")
        await self._publisher.settled(LIVE_SECONDS)
        return made

    async def release(
        self, who: Principal, suppression: str, if_match: str | None = None
    ) -> Suppression:
        """Let mail go to it again; what was is returned."""
        before = await self.one(who, suppression)
        expect(before.version, if_match)
        expected = before.version if if_match and if_match.strip() != "*" else None
        released = await self._rows.release(who, suppression, expected)
        if released is None:
            raise not_found("suppressed address")
        await self._publisher.settled(LIVE_SECONDS)
        return released
