"""What administrators set up: mailboxes and rules. The API and the pages are two faces of this."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from postroom_api.domain.mailbox_settings import Mailbox, MailboxSettings, complete, problems
from postroom_api.domain.values import Principal, Rule
from postroom_api.http.entries import address_of, require_administrator
from postroom_api.http.problems import FieldError, ProblemError, not_found
from postroom_api.ports import Publisher, Services
from postroom_api.postgres.mailboxes import Mailboxes
from postroom_api.postgres.rules import Rules
from postroom_api.sealing import FetcherSeal
from postroom_contract.forum import Forum, ListForums
from postroom_contract.rules import Action, Condition, PostToForum
from postroom_contract.ruling import CheckRule, RuleProblem, Trial, TryMail
from postroom_mail.crlf import normalise
from postroom_mail.text import one_line
from postroom_runtime import schedules
from postroom_runtime.bus import Bus
from postroom_runtime.clock import Clock
from postroom_runtime.messages import ConflictError

LIVE_SECONDS: Final = 3.0
TRIAL_SENDER: Final = "someone@example.org"


def refuse(what: str, found: Iterable[tuple[str, str]]) -> None:
    """Answer 422 naming each field, if there is anything to name."""
    errors = [FieldError(pointer, "invalid", words) for pointer, words in found]
    if errors:
        words = "; ".join(error.detail for error in errors)
        raise ProblemError(422, "invalid", f"This {what} cannot be saved: {words}.", errors)


class Office:
    """Changes of configuration; each is live everywhere on return, or soon after."""

    def __init__(
        self,
        services: Services,
        mailboxes: Mailboxes,
        rules: Rules,
        seal: FetcherSeal,
        bus: Bus,
        clock: Clock,
        publisher: Publisher,
    ) -> None:
        self._services = services
        self._mailboxes = mailboxes
        self._rules = rules
        self._seal = seal
        self._bus = bus
        self._clock = clock
        self._publisher = publisher

    async def mailboxes(self, who: Principal) -> list[Mailbox]:
        """Return all mailboxes."""
        return await self._mailboxes.all(who)

    async def mailbox(self, who: Principal, mailbox: str) -> Mailbox:
        """Return one mailbox, or 404."""
        found = await self._mailboxes.one(who, mailbox)
        if found is None:
            raise not_found("mailbox")
        return found

    async def add_mailbox(self, who: Principal, settings: MailboxSettings) -> Mailbox:
        """Make a mailbox."""
        require_administrator(who)
        settings = self._checked(settings, None)
        made = self._clock.new_id("mbx")
        await self._mailboxes.add(who, made, settings, self._seal.seal(made, settings))
        await self._publisher.settled(LIVE_SECONDS)
        return await self.mailbox(who, made)

    async def change_mailbox(
        self, who: Principal, mailbox: str, settings: MailboxSettings
    ) -> Mailbox:
        """Write a mailbox as it shall be; a password left out stays, if it may."""
        require_administrator(who)
        settings = self._checked(settings, await self.mailbox(who, mailbox))
        sealed = self._seal.seal(mailbox, settings)
        if not await self._mailboxes.change(who, mailbox, settings, sealed):
            raise ProblemError(403, "read_only", "You may read this mailbox, not change it.")
        await self._publisher.settled(LIVE_SECONDS)
        return await self.mailbox(who, mailbox)

    def _checked(self, settings: MailboxSettings, before: Mailbox | None) -> MailboxSettings:
        settings = complete(settings)
        refuse("mailbox", problems(settings, before))
        addresses = [address_of("source/addresses", one) for one in settings.source.addresses]
        source = msgspec.structs.replace(settings.source, addresses=sorted(set(addresses)))
        return msgspec.structs.replace(settings, name=one_line(settings.name), source=source)

    async def delete_mailbox(self, who: Principal, mailbox: str) -> None:
        """Take a mailbox away; one that a forum lives from stays (409)."""
        require_administrator(who)
        found = await self.mailbox(who, mailbox)
        if found.forum is not None:
            raise ProblemError(409, "conflict", f"“{found.name}” belongs to a forum.")
        await self._mailboxes.delete(who, mailbox)
        await self._publisher.settled(LIVE_SECONDS)

    async def receive_now(self, who: Principal, mailbox: str) -> bool:
        """Ask a fetcher to look now; False when one is looking already."""
        require_administrator(who)
        found = await self.mailbox(who, mailbox)
        if found.source.type == "smtp":
            raise ProblemError(409, "conflict", "Mail comes to this mailbox by itself (SMTP).")
        if not found.active:
            raise ProblemError(409, "conflict", "This mailbox is switched off.")
        try:
            await self._bus.publish(schedules.poll_now(who.account, mailbox), first=True)
        except ConflictError:
            return False
        return True

    async def forums(self, who: Principal) -> Sequence[Forum]:
        """Return the forums that a rule may post to."""
        return (await self._services.ask(ListForums(account=who.account))).data

    async def rules(self, who: Principal) -> list[Rule]:
        """Return all rules."""
        return await self._rules.list_rules(who)

    async def rule(self, who: Principal, rule: str) -> Rule:
        """Return one rule, or 404."""
        found = await self._rules.rule(who, rule)
        if found is None:
            raise not_found("rule")
        return found

    async def add_rule(
        self,
        who: Principal,
        mailbox: str | None,
        name: str,
        when: Condition,
        then: Sequence[Action],
    ) -> Rule:
        """Append a rule to a mailbox or (None) the account; live everywhere on return."""
        require_administrator(who)
        await self._check_rule(who, when, then)
        rule = await self._rules.add_rule(
            who, self._clock.new_id("rul"), mailbox, one_line(name), when, then
        )
        if rule is None:
            raise not_found("mailbox")
        await self._publisher.settled(LIVE_SECONDS)
        return rule

    async def change_rule(self, who: Principal, changed: Rule) -> Rule:
        """Write a changed rule; live everywhere on return."""
        require_administrator(who)
        await self._check_rule(who, changed.condition, changed.actions)
        if not await self._rules.change_rule(who, changed):
            raise not_found("rule")
        await self._publisher.settled(LIVE_SECONDS)
        return await self.rule(who, changed.id)

    async def _check_rule(self, who: Principal, when: Condition, then: Sequence[Action]) -> None:
        question = CheckRule(account=who.account, condition=when, actions=tuple(then))
        found = list((await self._services.ask(question)).problems)
        known = {one.id for one in await self.forums(who)}
        for index, action in enumerate(then):
            if isinstance(action, PostToForum) and action.forum not in known:
                words = f"there is no forum {action.forum!r}"
                found.append(RuleProblem(pointer=f"/actions/{index}/forum", detail=words))
        refuse("rule", ((one.pointer, one.detail) for one in found))

    async def try_mail(self, who: Principal, mailbox: str, raw: bytes) -> Trial:
        """Return what the rules in force would say of a mail; nothing happens."""
        addresses = (await self.mailbox(who, mailbox)).addresses
        return await self._services.ask(
            TryMail(
                account=who.account,
                mailbox=mailbox,
                recipient=addresses[0] if addresses else mailbox,
                sender=TRIAL_SENDER,
                raw=normalise(raw),
            )
        )

    async def delete_rule(self, who: Principal, rule: str) -> None:
        """Take a rule away."""
        require_administrator(who)
        if not await self._rules.delete_rule(who, rule):
            raise not_found("rule")
        await self._publisher.settled(LIVE_SECONDS)
