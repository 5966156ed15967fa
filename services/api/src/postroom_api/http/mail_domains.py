"""Domains as API and pages see them: their keys, and what others find in the DNS."""

import secrets
from typing import Final

from postroom_api.domain.mail_domains import (
    MOST_KEYS,
    MOST_SIGNING,
    DomainCheck,
    KeyState,
    MailDomain,
    new_selector,
)
from postroom_api.domain.values import Principal
from postroom_api.http.entries import require_administrator
from postroom_api.http.problems import ProblemError, not_found
from postroom_api.ports import PatientServices, Publisher, ServiceProblemError
from postroom_api.postgres.mail_domains import MailDomains
from postroom_contract.mail_domains import Algorithm, ExamineDomain, MakeKey, PublishedKey
from postroom_runtime.clock import Clock

LIVE_SECONDS: Final = 3.0
CHECK_SECONDS: Final = 15.0


class MailDomainDesk:
    """What administrators of an account do about its domains."""

    def __init__(
        self, services: PatientServices, rows: MailDomains, clock: Clock, publisher: Publisher
    ) -> None:
        self._services = services
        self._rows = rows
        self._clock = clock
        self._publisher = publisher

    async def all(self, who: Principal) -> list[MailDomain]:
        """Return the account's domains."""
        require_administrator(who)
        return await self._rows.all(who)

    async def one(self, who: Principal, domain: str) -> MailDomain:
        """Return one of them; 404 where there is none."""
        require_administrator(who)
        found = await self._rows.all(who, domain.lower())
        if not found:
            raise not_found("domain")
        return found[0]

    async def make_key(self, who: Principal, domain: str, algorithm: Algorithm) -> MailDomain:
        """Make a key; it signs nothing before it is told to."""
        before = await self.one(who, domain)
        if len(before.keys) >= MOST_KEYS:
            raise ProblemError(409, "limit", "This domain has ten keys: remove one first.")
        selector = new_selector(self._clock.now(), secrets.token_hex(3))
        question = MakeKey(
            account=who.account, domain=before.domain, selector=selector, algorithm=algorithm
        )
        try:
            made = await self._services.ask_patiently(question, CHECK_SECONDS)
        except ServiceProblemError as error:
            raise ProblemError(409, "conflict", error.problem.detail) from error
        await self._rows.add_key(who, before.domain, selector, algorithm, made)
        return await self.one(who, domain)

    async def set_state(
        self, who: Principal, domain: str, selector: str, state: KeyState
    ) -> MailDomain:
        """Let a key sign, or sign no more."""
        before = await self.one(who, domain)
        signing = [one.selector for one in before.keys if one.state == "signs"]
        if state == "signs" and selector not in signing and len(signing) >= MOST_SIGNING:
            raise ProblemError(409, "limit", "Two keys sign already: retire one first.")
        if not await self._rows.set_state(who, before.domain, selector, state):
            raise not_found("key")
        await self._publisher.settled(LIVE_SECONDS)
        return await self.one(who, domain)

    async def remove_key(self, who: Principal, domain: str, selector: str) -> None:
        """Forget a key; 409 for one that signs."""
        before = await self.one(who, domain)
        if any(one.selector == selector and one.state == "signs" for one in before.keys):
            raise ProblemError(409, "conflict", "This key signs: retire it first.")
        if not await self._rows.remove_key(who, before.domain, selector):
            raise not_found("key")
        await self._publisher.settled(LIVE_SECONDS)

    async def check(self, who: Principal, domain: str) -> DomainCheck:
        """Return what the DNS says now; 503 when smtp does not answer."""
        found = await self.one(who, domain)
        keys = tuple(PublishedKey(selector=one.selector, record=one.record) for one in found.keys)
        question = ExamineDomain(account=who.account, domain=found.domain, keys=keys)
        try:
            seen = await self._services.ask_patiently(question, CHECK_SECONDS)
        except ServiceProblemError as error:
            raise ProblemError(409, "conflict", error.problem.detail) from error
        return DomainCheck(
            domain=found.domain, hostname=seen.hostname, findings=list(seen.findings)
        )
