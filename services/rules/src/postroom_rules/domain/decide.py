"""One mail and one ruleset make one decision, with its reasons."""

from typing import Final

import msgspec

from postroom_contract.documents import RuleDocument
from postroom_contract.rules import (
    Action,
    AddSpamRating,
    AddTag,
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
from postroom_rules.domain.conditions import evaluate
from postroom_rules.domain.facts import Facts

RULED_ROLES = frozenset({"mail", "post"})
"""For the other roles there is one command, whatever people's rules say."""


COMPLAINT: Final = "feedback-report"
"""What a report of "this is spam" calls itself (RFC 5965 §2)."""
_COMPLAINT: Final = "A complaint: the forum looks whether it is of a mail of its own."
MAX_ACTIONS = 32
MAX_FORWARDS = 4


class Ruleset(msgspec.Struct, frozen=True):
    """The active rules of one mailbox: those of its account, then its own, each in their order."""

    version: int
    rules: tuple[RuleDocument, ...]


class _State(msgspec.Struct):
    importance: Importance = "normal"
    spam_rating: int | None = None
    spam: bool | None = None
    tags: list[str] = []
    read: bool = False
    deleted: bool = False
    actions: list[Action] = []
    stopped: bool = False
    rejected: bool = False


def decide(facts: Facts, ruleset: Ruleset) -> Decision:
    """Return what is to be done with the mail."""
    if facts.role not in RULED_ROLES:
        return _by_role(facts, ruleset)
    state = _State(tags=[], actions=[])
    trace: list[RuleTrace] = []
    for rule in ruleset.rules:
        if state.stopped:
            break
        trace.append(_try(rule, facts, state))
    return Decision(
        ruleset_version=ruleset.version,
        importance=state.importance,
        spam_rating=state.spam_rating,
        spam=state.spam,
        tags=tuple(state.tags),
        read=state.read,
        deleted=state.deleted,
        actions=tuple(state.actions),
        trace=tuple(trace),
        notes=(_COMPLAINT,) if facts.forum and facts.report == COMPLAINT else (),
    )


def _try(rule: RuleDocument, facts: Facts, state: _State) -> RuleTrace:
    """Run one rule; one that breaks is skipped and says so, the mail is kept (implicit keep)."""
    try:
        matched, conditions = evaluate(rule.when, facts)
    except ValueError as error:
        matched, conditions = False, ()
        done: tuple[str, ...] = (f"skipped: {error}",)
    else:
        done = tuple(_apply(action, facts, state) for action in rule.then) if matched else ()
    return RuleTrace(
        rule=rule.id,
        version=rule.version,
        name=rule.name,
        matched=matched,
        conditions=conditions,
        done=done,
    )


def _apply(action: Action, facts: Facts, state: _State) -> str:
    """Note one action and return it as a sentence."""
    if len(state.actions) >= MAX_ACTIONS and not isinstance(action, Stop):
        return f"not done: a mail has at most {MAX_ACTIONS} actions"
    if isinstance(action, Reject):
        state.actions.append(action)
        state.deleted = state.stopped = state.rejected = True
        return f"rejected: “{action.text}”; where it is taken already, deleted, and nobody is told"
    if state.rejected:
        return "not done: the mail is rejected"
    if isinstance(action, PostToForum | Forward):
        return _send(action, facts, state)
    if isinstance(action, MoveOnServer | FlagOnServer):
        return _arrange(action, facts, state)
    state.actions.append(action)
    return _mark(action, state)


def _mark(action: Action, state: _State) -> str:  # noqa: PLR0911 - a table of kinds
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
        case MarkSpam(spam):
            state.spam = spam
            return "marked as spam" if spam else "marked as not spam"
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
        case _:
            state.stopped = True
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
