"""Rules as sentences."""

from collections.abc import Callable, Sequence
from typing import Any

from postroom_api.domain.rule_words import FIELDS, OPERATORS
from postroom_contract.rules import (
    Action,
    AddSpamRating,
    AddTag,
    AutoReply,
    CallWebhook,
    Condition,
    Delete,
    FlagOnServer,
    Forward,
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
    Test,
)

_SHORT = 60
_PARTS = {
    "address": "the bare address of",
    "local": "the local part of",
    "domain": "the domain of",
    "detail": "the detail behind the + of",
}


def condition(what: Condition) -> str:
    """Return a condition in words."""
    if isinstance(what, Test):
        subject = f"header {what.header}" if what.field == "header" else FIELDS[what.field]
        if what.part != "whole":
            subject = f"{_PARTS[what.part]} {subject}"
        values = " or ".join(f"“{value}”" for value in what.values)
        negation = "not " if what.negate else ""
        return f"{subject} {negation}{OPERATORS[what.operator]} {values}".rstrip()
    if not what.of:
        return "always" if what.mode != "any" else "never"
    joint = " and " if what.mode == "all" else " or "
    inner = joint.join(_part(part, alone=len(what.of) == 1) for part in what.of)
    if what.mode == "none":
        return f"none of these: {inner}" if len(what.of) > 1 else f"not ({inner})"
    return inner


def _part(what: Condition, *, alone: bool) -> str:
    """Return a part of a group in words; in brackets where it would be read wrong without."""
    words = condition(what)
    bare = alone or isinstance(what, Test) or len(what.of) <= 1
    return words if bare else f"({words})"


_ACTIONS: dict[type, Callable[[Any], str]] = {
    SetImportance: lambda what: f"mark as of {what.level} importance",
    SetSpamRating: lambda what: f"set the spam rating to {what.rating}",
    AddSpamRating: lambda what: f"change the spam rating by {what.points:+d}",
    MarkSpam: lambda what: (
        f"mark as {'spam' if what.spam else 'not spam'}{' and teach the filter' * what.train}"
    ),
    Quarantine: lambda what: f"keep in quarantine for {what.days} days",
    AutoReply: lambda what: f"answer “{_short(what.text)}”, once in {what.days} days",
    OpenTicket: lambda what: f"make a ticket{f' in {what.queue}' if what.queue else ''}",
    CallWebhook: lambda what: f"tell the webhook {what.webhook}",
    PublishEvent: lambda what: f"publish the event “{what.name}”",
    AddTag: lambda what: f"tag “{what.tag}”",
    MarkRead: lambda _: "mark as read",
    Delete: lambda _: "delete",
    Forward: lambda what: f"forward to {what.to}",
    PostToForum: lambda what: f"post to forum {what.forum}",
    MoveOnServer: lambda what: f"move to {what.folder} on its server",
    FlagOnServer: lambda what: f"mark as {what.flag} on its server",
    Reject: lambda what: f"reject with “{what.text}”",
    Stop: lambda what: "stop" if what.of == "all" else "stop with this layer",
}


def _short(text: str) -> str:
    """Return the beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= _SHORT else f"{line[: _SHORT - 1]}…"


def action(what: Action) -> str:
    """Return an action in words."""
    return _ACTIONS[type(what)](what)


def rule(when: Condition, then: Sequence[Action]) -> str:
    """Return the whole rule in words."""
    return f"When {condition(when)}: " + ", then ".join(action(one) for one in then) + "."
