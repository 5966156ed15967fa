"""What today's rules would decide about a mail, beside what was decided: each difference and why.

Law: the rating and all facts are those of then, so what differs comes from the rules.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

import msgspec

from postroom_api.domain import sentences
from postroom_contract.rules import Action, Decision, RuleTrace

_NONE: Final = "-"
Cause = Literal["new", "removed", "changed", "switched", "others", "facts"]
WORDS: Final[dict[Cause, str]] = {
    "new": "The rule is newer than the mail.",
    "removed": "The rule is no longer there, or is switched off.",
    "changed": "The rule was changed since.",
    "switched": "The rule went into the shadow, or out of it.",
    "others": "The rule is as it was: rules before it stop otherwise, or rate otherwise.",
    "facts": "The rule is as it was, and the mail too: the system sees it otherwise.",
}


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Something of the decision that is another today."""

    what: str
    then: str
    now: str


class RuleDifference(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that matched then and not now, or the other way, or does something else."""

    rule: str
    name: str
    then: tuple[str, ...] | None
    """What it did; None: it did not match."""
    now: tuple[str, ...] | None
    cause: Cause
    words: str


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """A mail decided again; nothing was done."""

    message: str
    decided_at: datetime
    ruleset_then: int
    ruleset_now: int
    differences: list[Difference]
    rules: list[RuleDifference]
    decision: Decision
    """What today's rules decide."""


class Known(msgspec.Struct, frozen=True):
    """A rule as it stands today."""

    created_at: datetime
    active: bool
    changed_at: datetime
    """When it last came to say something else."""


def replay(
    message: str, decided_at: datetime, then: Decision, now: Decision, rules: Mapping[str, Known]
) -> Replay:
    """Return both decisions side by side; `rules` are those that there are today."""
    return Replay(
        message=message,
        decided_at=decided_at,
        ruleset_then=then.ruleset_version,
        ruleset_now=now.ruleset_version,
        differences=_differences(then, now),
        rules=_rules(then, now, decided_at, rules),
        decision=now,
    )


def _differences(then: Decision, now: Decision) -> list[Difference]:
    pairs = zip(_facets(then), _facets(now), strict=True)
    return [
        Difference(what=what, then=before, now=after)
        for (what, before), (_, after) in pairs
        if before != after
    ]


def _facets(decision: Decision) -> list[tuple[str, str]]:
    spam = {None: "nobody said", True: "spam", False: "no spam"}[decision.spam]
    return [
        ("importance", decision.importance),
        ("spam rating", _NONE if decision.spam_rating is None else str(decision.spam_rating)),
        ("spam", spam),
        ("tags", ", ".join(decision.tags) or _NONE),
        ("read", "yes" if decision.read else "no"),
        ("deleted", "yes" if decision.deleted else "no"),
        ("quarantine", f"{decision.quarantine_days} days" if decision.quarantine_days else "no"),
        ("actions", _told(decision.actions)),
        ("withheld", _told(decision.withheld)),
    ]


def _told(actions: tuple[Action, ...]) -> str:
    return ", then ".join(sentences.action(one) for one in actions) or _NONE


def _rules(
    then: Decision, now: Decision, decided_at: datetime, rules: Mapping[str, Known]
) -> list[RuleDifference]:
    before, after = _matched(then), _matched(now)
    tried = {one.rule: one for one in then.trace}
    found = []
    for rule in dict.fromkeys([*before, *after]):
        old, new = before.get(rule), after.get(rule)
        if not rule or (old and new and (old.done, old.shadow) == (new.done, new.shadow)):
            continue
        seen = old or new
        cause = _cause(rules.get(rule), decided_at, tried.get(rule), new)
        found.append(
            RuleDifference(
                rule=rule,
                name=seen.name if seen else "",
                then=old.done if old else None,
                now=new.done if new else None,
                cause=cause,
                words=WORDS[cause],
            )
        )
    return found


def _matched(decision: Decision) -> dict[str, RuleTrace]:
    return {one.rule: one for one in decision.trace if one.matched}


def _cause(
    known: Known | None, decided_at: datetime, then: RuleTrace | None, now: RuleTrace | None
) -> Cause:
    if known is None or not known.active:
        return "removed"
    if known.created_at > decided_at:
        return "new"
    if then is not None and now is not None and then.shadow != now.shadow:
        return "switched"
    if known.changed_at > decided_at:
        return "changed"
    if then is not None and now is not None and then.conditions != now.conditions:
        return "facts"
    return "others"
