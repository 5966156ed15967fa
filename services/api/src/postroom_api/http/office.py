"""What people set up: mailboxes and rules. The API and the pages are two faces of this."""

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import Final

import msgspec

from postroom_api.domain import connecting
from postroom_api.domain.grids import Answer, BulkAction, GridQuery
from postroom_api.domain.mailbox_settings import (
    Mailbox,
    MailboxSettings,
    Owner,
    as_of_now,
    complete,
    moved,
    problems,
)
from postroom_api.domain.values import PageOf, Principal, Rule
from postroom_api.domain.visible import for_eyes
from postroom_api.http.entries import address_of, asker_of, refuse, require_administrator
from postroom_api.http.example_runs import ExampleRuns
from postroom_api.http.problems import ProblemError, invalid, not_found
from postroom_api.ports import Checks, Publisher, Services
from postroom_api.postgres.deleted_mailboxes import DeletedMailbox, DeletedMailboxes
from postroom_api.postgres.grid import Grid
from postroom_api.postgres.mail_services import MailServices
from postroom_api.postgres.mailboxes import Mailboxes
from postroom_api.postgres.rules import Rules
from postroom_api.sealing import FetcherSeal
from postroom_contract.forum import Forum, ListForums
from postroom_contract.rules import Action, Condition, Layer, PostToForum
from postroom_contract.ruling import CheckRule, RuleProblem, Trial, TryMail
from postroom_mail.crlf import normalise
from postroom_mail.text import one_line
from postroom_runtime import schedules
from postroom_runtime.bus import Bus
from postroom_runtime.clock import Clock
from postroom_runtime.messages import ConflictError

LIVE_SECONDS: Final = 3.0
CHOICES: Final = 200
TRIAL_SENDER: Final = "someone@example.org"


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
        catalogue: MailServices,
        grid: Grid,
        checks: Checks,
        deleted: DeletedMailboxes,
        examples: ExampleRuns,
    ) -> None:
        self._services = services
        self._mailboxes = mailboxes
        self._rules = rules
        self._seal = seal
        self._bus = bus
        self._clock = clock
        self._publisher = publisher
        self._catalogue = catalogue
        self._grid = grid
        self._checks = checks
        self._deleted = deleted
        self._examples = examples

    async def mailboxes(self, who: Principal) -> list[Mailbox]:
        """Return the first mailboxes by name, as many as one may choose from on a page."""
        return (await self._grid.page(who, GridQuery(), None, CHOICES)).data

    async def names(self, who: Principal, mailboxes: list[str]) -> dict[str, str]:
        """Return the names of these mailboxes, of those that are there."""
        return await self._mailboxes.names(who, mailboxes)

    async def grid(
        self, who: Principal, query: GridQuery, cursor: str | None, limit: int
    ) -> PageOf[Mailbox]:
        """Return a page of the mailboxes that one wants to see."""
        found = await self._grid.page(who, query, cursor, limit)
        return PageOf(
            data=[self._now(who, one) for one in found.data], next_cursor=found.next_cursor
        )

    def _now(self, who: Principal, mailbox: Mailbox) -> Mailbox:
        return as_of_now(mailbox, self._checks.under_way(who.account, mailbox.id))

    async def mailbox(self, who: Principal, mailbox: str) -> Mailbox:
        """Return one mailbox, or 404."""
        found = await self._mailboxes.one(who, mailbox)
        if found is None:
            raise not_found("mailbox")
        return self._now(who, found)

    async def person(self, who: Principal, text: str) -> str | None:
        """Return the id of a person by id or e-mail address, or None."""
        return await self._mailboxes.person(who, text)

    async def owner(self, who: Principal, person: str) -> Owner:
        """Return who may own a mailbox, by id, or 404."""
        found = await self._mailboxes.people(who, person)
        if not found:
            raise not_found("user")
        return found[0]

    async def owners(self, who: Principal) -> list[Owner]:
        """Return who may own a mailbox; users see themselves."""
        return await self._mailboxes.people(who)

    async def add_mailbox(
        self, who: Principal, settings: MailboxSettings, link: str | None = None
    ) -> Mailbox:
        """Make a mailbox: administrators any, users their own (kind user).

        `link` is the hash of a connect link, which this uses up.
        """
        if settings.kind == "system":
            require_administrator(who)
        settings = await self.checked(who, settings, None)
        made = self._clock.new_id("mbx")
        sealed = self._seal.seal(made, settings)
        if words := await self._mailboxes.add(who, made, settings, sealed, link):
            raise ProblemError(409, "limit", f"This mailbox cannot be made: {words}.")
        await self._publisher.settled(LIVE_SECONDS)
        return await self.mailbox(who, made)

    async def change_mailbox(
        self,
        who: Principal,
        mailbox: str,
        settings: MailboxSettings,
        version: int | None = None,
    ) -> Mailbox:
        """Write a mailbox as it shall be; a password left out stays, if it may.

        StaleError when `version` is given and it has another by now.
        """
        before = await self.changeable(who, mailbox)
        settings = await self.checked(who, settings, before)
        sealed = self._seal.seal(mailbox, settings)
        if sealed is None and before.source.auth == "oauth2" and moved(settings.source, before):
            sealed = ""  # what was granted is for the place that it had: it is forgotten
        if words := await self._mailboxes.change(who, mailbox, settings, sealed, version):
            raise ProblemError(409, "limit", f"It cannot be handed over: {words}.")
        await self._publisher.settled(LIVE_SECONDS)
        return await self.mailbox(who, mailbox)

    async def changeable(self, who: Principal, mailbox: str) -> Mailbox:
        """Return a mailbox that this person may change, or answer 403; 404 to the others."""
        found = await self.mailbox(who, mailbox)
        if found.access == "read":
            raise ProblemError(403, "read_only", "You may read this mailbox, not change it.")
        if found.kind == "system":
            require_administrator(who)
        return found

    async def checked(
        self, who: Principal, settings: MailboxSettings, before: Mailbox | None
    ) -> MailboxSettings:
        """Return the settings as they would be saved, or answer 422 naming each wrong field."""
        owner = await self._owner_of(who, settings, before)
        chosen = settings.service
        if chosen is None and before is not None and before.service is not None:
            chosen = before.service.id
        service = None
        if settings.kind == "user" and chosen:
            service = await self._catalogue.one(who, chosen)
        settings = msgspec.structs.replace(settings, owner=owner, service=chosen)
        settings = complete(connecting.through(settings, service, before))
        found = connecting.problems(settings, service, before, self._clock.now())
        grants = service is not None and service.oauth.usable
        refuse("mailbox", (*found, *problems(settings, before, grants=grants)))
        addresses = [address_of("source/addresses", one) for one in settings.source.addresses]
        source = msgspec.structs.replace(settings.source, addresses=sorted(set(addresses)))
        return msgspec.structs.replace(settings, name=one_line(settings.name), source=source)

    async def _owner_of(
        self, who: Principal, settings: MailboxSettings, before: Mailbox | None
    ) -> str | None:
        """Return the id of whom the mailbox shall belong to; only administrators choose."""
        had = before.owner.id if before and before.owner else None
        if settings.owner is None:
            own = who.id if settings.kind == "user" and before is None else None
            return had or own
        found = await self._mailboxes.person(who, settings.owner)
        if found is None and settings.owner == had:
            return had
        if found is None and who.administrator:
            raise invalid("owner", "unknown", f"There is nobody called {settings.owner!r} here.")
        if not who.administrator and found != (had or who.id):
            raise ProblemError(
                403, "administrators_only", "Only administrators decide whose a mailbox is."
            )
        return found

    async def delete_mailbox(self, who: Principal, mailbox: str) -> None:
        """Take a mailbox away; one that a forum lives from stays (409)."""
        await self._delete(who, mailbox)
        await self._publisher.settled(LIVE_SECONDS)

    async def deleted(self, who: Principal) -> list[DeletedMailbox]:
        """Return the mailboxes that can be brought back."""
        return await self._deleted.all(who, self._clock.now())

    async def restore(self, who: Principal, mailbox: str) -> Mailbox:
        """Bring a deleted mailbox back, with its addresses, rules and shares."""
        if not await self._deleted.restore(who, mailbox, self._clock.now()):
            raise not_found("deleted mailbox")
        await self._publisher.settled(LIVE_SECONDS)
        return await self.mailbox(who, mailbox)

    async def _delete(self, who: Principal, mailbox: str) -> None:
        found = await self.changeable(who, mailbox)
        if found.access != "full":
            raise ProblemError(403, "read_only", "Only its owner may delete this mailbox.")
        if found.forum is not None:
            raise ProblemError(409, "conflict", f"“{found.name}” belongs to a forum.")
        await self._mailboxes.delete(who, mailbox)

    async def switch_mailbox(self, who: Principal, mailbox: str, *, active: bool) -> None:
        """Resume or pause a mailbox."""
        await self._switch(who, mailbox, active=active)
        await self._publisher.settled(LIVE_SECONDS)

    async def _switch(self, who: Principal, mailbox: str, *, active: bool) -> None:
        found = await self.changeable(who, mailbox)
        if active and found.service is not None:
            service = await self._catalogue.one(who, found.service.id)
            if service is not None and service.over(self._clock.now()):
                words = f"{service.name} is no longer permitted, so the mailbox stays paused."
                raise ProblemError(409, "conflict", words)
        await self._mailboxes.switch(who, mailbox, active=active)

    async def bulk(self, who: Principal, action: BulkAction, mailboxes: list[str]) -> list[Answer]:
        """Do the same to each of these mailboxes, and answer for each; one no stops no other."""
        answers = []
        for mailbox in dict.fromkeys(mailboxes):
            try:
                if action == "delete":
                    await self._delete(who, mailbox)
                elif action == "receive":
                    await self.receive_now(who, mailbox)
                else:
                    await self._switch(who, mailbox, active=action == "activate")
            except ProblemError as error:
                answers.append(
                    Answer(mailbox=mailbox, done=False, code=error.code, detail=error.detail)
                )
            else:
                answers.append(Answer(mailbox=mailbox, done=True))
        await self._publisher.settled(LIVE_SECONDS)
        return answers

    async def receive_now(self, who: Principal, mailbox: str, since: date | None = None) -> bool:
        """Ask a fetcher to look now; False when one is looking already.

        `since`: and to fetch again what came from this day on and is not here.
        """
        found = await self.changeable(who, mailbox)
        if found.source.type == "smtp":
            raise ProblemError(409, "conflict", "Mail comes to this mailbox by itself (SMTP).")
        if not found.active:
            raise ProblemError(409, "conflict", "This mailbox is switched off.")
        if found.state == "sign_in_again":
            raise ProblemError(409, "conflict", "Enter the password of this mailbox again first.")
        try:
            await self._bus.publish(schedules.poll_now(who.account, mailbox, since), first=True)
        except ConflictError:
            return False
        return True

    async def forums(self, who: Principal) -> Sequence[Forum]:
        """Return the forums that a rule may post to."""
        question = ListForums(account=who.account, asker=asker_of(who))
        return (await self._services.ask(question)).data

    async def named_mailbox(self, who: Principal, mailbox: str) -> Mailbox:
        """Return a mailbox that a query names, or answer 422."""
        try:
            return await self.mailbox(who, mailbox)
        except ProblemError as error:
            raise invalid("mailbox", "unknown", "There is no such mailbox.") from error

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
        layer: Layer = "before",
        *,
        shadow: bool = False,
    ) -> Rule:
        """Append a rule to a mailbox or (None) the account; live everywhere on return."""
        await self.may_rule(who, mailbox)
        await self.check_rule(who, when, then)
        rule = await self._rules.add_rule(
            who, self._clock.new_id("rul"), mailbox, one_line(name), when, then, layer,
            shadow=shadow,
        )  # fmt: skip
        if rule is None:
            raise not_found("mailbox")
        await self._publisher.settled(LIVE_SECONDS)
        return rule

    async def change_rule(self, who: Principal, changed: Rule) -> Rule:
        """Write a changed rule; live everywhere, and tried on its examples, on return."""
        await self.may_rule(who, changed.scope)
        await self.check_rule(who, changed.condition, changed.actions)
        if not await self._rules.change_rule(who, changed):
            raise not_found("rule")
        written = await self.rule(who, changed.id)
        await asyncio.gather(
            self._publisher.settled(LIVE_SECONDS), self._examples.run(who, written)
        )
        return written

    async def move_rule(self, who: Principal, rule: str, by: int) -> None:
        """Let a rule be tried before or after its neighbour; live everywhere on return."""
        found = await self.rule(who, rule)
        await self.may_rule(who, found.scope)
        if not await self._rules.move_rule(who, rule, by):
            raise not_found("rule")
        await self._publisher.settled(LIVE_SECONDS)

    async def may_rule(self, who: Principal, scope: str | None) -> None:
        """Answer 403 unless they may: an account's rules are its managers', a mailbox's its.

        404 for a scope that is neither.
        """
        if scope in {None, who.account}:
            require_administrator(who)
        else:
            await self.changeable(who, scope)

    async def check_rule(self, who: Principal, when: Condition, then: Sequence[Action]) -> None:
        """Answer 422 naming what is wrong with a rule."""
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
        box = await self.mailbox(who, mailbox)
        trial = await self._services.ask(
            TryMail(
                account=who.account,
                mailbox=mailbox,
                source=box.source.type,
                recipient=box.addresses[0] if box.addresses else mailbox,
                sender=TRIAL_SENDER,
                raw=normalise(raw),
            )
        )
        if who.administrator:
            return trial
        seen = {one.id for one in await self.rules(who)}
        return msgspec.structs.replace(trial, decision=for_eyes(trial.decision, seen))

    async def delete_rule(self, who: Principal, rule: str) -> None:
        """Take a rule away."""
        await self.may_rule(who, (await self.rule(who, rule)).scope)
        if not await self._rules.delete_rule(who, rule):
            raise not_found("rule")
        await self._publisher.settled(LIVE_SECONDS)
