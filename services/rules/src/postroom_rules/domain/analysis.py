"""What is provably wrong with rules as they stand together: never a false alarm, and not all.

What is read: rules of one mailbox in the order in which they are tried, all layers.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Literal

import msgspec

from postroom_contract.documents import RuleDocument
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
)
from postroom_rules.domain.acting import MAX_ACTIONS
from postroom_rules.domain.conditions import sentence
from postroom_rules.domain.implying import always, conflict, implies, never, plain, stable, tests
from postroom_rules.domain.plan import Ruleset, may_break

Kind = Literal["unreachable", "contradiction", "duplicate", "no_effect", "loop"]
_ONCE: Final = (AddTag, MarkRead, Delete, Forward, PostToForum, FlagOnServer)
"""Actions of which the second, the same, changes nothing."""
_LAST: Final[dict[type[Action], str]] = {
    SetImportance: "the importance", SetSpamRating: "the spam rating",
    MarkSpam: "whether it is spam", MoveOnServer: "the folder on the server",
    Stop: "where it stops",
}  # fmt: skip
"""Actions of which the last one counts."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong."""

    rule: str
    kind: Kind
    words: str
    other: str | None = None
    """The rule that is the reason."""


class _Placed(msgspec.Struct, frozen=True):
    """A rule, its layer, and how many actions may have been noted before it."""

    rule: RuleDocument
    layer: int
    before: int
    skipped: bool
    """A rule before it may end its layer, and the next one is tried nevertheless."""


_Same = tuple[Condition, tuple[Action, ...], bool]


def findings(ruleset: Ruleset, own: Iterable[str] = ()) -> tuple[Finding, ...]:
    """Return what is wrong, rule by rule; `own`: the addresses whose mail the rules are for."""
    mine = frozenset(one.lower() for one in own)
    stops: list[_Placed] = []
    known: dict[_Same, RuleDocument] = {}
    found: list[Finding] = []
    noted = 0
    for layer, rules in enumerate((ruleset.rules, ruleset.own, ruleset.after)):
        skipped = False
        for rule in rules:
            this = _Placed(rule, layer, noted, skipped)
            skipped = skipped or Stop("layer") in rule.then
            found += _together(this, stops, known)
            found += _alone(this, mine)
            if _may_stop(this):
                stops.append(this)
            noted += 0 if rule.shadow else len(rule.then)
    return tuple(found)


def _together(
    this: _Placed, stops: list[_Placed], known: dict[_Same, RuleDocument]
) -> Iterator[Finding]:
    """Yield why it never matches, or what it repeats."""
    rule = this.rule
    same = known.setdefault((plain(rule.when), rule.then, rule.shadow), rule)
    if never(rule.when):
        yield _contradiction(rule)
    elif (stop := next((one.rule for one in stops if _hides(one, this)), None)) is not None:
        yield _unreachable(rule, stop)
    elif same is not rule:
        words = f"It does the same, under the same condition, as “{same.name}” before it."
        yield Finding(rule=rule.id, kind="duplicate", words=words, other=same.id)


def _alone(this: _Placed, own: frozenset[str]) -> Iterator[Finding]:
    """Yield which of its actions do nothing, or would send the mail in a circle."""
    rule = this.rule
    for words in dict.fromkeys(_idle(this)):
        yield Finding(rule=rule.id, kind="no_effect", words=words)
    for action in rule.then:
        if isinstance(action, Forward) and action.to.lower() in own:
            words = f"It forwards to {action.to}, to which this mail came: it would come back."
            yield Finding(rule=rule.id, kind="loop", words=words)


def _contradiction(rule: RuleDocument) -> Finding:
    pair = conflict(rule.when)
    words = "Its condition can never hold."
    if pair is not None:
        words = f"It never matches: “{sentence(pair[0])}” and “{sentence(pair[1])}” cannot both be."
    return Finding(rule=rule.id, kind="contradiction", words=words)


def _unreachable(rule: RuleDocument, stop: RuleDocument) -> Finding:
    words = f"It is never reached: “{stop.name}” stops before it, whatever the mail."
    if not always(stop.when):
        words = f"It never matches: whatever it is meant for, “{stop.name}” stops before it."
    return Finding(rule=rule.id, kind="unreachable", words=words, other=stop.id)


def _may_stop(this: _Placed) -> bool:
    """Whether it stops all mail that it matches, and surely works."""
    rule = this.rule
    breaks = any(map(may_break, tests(rule.when)))
    return not (rule.shadow or breaks) and _stops(this, this.layer)


def _hides(stop: _Placed, below: _Placed) -> bool:
    """Whether a rule stops all mail that one below it would match."""
    if not _stops(stop, below.layer) or (stop.skipped and stop.layer != below.layer):
        return False
    above, when = stop.rule.when, below.rule.when
    return always(above) or (stable(above) and stable(when) and implies(when, above))


def _stops(stop: _Placed, layer: int) -> bool:
    """Whether it ends the trial before the rules of a layer: its own, or a later one."""
    last = None
    for at, action in enumerate(stop.rule.then):
        if isinstance(action, Reject) and stop.before + at < MAX_ACTIONS:
            return True
        if isinstance(action, Stop):
            last = action.of
    return layer == stop.layer if last == "layer" else last == "all"


def _idle(this: _Placed) -> Iterator[str]:
    """Yield a sentence for each action that changes nothing."""
    actions = this.rule.then
    fit = this.before + len(actions) <= MAX_ACTIONS
    rejects = next((n for n, one in enumerate(actions) if isinstance(one, Reject)), len(actions))
    if any(not isinstance(one, Stop) for one in actions[rejects + 1 :]):
        yield "What stands behind the refusal is not done."
    for at, action in enumerate(actions[:rejects]):
        later = actions[at + 1 : rejects]
        if isinstance(action, _ONCE) and action in later:
            yield f"It does the same twice: {_name(action)}."
        elif (what := _LAST.get(type(action))) is not None and fit:
            if any(type(one) is type(action) for one in later):
                yield f"It sets {what} more than once: only the last counts."
        elif isinstance(action, AddSpamRating) and fit and SetSpamRating in map(type, later):
            yield "It changes the spam rating, and sets it afterwards: only that counts."


def _name(action: Action) -> str:
    match action:
        case AddTag(tag):
            return f"the tag “{tag}”"
        case Forward(to):
            return f"forwarding to {to}"
        case FlagOnServer(flag):
            return f"marking as {flag} on the server"
        case PostToForum(forum):
            return f"posting to {forum}"
        case MarkRead():
            return "marking as read"
        case _:
            return "deleting"
