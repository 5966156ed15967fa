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
from functools import lru_cache
from typing import Final, Literal

import msgspec

from postroom_contract.rules import (
    Action,
    AddSpamRating,
    AddTag,
    AutoReply,
    CallWebhook,
    ConditionTrace,
    Decision,
    Delete,
    FlagOnServer,
    Forward,
    Importance,
    MarkRead,
    MarkSpam,
    MoveOnServer,
    OpenTicket,
    PostToForum,
    PublishEvent,
    Quarantine,
    Reject,
    RuleTrace,
    SetImportance,
    SetSpamRating,
    Stop,
)
from postroom_mail.text import MAX_SUBJECT, one_line
from postroom_rules.domain.checks import MAX_FOLDER, MAX_TAG, is_reply_text
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
_TOLD: Final = (AutoReply, OpenTicket, CallWebhook, PublishEvent)
_WITH_TEXT: Final = (AddTag, MoveOnServer, Reject, *_TOLD)
_SENT: Final = (PostToForum, Forward)
_WITHHELD: Final = (*_SENT, *_TOLD)
"""What leaves the mailbox, or makes something of the mail elsewhere."""
_ARRANGED: Final = (MoveOnServer, FlagOnServer)
MAX_ACTIONS = 32
MAX_FORWARDS = 4
RULE_SECONDS: Final = 3.0
TRACE_BYTES: Final = 64 * 1024
MATCHED_BYTES: Final = 256 * 1024
_FRAME: Final = 40
"""Octets of a rule or comparison in the event besides its texts."""


class _State(msgspec.Struct):
    importance: Importance = "normal"
    spam_rating: int | None = None
    spam: bool | None = None
    tags: list[str] = []
    read: bool = False
    deleted: bool = False
    actions: list[Action] = []
    stopped: Literal["", "layer", "all"] = ""
    rejected: bool = False
    quarantine_days: int = 0

    def copy(self) -> "_State":
        """Return one that is changed apart from this one."""
        return msgspec.structs.replace(self, tags=[*self.tags], actions=[*self.actions])


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
        withheld = [one for one in state.actions if isinstance(one, _WITHHELD)]
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
        quarantine_days=state.quarantine_days,
        withheld=tuple(withheld),
    )


def _verdict(state: _State, thresholds: Thresholds) -> list[str]:
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
        self.state = _State(tags=[], actions=[], spam_rating=rating)
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


def _try(rule: ReadyRule, values: Values, state: _State, known: bool | None) -> RuleTrace:
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
        matched, done = False, (_skipped(error),)
        conditions.clear()
    else:
        if matched:
            touched = state.copy() if document.shadow else state
            done = tuple([_apply(one, values, touched, document.id) for one in document.then])
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


def _skipped(error: Exception) -> str:
    """Return why a rule, or an action, was skipped."""
    said = error if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
    return f"skipped: {said}"


def _apply(action: Action, values: Values, state: _State, rule: str) -> str:
    """Note one action and return it as a sentence; one that breaks is skipped and says so."""
    try:
        return _done(action, values, state, rule)
    except Exception as error:  # noqa: BLE001 - as of conditions: the other actions are done
        return _skipped(error)


def _done(action: Action, values: Values, state: _State, rule: str) -> str:  # noqa: PLR0911 - each with its words
    facts = values.facts
    if isinstance(action, _WITH_TEXT):
        action = _filled(action, values, rule)
    if len(state.actions) >= MAX_ACTIONS and not isinstance(action, Stop):
        return f"not done: a mail has at most {MAX_ACTIONS} actions"
    if isinstance(action, Reject):
        state.actions.append(action)
        state.deleted = state.rejected = True
        state.stopped = "all"
        return f"rejected: “{action.text}”; where it is taken already, deleted, and nobody is told"
    if state.rejected:
        return "not done: the mail is rejected"
    if isinstance(action, _SENT):
        return _send(action, facts, state)
    if isinstance(action, _ARRANGED):
        return _arrange(action, facts, state)
    if isinstance(action, _TOLD):
        return _tell(action, facts, state)
    state.actions.append(action)
    return _mark(action, state)


def _filled(action: Action, values: Values, rule: str) -> Action:  # noqa: PLR0911 - a table of kinds
    """Return an action with its places filled; where nothing is left of it, as it was written."""
    match action:
        case AddTag(tag):
            text = values.filled(tag) if "{" in tag else tag
            return AddTag(_tag(text) or tag)
        case MoveOnServer(folder):
            name = one_line(values.filled(folder)).replace("/", "-") if "{" in folder else folder
            return MoveOnServer(name[:MAX_FOLDER].strip() or folder)
        case Reject(text):
            words = values.filled(text)
            return Reject(words if is_reply_text(words) else text)
        case AutoReply(text, subject, days):
            words = one_line(values.filled(subject))[:MAX_SUBJECT].strip()
            return AutoReply(values.filled(text), words or "Re: your mail", days, rule)
        case OpenTicket(queue, acknowledge):
            return OpenTicket(one_line(values.filled(queue))[:MAX_TAG].strip(), acknowledge, rule)
        case CallWebhook(webhook):
            return CallWebhook(webhook, rule)
        case PublishEvent(name):
            return PublishEvent(one_line(values.filled(name))[:MAX_TAG].strip() or name, rule)
        case _:
            return action


@lru_cache(maxsize=1_000)
def _tag(text: str) -> str:
    return one_line(text)[:MAX_TAG].strip()


def _mark(action: Action, state: _State) -> str:  # noqa: C901, PLR0911 - a table of kinds
    match action:
        case AddTag(tag):
            if tag not in state.tags:
                state.tags.append(tag)
            return f"tagged “{tag}”"
        case SetImportance(level):
            state.importance = level
            return f"importance set to {level}"
        case SetSpamRating(rating):
            state.spam_rating = min(max(rating, 0), 100)
            return f"spam rating set to {state.spam_rating}"
        case AddSpamRating(points):
            state.spam_rating = min(max((state.spam_rating or 0) + points, 0), 100)
            return f"spam rating changed by {points:+d} to {state.spam_rating}"
        case MarkSpam(spam, train):
            state.spam = spam
            words = "marked as spam" if spam else "marked as not spam"
            return f"{words}, and the filter learns it" if train else words
        case Quarantine(days):
            state.quarantine_days = days
            return f"kept in quarantine for {days} days"
        case MarkRead():
            state.read = True
            return "marked as read"
        case Delete():
            state.deleted = True
            return "deleted"
        case Stop("layer"):
            state.stopped = "layer"
            return "no further rule of this layer is tried"
        case _:
            state.stopped = "all"
            return "no further rule is tried"


def _send(action: PostToForum | Forward, facts: Facts, state: _State) -> str:
    if isinstance(action, Forward):
        forwards = sum(isinstance(one, Forward) for one in state.actions)
        if forwards >= MAX_FORWARDS:
            return f"not forwarded: a mail is forwarded at most {MAX_FORWARDS} times"
        if facts.loops:
            return f"not forwarded: {facts.loops}"
        words = f"forwarded to {action.to}"
    elif facts.robot_signs:
        return f"not posted: sent by a program ({'; '.join(facts.robot_signs)})"
    else:
        words = f"posted to forum {action.forum}"
    if action not in state.actions:
        state.actions.append(action)
    return words


def _tell(
    action: AutoReply | OpenTicket | CallWebhook | PublishEvent, facts: Facts, state: _State
) -> str:
    if facts.history:
        return f"not done ({_told(action)}): it is old mail, and nobody is told of it"
    if isinstance(action, AutoReply) and (why := unanswerable(facts)):
        return f"not answered: {why}"
    if isinstance(action, OpenTicket) and action.acknowledge and unanswerable(facts):
        action = OpenTicket(action.queue, acknowledge=False, rule=action.rule)
    if action not in state.actions:
        state.actions.append(action)
    return _told(action)


def _told(action: AutoReply | OpenTicket | CallWebhook | PublishEvent) -> str:
    match action:
        case AutoReply(days=days):
            return f"answered, unless the sender was within {days} days"
        case OpenTicket(queue):
            return f"made a ticket of{f' in {queue}' if queue else ''}"
        case CallWebhook(webhook):
            return f"told to webhook {webhook}"
        case _:
            return f"published as event “{action.name}”"


def unanswerable(facts: Facts) -> str:
    """Return why a mail must not be answered by a program (RFC 3834 §2); empty when it may."""
    if facts.robot_signs:
        return f"sent by a program ({'; '.join(facts.robot_signs)})"
    if not facts.envelope_from:
        return "it has no envelope sender, as bounces"
    if facts.envelope_from == facts.envelope_to:
        return "it comes from the address that it came to"
    return facts.loops


def _arrange(action: MoveOnServer | FlagOnServer, facts: Facts, state: _State) -> str:
    if facts.source != "imap":
        return "not done on a server: only mail that was fetched by IMAP lies on one"
    state.actions.append(action)
    if isinstance(action, FlagOnServer):
        return f"marked as {action.flag} on its server"
    return f"moved to {action.folder} on its server"


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
