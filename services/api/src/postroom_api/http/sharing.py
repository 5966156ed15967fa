"""Sharing a mailbox: its owner and administrators decide with whom."""

import msgspec

from postroom_api.domain.mailbox_settings import Mailbox
from postroom_api.domain.sharing import NewShare, Share, problem
from postroom_api.domain.values import Principal
from postroom_api.http.office import Office
from postroom_api.http.problems import ProblemError, invalid, not_found
from postroom_api.postgres.shares import Shares
from postroom_runtime.clock import Clock


class Sharing:
    """The shares of mailboxes, each with who asks."""

    def __init__(self, office: Office, shares: Shares, clock: Clock) -> None:
        self._office = office
        self._shares = shares
        self._clock = clock

    async def shares(self, who: Principal, mailbox: str) -> list[Share]:
        """Return whom a mailbox is shared with; 404 to whom it is hidden."""
        await self._office.mailbox(who, mailbox)
        return await self._shares.of(who, mailbox)

    async def share(self, who: Principal, mailbox: str, wanted: NewShare) -> list[Share]:
        """Share it with somebody, or change how."""
        found = await self._own(who, mailbox)
        person = await self._shares.colleague(who, wanted.person)
        if person is None:
            raise invalid("person", "unknown", f"There is nobody called {wanted.person!r} here.")
        owner = found.owner.id if found.owner else None
        if words := problem(person, owner, wanted.until, self._clock.now()):
            raise invalid("until" if person != owner else "person", "invalid", words)
        await self._shares.put(who, mailbox, msgspec.structs.replace(wanted, person=person))
        return await self._shares.of(who, mailbox)

    async def unshare(self, who: Principal, mailbox: str, person: str) -> None:
        """End a share."""
        await self._own(who, mailbox)
        if not await self._shares.remove(who, mailbox, person):
            raise not_found("share")

    async def _own(self, who: Principal, mailbox: str) -> Mailbox:
        found = await self._office.changeable(who, mailbox)
        if found.access != "full":
            raise ProblemError(403, "read_only", "Only its owner may share this mailbox.")
        return found
