"""What one may ask of the catalogue of e-mail services: API and pages are two faces of it."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from postroom_api.domain.mail_services import (
    Impact,
    MailService,
    ServiceSettings,
    complete,
    problems,
)
from postroom_api.domain.values import Principal
from postroom_api.http.entries import refuse, require_administrator
from postroom_api.http.problems import ProblemError, invalid, not_found
from postroom_api.ports import Publisher
from postroom_api.postgres.mail_services import MailServices
from postroom_api.postgres.service_changes import ServiceChanges
from postroom_api.sealing import FetcherSeal
from postroom_mail.text import one_line
from postroom_runtime.clock import Clock

LIVE_SECONDS = 3.0


class MailboxPolicy(msgspec.Struct, frozen=True):
    """What users may connect."""

    mailboxes_per_user: int
    version: int
    """Grows with each change of the account; what `ETag` says."""


class Catalogue:
    """The services of an account, and what their changes do to mailboxes."""

    def __init__(
        self,
        services: MailServices,
        changes: ServiceChanges,
        seal: FetcherSeal,
        clock: Clock,
        publisher: Publisher,
    ) -> None:
        self._services = services
        self._changes = changes
        self._seal = seal
        self._clock = clock
        self._publisher = publisher

    async def services(self, who: Principal) -> list[MailService]:
        """Return the catalogue; to users what they may choose from."""
        found = await self._services.all(who)
        return found if who.administrator else [one for one in found if one.choosable]

    async def service(self, who: Principal, service: str) -> MailService:
        """Return one service, or 404."""
        found = await self._services.one(who, service)
        if found is None:
            raise not_found("e-mail service")
        return found

    async def add(self, who: Principal, settings: ServiceSettings) -> MailService:
        """Make a service; users may choose it once it is permitted."""
        require_administrator(who)
        settings = self._checked(settings, None)
        made = self._clock.new_id("svc")
        sealed = self._seal.seal_client(made, settings.oauth)
        await self._services.add(who, made, settings, sealed)
        return await self.service(who, made)

    async def change(
        self, who: Principal, service: str, settings: ServiceSettings, version: int | None = None
    ) -> MailService:
        """Write a service as it shall be; its mailboxes learn of it by `push` alone.

        StaleError when `version` is given and it has another by now.
        """
        require_administrator(who)
        settings = self._checked(settings, await self.service(who, service))
        sealed = self._seal.seal_client(service, settings.oauth)
        if not await self._services.change(who, service, settings, sealed, version):
            raise not_found("e-mail service")
        return await self.service(who, service)

    def _checked(self, settings: ServiceSettings, before: MailService | None) -> ServiceSettings:
        settings = complete(settings)
        refuse("service", problems(settings, before))
        return msgspec.structs.replace(settings, name=one_line(settings.name))

    async def order(self, who: Principal, services: Sequence[str]) -> list[MailService]:
        """Put these services first, in this order."""
        require_administrator(who)
        await self._services.order(who, services)
        return await self.services(who)

    async def move(self, who: Principal, service: str, *, up: bool) -> None:
        """Exchange a service with its neighbour."""
        ids = [one.id for one in await self.services(who)]
        if service not in ids:
            raise not_found("e-mail service")
        here = ids.index(service)
        there = max(here - 1, 0) if up else min(here + 1, len(ids) - 1)
        ids[here], ids[there] = ids[there], ids[here]
        await self.order(who, ids)

    async def delete(self, who: Principal, service: str) -> None:
        """Take a service away; one that mailboxes use stays (409)."""
        require_administrator(who)
        held = await self._services.delete(who, service)
        if held is None:
            raise not_found("e-mail service")
        if held:
            words = "1 mailbox uses" if held == 1 else f"{held} mailboxes use"
            raise ProblemError(409, "conflict", f"{words} this service: restrict it instead.")

    async def preview_restriction(self, who: Principal, service: str) -> Impact:
        """Return whom a restriction would reach; nothing happens."""
        require_administrator(who)
        return await self._changes.restriction_impact(who, await self.service(who, service))

    async def restrict(
        self, who: Principal, service: str, grace_until: datetime | None
    ) -> MailService:
        """Permit it no longer: for new mailboxes at once, for those there are from a date on."""
        require_administrator(who)
        now = self._clock.now()
        if grace_until is not None and grace_until.tzinfo is None:
            raise invalid("grace_until", "no_zone", "The grace date needs a time zone.")
        found = await self.service(who, service)
        await self._changes.restrict(who, found, grace_until or now, now)
        await self._publisher.settled(LIVE_SECONDS)
        return await self.service(who, service)

    async def permit(self, who: Principal, service: str) -> MailService:
        """Let users choose it, or undo its restriction."""
        require_administrator(who)
        await self._changes.permit(who, await self.service(who, service))
        await self._publisher.settled(LIVE_SECONDS)
        return await self.service(who, service)

    async def preview_push(self, who: Principal, service: str) -> Impact:
        """Return which mailboxes differ from their service; nothing happens."""
        require_administrator(who)
        return await self._changes.push_impact(who, await self._pushable(who, service))

    async def push(self, who: Principal, service: str) -> Impact:
        """Give its server to its mailboxes; passwords for another place are forgotten."""
        require_administrator(who)
        done = await self._changes.push(who, await self._pushable(who, service))
        await self._publisher.settled(LIVE_SECONDS)
        return done

    async def _pushable(self, who: Principal, service: str) -> MailService:
        found = await self.service(who, service)
        if found.free:
            raise ProblemError(409, "conflict", "Its mailboxes have servers of their own.")
        return found

    async def policy(self, who: Principal) -> MailboxPolicy:
        """Return what users may connect."""
        return MailboxPolicy(*await self._services.policy(who))

    async def set_per_user(self, who: Principal, count: int, version: int | None = None) -> None:
        """Change how many mailboxes each user may have; StaleError as with `change`."""
        require_administrator(who)
        if not 0 <= count <= 10_000:  # noqa: PLR2004 - more is no limit
            raise invalid("mailboxes_per_user", "range", "A number from 0 to 10000.")
        await self._services.set_per_user(who, count, version)
