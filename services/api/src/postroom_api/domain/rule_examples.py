"""Mails that are kept with a rule, each with whether the rule should match it.

Law: a result is of the condition as it is; where nothing was tried since its change there is none.
"""

from datetime import datetime
from typing import Final

import msgspec

from postroom_contract.rules import ConditionTrace
from postroom_contract.ruling import ExampleMail, RuleFinding

MOST_BYTES: Final = 256 * 1024
"""Of one example."""
NAME: Final = 100


class RuleExample(msgspec.Struct, frozen=True, kw_only=True):
    """A mail kept with a rule, and what came of it."""

    id: str
    rule: str
    name: str
    message: str | None
    """The mail of the log that it was kept from; null: it was pasted."""
    sender: str
    recipient: str
    size: int
    """Bytes."""
    expects: bool
    """Whether the rule should match it."""
    matched: bool | None
    """Null: it was not tried yet, or could not be."""
    holds: bool | None
    """Whether it came out as it should."""
    problem: str
    """Why it could not be tried."""
    conditions: list[ConditionTrace]
    """What was compared."""
    created_by: str
    """By name."""
    created_at: datetime


class KeptMail(msgspec.Struct, frozen=True, kw_only=True):
    """An example to be tried."""

    id: str
    mail: ExampleMail


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """An example that is about to be kept."""

    id: str
    name: str
    message: str
    """Empty: it was pasted."""
    expects: bool
    mail: ExampleMail


def finding(rule: str, name: str, *, expects: bool, problem: str) -> RuleFinding:
    """Return what is wrong where an example came out otherwise than it should."""
    if problem:
        words = f"the example “{name}” could not be tried: {problem}"
    elif expects:
        words = f"the example “{name}” does not match, and should"
    else:
        words = f"the example “{name}” matches, and should not"
    return RuleFinding(rule=rule, kind="example", words=words)
