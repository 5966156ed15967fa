"""One mail and one ruleset make one decision, with its reasons.

Laws:
1. Rules are tried one after the other, as they are written; that most are known not to match
   before they are tried (`plan`) changes no decision.
2. A decision has a bounded size. A rule that matched, or broke, is in its trace with every
   comparison and value. So are the first TRACED rules that were tried, matched or not, as long as
   those that did not take at most TRACE_BYTES; of the others a note says how many there were. Of
   matched rules beyond MATCHED_BYTES the trace keeps what they did, and not what was compared.
   `full` (somebody asks why) keeps all of it.
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
    ConditionTrace,
    Decision,
    Delete,
    FlagOnServer,
    Forward,
    Importance,
    MarkRead,
    MarkSpam,
    MoveOnServer,
    PostToForum,
    Reject,
    RuleTrace,
    SetImportance,
    SetSpamRating,
    Stop,
)
from postroom_mail.text import one_line
from postroom_rules.domain.checks import MAX_FOLDER, MAX_TAG, is_reply_text
from postroom_rules.domain.facts import Facts
from postroom_rules.domain.plan import TRACED, Candidates, Plan, ReadyRule, Ruleset, Ticks
from postroom_rules.domain.values import Values

RULED_ROLES = frozenset({"mail", "post"})
"""For the other roles there is one command, whatever people's rules say."""


COMPLAINT: Final = "feedback-report"
"""What a report of "this is spam" calls itself (RFC 5965 §2)."""
_COMPLAINT: Final = "A complaint: the forum looks whether it is of a mail of its own."
_WITH_TEXT: Final = (AddTag, MoveOnServer, Reject)
_SENT: Final = (PostToForum, Forward)
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
    complaint = (_COMPLAINT,) if facts.forum and facts.report == COMPLAINT else ()
    return Decision(
        ruleset_version=plan.version,
        importance=state.importance,
        spam_rating=state.spam_rating,
        spam=state.spam,
        tags=tuple(state.tags),
        read=state.read,
        deleted=state.deleted,
        actions=tuple(state.actions),
        trace=tuple(trial.trace),
        notes=(*complaint, *trial.notes()),
    )


class _Trial:
    """The rules of one mail as they are tried."""

    def __init__(self, plan: Plan, facts: Facts, *, full: bool, ticks: Ticks) -> None:
        self._plan, self._full, self._ticks = plan, full, ticks
        self._began = ticks()
        self._values = Values(facts)
        self._tried = self._passed = self._untried = 0
        self._room, self._matched_room = TRACE_BYTES, MATCHED_BYTES
        self.state = _State(tags=[], actions=[])
        self.trace: list[RuleTrace] = []

    def run(self) -> None:
        """Try all that are to be tried."""
        few = self._full or len(self._plan.rules) <= TRACED
        candidates = Candidates() if few else self._plan.candidates(self._values, self._ticks)
        begin = 0
        for end in self._plan.ends:
            self._layer(begin, end, candidates)
            begin = end
            if self.state.stopped == "layer":
                self.state.stopped = ""

    def _layer(self, number: int, end: int, candidates: Candidates) -> None:
        sure, never = candidates.sure, candidates.never
        while number < end and not self.state.stopped and (self._full or self._tried < TRACED):
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
        elif self._tried <= TRACED and (size := _size(trace)) <= self._room:
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
            done = tuple([_apply(one, values, touched) for one in document.then])
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


def _apply(action: Action, values: Values, state: _State) -> str:
    """Note one action and return it as a sentence; one that breaks is skipped and says so."""
    try:
        return _done(action, values, state)
    except Exception as error:  # noqa: BLE001 - as of conditions: the other actions are done
        return _skipped(error)


def _done(action: Action, values: Values, state: _State) -> str:
    facts = values.facts
    if isinstance(action, _WITH_TEXT):
        action = _filled(action, values)
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
    state.actions.append(action)
    return _mark(action, state)


def _filled(action: Action, values: Values) -> Action:
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
        case _:
            return action


@lru_cache(maxsize=1_000)
def _tag(text: str) -> str:
    return one_line(text)[:MAX_TAG].strip()


def _mark(action: Action, state: _State) -> str:  # noqa: PLR0911 - a table of kinds
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
        case MarkSpam(spam):
            state.spam = spam
            return "marked as spam" if spam else "marked as not spam"
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
