"""The life of rules as API and pages see it: versions, what is wrong, back-tests and replays.

Law: nothing here does anything to a mail; what changes a rule goes by the office.
"""

import asyncio
from datetime import UTC, datetime
from typing import Final

import msgspec
import structlog

from postroom_api.domain import replays
from postroom_api.domain.operations import Operation
from postroom_api.domain.replays import Known as KnownRule
from postroom_api.domain.replays import Replay
from postroom_api.domain.rule_life import (
    BACKTEST,
    MOST_DAYS,
    Backtest,
    Hits,
    RuleVersion,
    compared,
)
from postroom_api.domain.rule_suggestions import Known, Suggestion, list_id, suggestions
from postroom_api.domain.values import MessageRow, Principal, Rule
from postroom_api.http.attempts import Attempts
from postroom_api.http.desk import Desk
from postroom_api.http.entries import require_administrator
from postroom_api.http.office import Office
from postroom_api.http.problems import ProblemError, invalid, not_found
from postroom_api.ports import PatientServices, ServiceProblemError
from postroom_api.postgres.operations import Operations
from postroom_api.postgres.rule_examples import RuleExamples
from postroom_api.postgres.rule_life import RuleLife
from postroom_api.postgres.suggestions import Suggestions
from postroom_contract.documents import RuleDocument
from postroom_contract.rules import Group
from postroom_contract.ruling import (
    AT_ONCE,
    AnalyseRules,
    BacktestRule,
    MailOutcome,
    ReplayMail,
    RuleFinding,
    StoredMail,
)
from postroom_runtime.clock import Clock
from postroom_runtime.errors import UnavailableError

ANSWER_SECONDS: Final = 60.0
ANALYSIS_SECONDS: Final = 3.0
BACKTESTS_A_MINUTE: Final = 10
"""By one person: each reads as many mails as they ask for."""
MOST_MAILS: Final = 20_000
MOST_RULES: Final = 2_000
MOST_SCOPES: Final = 20
DAY_SECONDS: Final = 86_400.0
DRAFT: Final = "rul_draft"
_LAST: Final = "\U0010ffff"


class RuleDesk:
    """Everything about rules besides writing them."""

    def __init__(
        self,
        services: PatientServices,
        office: Office,
        desk: Desk,
        rows: RuleLife,
        seen: Suggestions,
        operations: Operations,
        clock: Clock,
        examples: RuleExamples,
    ) -> None:
        self._services = services
        self._office = office
        self._desk = desk
        self._rows = rows
        self._seen = seen
        self._operations = operations
        self._clock = clock
        self._examples = examples
        self._attempts = Attempts(BACKTESTS_A_MINUTE)
        self._tasks: set[asyncio.Task[None]] = set()

    async def known(self, who: Principal) -> Known:
        """Return what a rule's fields may suggest."""
        return await self._seen.known(who)

    async def suggested(self, who: Principal, message: str) -> list[Suggestion]:
        """Return what a rule for mail like this one may ask; 404 when they do not see it."""
        row = (await self._desk.message(who, message)).row
        try:
            named = list_id(await self._desk.raw(who, message))
        except (ProblemError, UnavailableError):
            named = ""
        return suggestions(row.from_address, row.recipient, row.subject, named)

    async def mailbox_of(self, who: Principal, message: str) -> str:
        """Return the mailbox that a mail came to."""
        return (await self._desk.message(who, message)).row.mailbox

    async def rows(self, who: Principal, messages: list[str]) -> dict[str, MessageRow]:
        """Return the rows of these mails, of those that they may see."""
        return await self._rows.messages(who, messages)

    async def hits(self, who: Principal) -> dict[str, Hits]:
        """Return what the rules matched lately, by rule, of those that matched anything."""
        return await self._rows.hits(who, self._clock.now())

    async def versions(self, who: Principal, rule: str) -> list[RuleVersion]:
        """Return a rule's versions, the newest first, each against the one before."""
        found = await self._rows.versions(who, await self._office.rule(who, rule))
        olds = [*found[1:], None]
        return [
            msgspec.structs.replace(one, changes=compared(old, one))
            for one, old in zip(found, olds, strict=True)
        ]

    async def rollback(self, who: Principal, rule: str, version: int) -> Rule:
        """Let a rule say again what a version said; that makes a new version."""
        now = await self._office.rule(who, rule)
        found = await self._rows.versions(who, now)
        past = next((one for one in found if one.version == version), None)
        if past is None:
            raise not_found("version")
        again = msgspec.structs.replace(
            now,
            name=past.name,
            layer=past.layer,
            shadow=past.shadow,
            condition=past.condition,
            actions=past.actions,
        )
        return await self._office.change_rule(who, again)

    async def make_live(self, who: Principal, rule: str) -> Rule:
        """Let a rule do what it only said so far."""
        now = await self._office.rule(who, rule)
        live = msgspec.structs.replace(now, shadow=False, active=True)
        return await self._office.change_rule(who, live)

    async def analysis(self, who: Principal, mailbox: str | None = None) -> list[RuleFinding]:
        """Return what is wrong with rules together, and which examples came out wrong.

        Of a mailbox, or of the first of all. UnavailableError when nobody answers.
        """
        found = await self._provable(who, mailbox)
        return [*found, *await self._examples.findings(who, mailbox)]

    async def _provable(self, who: Principal, mailbox: str | None) -> list[RuleFinding]:
        rules = [one for one in await self._office.rules(who) if one.active][:MOST_RULES]
        if mailbox is not None:
            await self._office.named_mailbox(who, mailbox)
        scopes = [mailbox] if mailbox else _mailboxes(rules)[:MOST_SCOPES]
        found: dict[RuleFinding, None] = {}
        for scope in scopes or [""]:
            fitting = [one for one in rules if not _of_mailbox(one) or one.scope == scope]
            if not fitting:
                continue
            own = (await self._office.mailbox(who, scope)).addresses if scope else []
            question = AnalyseRules(
                account=who.account,
                rules=tuple(document(one, who.account) for one in fitting),
                own=tuple(own),
            )
            answer = await self._services.ask_patiently(question, ANALYSIS_SECONDS)
            found.update(dict.fromkeys(answer.findings))
        return list(found)

    async def warnings(self, who: Principal, mailbox: str | None = None) -> list[RuleFinding]:
        """Return the same for a page, which does without what nobody answers."""
        try:
            return await self.analysis(who, mailbox)
        except (UnavailableError, ServiceProblemError):
            return await self._examples.findings(who, mailbox)

    async def failing(self, who: Principal, rule: Rule) -> bool:
        """Return whether an example of a rule came out otherwise than it should."""
        mailbox = rule.scope if _of_mailbox(rule) else None
        found = await self._examples.findings(who, mailbox)
        return any(one.rule == rule.id for one in found)

    async def backtest(self, who: Principal, draft: Rule, days: int) -> Operation:
        """Begin to try a draft on the mail of the last days; its scope says of which mailbox."""
        if not 1 <= days <= MOST_DAYS:
            raise invalid("days", "range", f"From 1 to {MOST_DAYS} days.")
        if draft.scope != who.account:
            await self._office.changeable(who, draft.scope)  # 404 for what is no mailbox of theirs
        await self._office.may_rule(who, draft.scope)
        await self._office.check_rule(who, draft.condition, draft.actions)
        if not self._attempts.allowed(who.id):
            words = "Too many back-tests. Wait a minute."
            raise ProblemError(429, "too_many_attempts", words)
        now = self._clock.now()
        operation = self._clock.new_id("opr")
        rule = "" if draft.id == DRAFT else draft.id
        test = Backtest(rule=rule, name=draft.name, days=days, beat=now)
        begun = await self._operations.begin(who, operation, BACKTEST, rule, now, test)
        task = asyncio.create_task(self._run(who, operation, draft, test, now))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return begun

    async def _run(
        self, who: Principal, operation: str, draft: Rule, test: Backtest, now: datetime
    ) -> None:
        well, result = True, msgspec.to_builtins(test)
        try:
            await self._walk(who, operation, draft, test, now)
            result = msgspec.to_builtins(test)
        except (UnavailableError, ServiceProblemError) as error:
            structlog.get_logger().warning("a back-test broke off", reason=str(error))
            well, result = False, {"error": f"It could not be tried to the end: {error}"}
        except Exception:  # noqa: BLE001 - whatever it is: who waits must hear of it
            structlog.get_logger().exception("a back-test failed")
            well, result = False, {"error": "It failed by an error of ours; the log has it."}
        for _ in range(5):
            try:
                end = self._clock.now()
                await self._operations.end(who, operation, result, well=well, now=end)
            except UnavailableError:
                await asyncio.sleep(1.0)
            else:
                return

    async def _walk(
        self, who: Principal, operation: str, draft: Rule, test: Backtest, now: datetime
    ) -> None:
        """Try the draft on mail by mail, the newest first, and tell how far it is."""
        mailbox = draft.scope if _of_mailbox(draft) else None
        since = self._clock.before(test.days * DAY_SECONDS)
        found = await self._rows.count(who, mailbox, since, now, MOST_MAILS + 1)
        test.mails, test.cut = min(found, MOST_MAILS), found > MOST_MAILS
        before = (now, _LAST)
        written = msgspec.structs.replace(document(draft, who.account), active=True)
        left = test.mails
        while left > 0:
            batch = await self._rows.stored(who, mailbox, since, before, min(AT_ONCE, left))
            if not batch:
                break
            before, left = batch[-1][0], left - len(batch)
            mails = tuple(mail for _, mail in batch)
            question = BacktestRule(account=who.account, draft=written, mails=mails)
            answer = await self._services.ask_patiently(question, ANSWER_SECONDS)
            for one in answer.mails:
                _count(test, one)
            test.beat = self._clock.now()
            await self._operations.tell(who, operation, test)

    async def examples(self, who: Principal, test: Backtest) -> dict[str, MessageRow]:
        """Return the mails that a back-test names, of those that they may see."""
        return await self._rows.messages(who, [one.message for one in test.examples])

    async def replay(self, who: Principal, message: str) -> Replay:
        """Decide about a mail again by today's rules, and compare; nothing is done.

        Only for administrators: what rules would do that somebody does not see, and did not do to
        their mail, is none of their business.
        """
        require_administrator(who)
        detail = await self._desk.message(who, message)
        event = detail.event
        mail = StoredMail(
            id=message,
            mailbox=event.mailbox,
            raw=detail.raw,
            rating=event.decision.rating,
            forums=event.decision.forums,
            charset=event.charset,
        )
        question = ReplayMail(account=who.account, mail=mail)
        now = (await self._services.ask_patiently(question, ANSWER_SECONDS)).decision
        if now is None:
            raise ProblemError(410, "raw_gone", "The raw mail is no longer available.")
        rules = {one.id: one for one in await self._office.rules(who)}
        traced = {one.rule for one in (*event.decision.trace, *now.trace) if one.matched}
        known = {
            name: await self._known(who, rule) for name, rule in rules.items() if name in traced
        }
        return replays.replay(message, event.time, event.decision, now, known)

    async def _known(self, who: Principal, rule: Rule) -> KnownRule:
        newest = (await self._rows.versions(who, rule))[0]
        return KnownRule(rule.created_at, rule.active, newest.changed_at)


def _count(test: Backtest, one: MailOutcome) -> None:
    """Count one mail's outcome."""
    if one.gone:
        test.tried += 1
        test.gone += 1
        return
    test.compared = test.compared or one.live is not None
    drafted = one.draft.done if one.draft.matched else None
    live = one.live.done if one.live is not None and one.live.matched else None
    test.count(one.mail, drafted, live)


def _of_mailbox(rule: Rule) -> bool:
    return rule.scope.startswith("mbx_")


def _mailboxes(rules: list[Rule]) -> list[str]:
    return list(dict.fromkeys(one.scope for one in rules if _of_mailbox(one)))


def document(rule: Rule, account: str) -> RuleDocument:
    """Return a rule as the rules service reads it."""
    return RuleDocument(
        id=rule.id,
        account=account,
        scope=rule.scope,
        name=rule.name,
        active=rule.active,
        when=rule.condition,
        then=tuple(rule.actions),
        version=rule.version,
        layer=rule.layer,
        shadow=rule.shadow,
    )


def new_draft(who: Principal, mailbox: str | None) -> Rule:
    """Return a rule that nobody has saved, for a mailbox or (None) the account."""
    return Rule(
        id=DRAFT,
        scope=mailbox or who.account,
        name="Draft",
        active=True,
        position=0,
        condition=Group(mode="all", of=()),
        actions=[],
        sentence="",
        created_at=datetime.min.replace(tzinfo=UTC),
        version=0,
    )
