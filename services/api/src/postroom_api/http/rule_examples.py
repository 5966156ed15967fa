"""Mails that are kept with a rule, as API and pages see them."""

from typing import Annotated, Final

import msgspec

from postroom_api.domain.rule_examples import MOST_BYTES, NAME, Draft, RuleExample
from postroom_api.domain.scopes import covers
from postroom_api.domain.values import Principal, Rule
from postroom_api.http.desk import Desk
from postroom_api.http.entries import address_of
from postroom_api.http.example_runs import ExampleRuns
from postroom_api.http.office import Office
from postroom_api.http.problems import ProblemError, invalid, not_found
from postroom_api.postgres.rule_examples import RuleExamples
from postroom_contract.ruling import EXAMPLES, ExampleKnown, ExampleMail
from postroom_mail.crlf import normalise
from postroom_mail.text import one_line
from postroom_runtime.clock import Clock

MAX_ADDRESS: Final = 320
UNNAMED: Final = "(no subject)"


class NewExample(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mail to keep with a rule: one of the log, or one that is given here."""

    expects: bool
    """Whether the rule should match it."""
    message: str | None = None
    raw: Annotated[str, msgspec.Meta(max_length=MOST_BYTES)] | None = None
    name: Annotated[str, msgspec.Meta(max_length=NAME)] = ""
    """Empty: its subject."""
    sender: str = ""
    """The envelope's, of a mail that is given; empty: its author."""
    recipient: str = ""
    """The same; empty: the address of the rule's mailbox."""


class ExampleDesk:
    """Everything about examples."""

    def __init__(
        self, runs: ExampleRuns, office: Office, desk: Desk, rows: RuleExamples, clock: Clock
    ) -> None:
        self._runs = runs
        self._office = office
        self._desk = desk
        self._rows = rows
        self._clock = clock

    async def all(self, who: Principal, rule: str) -> list[RuleExample]:
        """Return a rule's examples, the oldest first; those not tried yet are tried now."""
        found = await self._office.rule(who, rule)
        await self._runs.run(who, found)
        return await self._rows.all(who, rule)

    async def add(self, who: Principal, rule: str, new: NewExample) -> RuleExample:
        """Keep a mail with a rule and try it; 422 names what cannot be kept."""
        found = await self._office.rule(who, rule)
        await self._office.may_rule(who, found.scope)
        if await self._rows.count(who, rule) >= EXAMPLES:
            raise _too_many()
        field = "raw" if new.message is None else "message"
        mail = await self._given(who, found, new) if field == "raw" else await self._kept(who, new)
        if len(mail.raw) > MOST_BYTES:
            words = f"An example may have {MOST_BYTES // 1024} KB; this mail is larger."
            raise invalid(field, "too_large", words)
        (tried,) = await self._runs.tried(who, found, (mail,))
        if tried.problem:
            raise invalid(field, "unreadable", f"The mail cannot be tried: {tried.problem}.")
        mail = msgspec.structs.replace(mail, sender=one_line(tried.sender, MAX_ADDRESS))
        draft = Draft(
            id=self._clock.new_id("exm"),
            name=one_line(new.name, NAME) or one_line(tried.subject, NAME) or UNNAMED,
            message=new.message or "",
            expects=new.expects,
            mail=mail,
        )
        if not await self._rows.add(who, found, draft, tried):
            raise ProblemError(409, "conflict", "It went, or another was kept, at this moment.")
        return next(one for one in await self._rows.all(who, rule) if one.id == draft.id)

    async def delete(self, who: Principal, rule: str, example: str) -> None:
        """Take an example away."""
        found = await self._office.rule(who, rule)
        await self._office.may_rule(who, found.scope)
        if not await self._rows.delete(who, rule, example):
            raise not_found("example")

    async def _given(self, who: Principal, rule: Rule, new: NewExample) -> ExampleMail:
        """Return a mail that was given, as if it came now."""
        if not (new.raw or "").strip():
            raise invalid("raw", "needed", "Give a mail, or the id of one that came.")
        recipient = address_of("recipient", new.recipient) if new.recipient else ""
        if not recipient and rule.scope != who.account:
            recipient = next(iter((await self._office.mailbox(who, rule.scope)).addresses), "")
        return ExampleMail(
            raw=normalise((new.raw or "").encode()),
            recipient=recipient,
            sender=address_of("sender", new.sender) if new.sender else None,
            received_at=self._clock.now(),
        )

    async def _kept(self, who: Principal, new: NewExample) -> ExampleMail:
        """Return a mail of the log with what was known of it when it came."""
        if new.raw is not None:
            raise invalid("raw", "conflict", "Give a mail, or the id of one that came; not both.")
        if not covers(who.scopes, "messages:read"):
            words = "This token is not for that: it needs the scope messages:read."
            raise ProblemError(403, "scope_missing", words)
        detail = await self._desk.message(who, new.message or "")
        if detail.row.deleted_at is not None or detail.row.erased_at is not None:
            raise invalid("message", "deleted", "The mail is deleted: bring it back first.")
        event = detail.event
        return ExampleMail(
            raw=await self._desk.raw_of(who, detail),
            recipient=event.recipient,
            sender=event.envelope_sender,
            received_at=event.received_at,
            known=ExampleKnown(
                authentication=event.authentication,
                rating=event.decision.rating,
                forums=event.decision.forums,
                charset=event.charset,
            ),
        )


def _too_many() -> ProblemError:
    return invalid("rule", "too_many", f"A rule has {EXAMPLES} examples at most: delete one first.")
