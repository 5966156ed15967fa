"""What rules would have done to mail that came: nothing is recorded, nothing is done.

Laws:
1. A mail is judged by what was known of it then: the envelope that lies with its bytes, with the
   time, the way and the sender's authentication, the rating and what the forums said, as recorded.
2. An example is tried on one condition alone: no rule before it stops it or changes its rating,
   and nobody is asked. What was not known of it stays so: a condition on the rating or on members
   does not fit a mail of which nothing was recorded.
"""

from collections import OrderedDict
from typing import Final, Protocol

from postroom_contract.codec import ENVELOPE_HEADER, ContractError, envelope_from_header
from postroom_contract.documents import RuleDocument
from postroom_contract.mail import Envelope, Pointer
from postroom_contract.ruling import (
    BacktestRule,
    ExampleMail,
    MailOutcome,
    MailOutcomes,
    Outcome,
    Replayed,
    ReplayMail,
    StoredMail,
    TriedMail,
    TriedMails,
    TryRule,
)
from postroom_rules.domain.decide import decide
from postroom_rules.domain.drafts import alone, has, outcome, tried_alone, with_draft
from postroom_rules.domain.facts import Facts
from postroom_rules.domain.plan import Plan
from postroom_rules.handlers import SortMail
from postroom_rules.ports import Rulesets
from postroom_runtime.errors import RefusedError
from postroom_runtime.messages import Found

_KEPT: Final = 8
"""Rulesets with a draft that are kept ready."""


class Originals(Protocol):
    """The raw mail."""

    async def get(self, where: Pointer) -> Found | None:
        """Return the message at a sequence, or None when it is gone."""


class Rehearsals:
    """Answers back-tests and replays."""

    def __init__(self, sort: SortMail, rulesets: Rulesets, originals: Originals) -> None:
        self._sort = sort
        self._rulesets = rulesets
        self._originals = originals
        self._kept: OrderedDict[tuple[int, RuleDocument], tuple[Plan, Plan]] = OrderedDict()

    async def backtest(self, question: BacktestRule) -> MailOutcomes:
        """Return what the draft, and the rule in force, make of each mail."""
        return MailOutcomes(
            mails=tuple(
                [await self._one(question.account, question.draft, mail) for mail in question.mails]
            )
        )

    async def replay(self, question: ReplayMail) -> Replayed:
        """Return what the rules in force decide about a mail."""
        facts = await self._facts(question.account, question.mail)
        if facts is None:
            return Replayed(decision=None)
        plan = self._rulesets.of(question.account, question.mail.mailbox)
        return Replayed(decision=decide(facts, plan, full=True, ticks=self._sort.ticks))

    async def examples(self, question: TryRule) -> TriedMails:
        """Return what a condition says of each mail, or why it could not be tried."""
        plan = alone(question.condition)
        return TriedMails(
            mails=tuple([await self._tried(question.account, plan, one) for one in question.mails])
        )

    async def _tried(self, account: str, plan: Plan, mail: ExampleMail) -> TriedMail:
        try:
            read = await self._sort.read_alone(mail.raw, mail.known.charset)
        except RefusedError as error:
            return TriedMail(problem=str(error))
        author = next((one.address for one in read.from_ if one.address), "")
        envelope = Envelope(
            id="msg_example",
            account=account,
            mailbox="mbx_example",
            role="mail",
            recipient=mail.recipient,
            sender=author if mail.sender is None else mail.sender,
            received_at=mail.received_at,
            sha256="",
            size=len(mail.raw),
            source="smtp",
            authentication=mail.known.authentication,
            transaction="txn_example",
        )
        facts = self._sort.known_of(read, envelope, mail.known)
        return tried_alone(plan, facts, self._sort.ticks)

    async def _one(self, account: str, draft: RuleDocument, mail: StoredMail) -> MailOutcome:
        facts = await self._facts(account, mail)
        if facts is None:
            return MailOutcome(mail=mail.id, gone=True)
        plan = self._rulesets.of(account, mail.mailbox)
        live: Outcome | None = None
        if has(plan, draft.id):
            live = outcome(decide(facts, plan, ticks=self._sort.ticks), draft.id)
        drafted = decide(facts, self._with(plan, draft), ticks=self._sort.ticks)
        return MailOutcome(mail=mail.id, draft=outcome(drafted, draft.id), live=live)

    def _with(self, plan: Plan, draft: RuleDocument) -> Plan:
        """Return the plan with the draft in it, from those made last if it is among them."""
        kept = self._kept.get((id(plan), draft))
        if kept is None or kept[0] is not plan:
            kept = (plan, with_draft(plan, draft))
            self._kept[id(plan), draft] = kept
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return kept[1]

    async def _facts(self, account: str, mail: StoredMail) -> Facts | None:
        """Return what was known of a mail; None when its bytes are gone, or are not its own."""
        found = await self._originals.get(mail.raw)
        if found is None:
            return None
        try:
            envelope = envelope_from_header(found.headers.get(ENVELOPE_HEADER, ""))
        except ContractError:
            return None
        if (envelope.id, envelope.account, envelope.mailbox) != (mail.id, account, mail.mailbox):
            return None
        try:
            return await self._sort.known_then(envelope, found.data, mail)
        except RefusedError:
            return None
