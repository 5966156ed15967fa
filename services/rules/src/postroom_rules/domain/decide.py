"""One mail and one ruleset make one decision, with its reasons.

Laws:
1. Rules are tried one after the other, as they are written; that most are known not to match
   before they are tried (`plan`) changes no decision.
2. A decision has a bounded size. A rule that matched, or broke, is in its trace with every
   comparison and value. So are all of at most TRACED rules, matched or not, and of more the first
   FIRST, as long as those that did not match take at most TRACE_BYTES; of the others a note says
   how many there were. Of matched rules beyond MATCHED_BYTES the trace keeps what they did, and
   not what was compared. `full` (somebody asks why) keeps all of it.
3. Rules get RULE_SECONDS a mail; those behind are not tried, a note says so, and the mail is kept.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

import msgspec

from postroom_contract.rules import (
    Action,
    ConditionTrace,
    Decision,
    PostToForum,
    RuleTrace,
)
from postroom_rules.domain.acting import WITHHELD, State, apply, skipped
from postroom_rules.domain.facts import Facts
from postroom_rules.domain.plan import (
    FIRST,
    TRACED,
    Candidates,
    Plan,
    ReadyRule,
    Ruleset,
    Thresholds,
    Ticks,
)
from postroom_rules.domain.values import Values

RULED_ROLES = frozenset({"mail", "post"})
"""For the other roles there is one command, whatever people's rules say."""


COMPLAINT: Final = "feedback-report"
"""What a report of "this is spam" calls itself (RFC 5965 §2)."""
_COMPLAINT: Final = "A complaint: the forum looks whether it is of a mail of its own."
RULE_SECONDS: Final = 3.0
TRACE_BYTES: Final = 64 * 1024
MATCHED_BYTES: Final = 256 * 1024
_FRAME: Final = 40
"""Octets of a rule or comparison in the event besides its texts."""


def decide(
    facts: Facts, ruleset: Ruleset | Plan, *, full: bool = False, ticks: Ticks = lambda: 0.0
) -> Decision:
    """Return what is to be done with the mail; `ticks` is the clock of law 3, none stands still."""
    plan = ruleset if isinstance(ruleset, Plan) else Plan(ruleset)
    if facts.role not in RULED_ROLES:
        return _by_role(facts, plan.version)
    trial = _Trial(plan, facts, full=full, ticks=ticks)
    trial.run()
    state = trial.state
    notes = [_COMPLAINT] if facts.forum and facts.report == COMPLAINT else []
    notes += [*trial.notes(), *_verdict(state, plan.thresholds)]
    withheld = []
    if state.quarantine_days:
        withheld = [one for one in state.actions if isinstance(one, WITHHELD)]
    if withheld:
        notes.append("What would send it on or answer it is done when it is released.")
    return Decision(
        ruleset_version=plan.version,
        importance=state.importance,
        spam_rating=state.spam_rating,
        spam=state.spam,
        tags=tuple(state.tags),
        read=state.read,
        deleted=state.deleted,
        actions=tuple(one for one in state.actions if one not in withheld),
        trace=tuple(trial.trace),
        notes=tuple(notes),
        rating=facts.rating,
        forums=facts.forums,
        quarantine_days=state.quarantine_days,
        withheld=tuple(withheld),
    )


def _verdict(state: State, thresholds: Thresholds) -> list[str]:
    """Say what the rating means where no rule said whether it is spam."""
    rating = state.spam_rating
    if rating is None or state.spam is not None or state.deleted:
        return []
    said = []
    if 0 < thresholds.mark_at <= rating:
        state.spam = True
        said.append(f"Marked as spam: rated {rating}, and {thresholds.mark_at} is enough.")
    if 0 < thresholds.quarantine_at <= rating and not state.quarantine_days:
        state.quarantine_days = thresholds.quarantine_days
        said.append(f"In quarantine: rated {rating}, and {thresholds.quarantine_at} is enough.")
    return said


class _Trial:
    """The rules of one mail as they are tried."""

    def __init__(self, plan: Plan, facts: Facts, *, full: bool, ticks: Ticks) -> None:
        self._plan, self._full, self._ticks = plan, full, ticks
        self._began = ticks()
        self._values = Values(facts)
        self._tried = self._passed = self._untried = 0
        self._traced = TRACED
        self._room, self._matched_room = TRACE_BYTES, MATCHED_BYTES
        rating = facts.rating.score if facts.rating is not None else None
        self.state = State(tags=[], actions=[], spam_rating=rating)
        self.trace: list[RuleTrace] = []

    def run(self) -> None:
        """Try all that are to be tried."""
        few = self._full or len(self._plan.rules) <= TRACED
        self._traced = TRACED if few else FIRST
        candidates = Candidates() if few else self._plan.candidates(self._values, self._ticks)
        begin = 0
        for end in self._plan.ends:
            self._layer(begin, end, candidates)
            begin = end
            if self.state.stopped == "layer":
                self.state.stopped = ""

    def _layer(self, number: int, end: int, candidates: Candidates) -> None:
        sure, never = candidates.sure, candidates.never
        while number < end and not self.state.stopped:
            if self._tried >= self._traced and not self._full:
                break
            if number in never:
                self._tried += 1
                self._keep(_missed(self._plan.rules[number], self._values))
            elif self._is_late():
                self._untried += end - number
                return
            else:
                self._run(number, known=number in sure or None)
            number += 1
        if number < end and not self.state.stopped:
            self._behind(number, end, candidates)

    def _behind(self, number: int, end: int, candidates: Candidates) -> None:
        """Try the candidates from `number` on, and pass the others."""
        numbers = candidates.numbers
        for place in range(bisect_left(numbers, number), bisect_left(numbers, end)):
            if self._is_late():
                self._untried += end - number
                return
            following = numbers[place]
            self._passed += following - number
            self._run(following, known=following in candidates.sure or None)
            number = following + 1
            if self.state.stopped:
                return
        self._passed += end - number

    def _is_late(self) -> bool:
        return self._ticks() - self._began > RULE_SECONDS

    def _run(self, number: int, *, known: bool | None) -> None:
        self._tried += 1
        self._keep(_try(self._plan.rules[number], self._values, self.state, known))

    def _keep(self, trace: RuleTrace) -> None:
        """Note a rule as far as there is room."""
        if self._full:
            self.trace.append(trace)
        elif trace.matched:
            self._matched_room -= _size(trace)
            cut = self._matched_room < 0
            self.trace.append(msgspec.structs.replace(trace, conditions=()) if cut else trace)
        elif trace.done:
            self.trace.append(trace)
        elif self._tried <= self._traced and (size := _size(trace)) <= self._room:
            self._room -= size
            self.trace.append(trace)
        else:
            self._passed += 1

    def notes(self) -> Iterator[str]:
        """Yield what the trace does not show."""
        if self._passed:
            yield f"{_rules(self._passed, 'further')} tried and did not match."
        if self._matched_room < 0:
            yield "Of some rules that matched, what was compared is left out: it was too much."
        if self._untried:
            yield f"{_rules(self._untried, 'further')} not tried: the rules before took too long."


def _rules(number: int, which: str) -> str:
    return f"One {which} rule was" if number == 1 else f"{number} {which} rules were"


def _size(trace: RuleTrace) -> int:
    """Return the octets that a trace takes, roughly."""
    size = _FRAME + len(trace.name)
    for one in trace.conditions:
        size += _FRAME + len(one.condition) + len(one.value)
    for words in trace.done:
        size += len(words)
    return size


def _try(rule: ReadyRule, values: Values, state: State, known: bool | None) -> RuleTrace:
    """Run one rule; one that breaks is skipped and says so, the mail is kept (implicit keep).

    One in the shadow says what it would do to the mail as it is, and does nothing.
    """
    document = rule.document
    conditions: list[ConditionTrace] = []
    done: tuple[str, ...] = ()
    values.spam_rating, values.captures = state.spam_rating, ()
    try:
        matched = rule.when.answer(values, conditions, known=known)
    except Exception as error:  # noqa: BLE001 - whatever it is: one rule must not keep the mail
        matched, done = False, (skipped(error),)
        conditions.clear()
    else:
        if matched:
            touched = state.copy() if document.shadow else state
            done = tuple([apply(one, values, touched, document.id) for one in document.then])
    return RuleTrace(
        rule=document.id,
        version=document.version,
        name=document.name,
        matched=matched,
        conditions=tuple(conditions),
        done=done,
        shadow=document.shadow,
    )


def _missed(rule: ReadyRule, values: Values) -> RuleTrace:
    """Return the trace of a rule of one comparison that is known not to hold."""
    document = rule.document
    conditions: list[ConditionTrace] = []
    rule.when.answer(values, conditions, known=False)
    return RuleTrace(
        rule=document.id,
        version=document.version,
        name=document.name,
        matched=False,
        conditions=tuple(conditions),
        done=(),
        shadow=document.shadow,
    )


def _by_role(facts: Facts, version: int) -> Decision:
    actions: tuple[Action, ...] = ()
    if facts.role == "reply" and facts.forum and not facts.robot_signs:
        actions = (PostToForum(facts.forum),)
        note = "A reply to a post, by its reply address."
    elif facts.role == "reply":
        note = f"Not posted: sent by a program ({'; '.join(facts.robot_signs)})."
    elif facts.role == "bounce":
        note = "It came to a bounce address: the forum reads what it says of the delivery."
    elif facts.role == "leave":
        note = "A member asks to leave the forum."
    else:
        note = f"Nothing is done for role {facts.role} yet; the mail is kept."
    return Decision(
        ruleset_version=version,
        importance="normal",
        spam_rating=None,
        actions=actions,
        trace=(),
        notes=(note,),
    )
