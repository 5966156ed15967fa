"""What actions come to, one after the other, while the rules of a mail are tried.

Law: nothing is done here. What is to be done is noted, with a sentence for the trace; of what a
mail may not have (too much of it, a loop, an answer to a program) the sentence says why.
"""

from functools import lru_cache
from typing import Final, Literal

import msgspec

from postroom_contract.rules import (
    Action,
    AddSpamRating,
    AddTag,
    AutoReply,
    CallWebhook,
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
    SetImportance,
    SetSpamRating,
    Stop,
)
from postroom_mail.text import MAX_SUBJECT, one_line
from postroom_rules.domain.checks import MAX_FOLDER, MAX_TAG, is_reply_text
from postroom_rules.domain.facts import Facts
from postroom_rules.domain.values import Values

_TOLD: Final = (AutoReply, OpenTicket, CallWebhook, PublishEvent)
_WITH_TEXT: Final = (AddTag, MoveOnServer, Reject, *_TOLD)
_SENT: Final = (PostToForum, Forward)
WITHHELD: Final = (*_SENT, *_TOLD)
"""What leaves the mailbox, or makes something of the mail elsewhere."""
_ARRANGED: Final = (MoveOnServer, FlagOnServer)
MAX_ACTIONS = 32
MAX_FORWARDS = 4


class State(msgspec.Struct):
    """What the actions so far come to."""

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

    def copy(self) -> "State":
        """Return one that is changed apart from this one."""
        return msgspec.structs.replace(self, tags=[*self.tags], actions=[*self.actions])


def skipped(error: Exception) -> str:
    """Return why a rule, or an action, was skipped."""
    said = error if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
    return f"skipped: {said}"


def apply(action: Action, values: Values, state: State, rule: str) -> str:
    """Note one action and return it as a sentence; one that breaks is skipped and says so."""
    try:
        return _done(action, values, state, rule)
    except Exception as error:  # noqa: BLE001 - as of conditions: the other actions are done
        return skipped(error)


def _done(action: Action, values: Values, state: State, rule: str) -> str:  # noqa: PLR0911 - each with its words
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


def _mark(action: Action, state: State) -> str:  # noqa: C901, PLR0911 - a table of kinds
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


def _send(action: PostToForum | Forward, facts: Facts, state: State) -> str:
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
    action: AutoReply | OpenTicket | CallWebhook | PublishEvent, facts: Facts, state: State
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


def _arrange(action: MoveOnServer | FlagOnServer, facts: Facts, state: State) -> str:
    if facts.source != "imap":
        return "not done on a server: only mail that was fetched by IMAP lies on one"
    state.actions.append(action)
    if isinstance(action, FlagOnServer):
        return f"marked as {action.flag} on its server"
    return f"moved to {action.folder} on its server"
