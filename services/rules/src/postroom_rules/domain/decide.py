"""One mail and one ruleset make one decision, with its reasons."""

import copy
from typing import Final, Literal

import msgspec

from postroom_contract.documents import RuleDocument
from postroom_contract.rules import (
    Action,
    AddSpamRating,
    AddTag,
    AutoReply,
    CallWebhook,
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
from postroom_rules.domain.conditions import evaluate
from postroom_rules.domain.facts import Facts
from postroom_rules.domain.values import Values

RULED_ROLES = frozenset({"mail", "post"})
"""For the other roles there is one command, whatever people's rules say."""


COMPLAINT: Final = "feedback-report"
"""What a report of "this is spam" calls itself (RFC 5965 §2)."""
_COMPLAINT: Final = "A complaint: the forum looks whether it is of a mail of its own."
MAX_ACTIONS = 32
MAX_FORWARDS = 4
_WITHHELD: Final = PostToForum | Forward | AutoReply | OpenTicket | CallWebhook | PublishEvent
"""What leaves the mailbox, or makes something of the mail elsewhere."""


class Thresholds(msgspec.Struct, frozen=True):
    """From which rating on a mail is spam, or kept apart, unless a rule says so; 0: never."""

    mark_at: int = 0
    quarantine_at: int = 0
    quarantine_days: int = 30


class Ruleset(msgspec.Struct, frozen=True):
    """The active rules of one mailbox: its account's, its own, and its account's for afterwards."""

    version: int
    rules: tuple[RuleDocument, ...]
    own: tuple[RuleDocument, ...] = ()
    after: tuple[RuleDocument, ...] = ()
    thresholds: Thresholds = Thresholds()


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


def decide(facts: Facts, ruleset: Ruleset) -> Decision:
    """Return what is to be done with the mail."""
    if facts.role not in RULED_ROLES:
        return _by_role(facts, ruleset)
    state = _State(
        tags=[], actions=[], spam_rating=facts.rating.score if facts.rating is not None else None
    )
    trace: list[RuleTrace] = []
    values = Values(facts)
    for layer in (ruleset.rules, ruleset.own, ruleset.after):
        for rule in layer:
            if state.stopped:
                break
            trace.append(_try(rule, values, state))
        if state.stopped == "layer":
            state.stopped = ""
    notes = [_COMPLAINT] if facts.forum and facts.report == COMPLAINT else []
    notes += _verdict(state, ruleset.thresholds)
    withheld = [one for one in state.actions if isinstance(one, _WITHHELD)]
    if not state.quarantine_days:
        withheld = []
    elif withheld:
        notes.append("What would send it on or answer it is done when it is released.")
    return Decision(
        ruleset_version=ruleset.version,
        importance=state.importance,
        spam_rating=state.spam_rating,
        spam=state.spam,
        tags=tuple(state.tags),
        read=state.read,
        deleted=state.deleted,
        actions=tuple(one for one in state.actions if one not in withheld),
        trace=tuple(trace),
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


def _try(rule: RuleDocument, values: Values, state: _State) -> RuleTrace:
    """Run one rule; one that breaks is skipped and says so, the mail is kept (implicit keep).

    One in the shadow says what it would do to the mail as it is, and does nothing.
    """
    values.spam_rating, values.captures = state.spam_rating, ()
    touched = copy.deepcopy(state) if rule.shadow else state
    try:
        matched, conditions = evaluate(rule.when, values)
    except ValueError as error:
        matched, conditions = False, ()
        done: tuple[str, ...] = (f"skipped: {error}",)
    else:
        done = tuple(_apply(one, values, touched, rule.id) for one in rule.then) if matched else ()
    return RuleTrace(
        rule=rule.id,
        version=rule.version,
        name=rule.name,
        matched=matched,
        conditions=conditions,
        done=done,
        shadow=rule.shadow,
    )


def _apply(action: Action, values: Values, state: _State, rule: str) -> str:  # noqa: PLR0911 - each with its words
    """Note one action and return it as a sentence."""
    facts = values.facts
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
    if isinstance(action, PostToForum | Forward):
        return _send(action, facts, state)
    if isinstance(action, MoveOnServer | FlagOnServer):
        return _arrange(action, facts, state)
    if isinstance(action, AutoReply | OpenTicket | CallWebhook | PublishEvent):
        return _tell(action, facts, state)
    state.actions.append(action)
    return _mark(action, state)


def _filled(action: Action, values: Values, rule: str) -> Action:  # noqa: PLR0911 - a table of kinds
    """Return an action with its places filled; where nothing is left of it, as it was written."""
    match action:
        case AddTag(tag):
            return AddTag(one_line(values.filled(tag))[:MAX_TAG].strip() or tag)
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


def _mark(action: Action, state: _State) -> str:  # noqa: C901, PLR0911 - a table of kinds
    match action:
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
        case AddTag(tag):
            if tag not in state.tags:
                state.tags.append(tag)
            return f"tagged “{tag}”"
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


def _by_role(facts: Facts, ruleset: Ruleset) -> Decision:
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
        ruleset_version=ruleset.version,
        importance="normal",
        spam_rating=None,
        actions=actions,
        trace=(),
        notes=(note,),
    )
