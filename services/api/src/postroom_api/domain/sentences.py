"""Rules as sentences."""

from collections.abc import Callable, Sequence
from typing import Any

from postroom_contract.rules import (
    Action,
    AddSpamRating,
    AddTag,
    Condition,
    Delete,
    FlagOnServer,
    Forward,
    MarkRead,
    MarkSpam,
    MoveOnServer,
    PostToForum,
    Reject,
    SetImportance,
    SetSpamRating,
    Stop,
    Test,
)

_OPERATORS = {
    "contains": "contains",
    "equals": "is",
    "starts": "starts with",
    "ends": "ends with",
    "wildcard": "looks like",
    "regex": "matches",
    "less": "is less than",
    "greater": "is greater than",
}
_FIELDS = {
    "from": "the sender",
    "to": "a recipient",
    "cc": "a copied recipient",
    "subject": "the subject",
    "body": "the text",
    "size": "the size in bytes",
    "attachment": "an attachment",
    "spf": "the result of SPF",
    "dkim": "the result of DKIM",
    "dmarc": "the result of DMARC",
    "arc": "the result of ARC",
}


def condition(what: Condition) -> str:
    """Return a condition in words."""
    if isinstance(what, Test):
        subject = f"header {what.header}" if what.field == "header" else _FIELDS[what.field]
        values = " or ".join(f"“{value}”" for value in what.values)
        negation = "not " if what.negate else ""
        return f"{subject} {negation}{_OPERATORS[what.operator]} {values}"
    if not what.of:
        return "always" if what.mode != "any" else "never"
    joint = {"all": " and ", "any": " or ", "none": " and none of "}[what.mode]
    inner = joint.join(condition(part) for part in what.of)
    return f"none of {inner}" if what.mode == "none" else inner


_ACTIONS: dict[type, Callable[[Any], str]] = {
    SetImportance: lambda what: f"mark as of {what.level} importance",
    SetSpamRating: lambda what: f"set the spam rating to {what.rating}",
    AddSpamRating: lambda what: f"change the spam rating by {what.points:+d}",
    MarkSpam: lambda what: "mark as spam" if what.spam else "mark as not spam",
    AddTag: lambda what: f"tag “{what.tag}”",
    MarkRead: lambda _: "mark as read",
    Delete: lambda _: "delete",
    Forward: lambda what: f"forward to {what.to}",
    PostToForum: lambda what: f"post to forum {what.forum}",
    MoveOnServer: lambda what: f"move to {what.folder} on its server",
    FlagOnServer: lambda what: f"mark as {what.flag} on its server",
    Reject: lambda what: f"reject with “{what.text}”",
    Stop: lambda _: "stop",
}


def action(what: Action) -> str:
    """Return an action in words."""
    return _ACTIONS[type(what)](what)


def rule(when: Condition, then: Sequence[Action]) -> str:
    """Return the whole rule in words."""
    return f"When {condition(when)}: " + ", then ".join(action(one) for one in then) + "."
