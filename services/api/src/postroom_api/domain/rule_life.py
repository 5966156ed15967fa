"""What becomes of a rule: its versions, what it matched, and what it would have done."""

from datetime import datetime
from difflib import SequenceMatcher
from typing import Final, Literal

import msgspec

from postroom_api.domain import sentences
from postroom_contract.rules import Action, Condition, Layer, Test

BACKTEST: Final = "rule.backtest"
EXAMPLES: Final = 200
MOST_DAYS: Final = 90
MOST_DEEDS: Final = 50
Mark = Literal["same", "added", "removed"]
_MODES: Final = {"all": "all of these", "any": "any of these", "none": "none of these"}


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One line of what a rule says, and whether a version said it newly."""

    mark: Mark
    words: str
    depth: int = 0
    """How deep it stands in groups."""


class RuleVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as it was from a change on."""

    rule: str
    version: int
    name: str
    active: bool
    layer: Layer
    shadow: bool
    condition: Condition
    actions: list[Action]
    sentence: str
    changed_by: str
    """Who it was, by name; empty: Postroom itself, or not known."""
    changed_at: datetime
    changes: list[Said] = []
    """It, line by line, against the version before."""


class Hits(msgspec.Struct, frozen=True, kw_only=True):
    """How often a rule matched. Live: it did what it says; in the shadow it looked on."""

    rule: str
    week: int = 0
    """Mails of the last 7 days."""
    month: int = 0
    """Of the last 30."""
    shadow_week: int = 0
    shadow_month: int = 0
    last_at: datetime | None = None


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A mail of a back-test on which something would happen, or no longer."""

    message: str
    change: Literal["same", "new", "gone"]
    """Against the rule in force; `new` too where there is none."""
    done: tuple[str, ...] = ()
    """What would be done; of `gone` what the rule in force does."""


class Backtest(msgspec.Struct, kw_only=True):
    """How a back-test stands."""

    rule: str
    """Empty: a draft of a new one."""
    name: str
    days: int
    compared: bool = False
    """There is a rule in force to compare with."""
    mails: int = 0
    """That came in these days, at most as many as are looked at."""
    tried: int = 0
    gone: int = 0
    """Of which the bytes are there no longer, so that nothing is known."""
    matched: int = 0
    new: int = 0
    """Matched that the rule in force does not match."""
    lost: int = 0
    """No longer matched."""
    deeds: dict[str, int] = {}
    """What would be done, as a sentence, and how often."""
    examples: list[Example] = []
    cut: bool = False
    """There were more mails than are looked at: the newest were."""
    beat: datetime | None = None
    """When it last told how far it is."""

    def count(
        self, message: str, drafted: tuple[str, ...] | None, live: tuple[str, ...] | None
    ) -> None:
        """Count a mail: what is done to it by the draft and by the rule in force; None = nothing.

        What changes is listed before what stays, as far as there is room.
        """
        self.tried += 1
        if drafted is None and live is None:
            return
        if drafted is None:
            self.lost += 1
            self._show(Example(message=message, change="gone", done=live or ()))
            return
        self.matched += 1
        self.new += live is None
        for deed in drafted:
            if deed in self.deeds or len(self.deeds) < MOST_DEEDS:
                self.deeds[deed] = self.deeds.get(deed, 0) + 1
        self._show(Example(message=message, change="new" if live is None else "same", done=drafted))

    def _show(self, example: Example) -> None:
        if len(self.examples) >= EXAMPLES:
            same = next((n for n, one in enumerate(self.examples) if one.change == "same"), None)
            if example.change == "same" or same is None:
                return
            self.examples.pop(same)
        self.examples.append(example)


def lines(when: Condition, then: list[Action]) -> list[tuple[int, str]]:
    """Return what a rule says, line by line, each with its depth."""
    return [*_condition(when, 0), *((0, f"→ {sentences.action(one)}") for one in then)]


def _condition(when: Condition, depth: int) -> list[tuple[int, str]]:
    if isinstance(when, Test):
        return [(depth, sentences.condition(when))]
    if not when.of:
        return [(depth, sentences.condition(when))]
    if len(when.of) == 1 and when.mode != "none":
        return _condition(when.of[0], depth)
    return [
        (depth, f"{_MODES[when.mode]}:"),
        *(line for part in when.of for line in _condition(part, depth + 1)),
    ]


def compared(old: "RuleVersion | None", new: "RuleVersion") -> list[Said]:
    """Return the newer version line by line, with what the older said and it does not."""
    after = _all(new)
    before = after if old is None else _all(old)
    found: list[Said] = []
    for what, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if what == "equal":
            found += [Said(mark="same", depth=one[0], words=one[1]) for one in after[c:d]]
            continue
        found += [Said(mark="removed", depth=one[0], words=one[1]) for one in before[a:b]]
        found += [Said(mark="added", depth=one[0], words=one[1]) for one in after[c:d]]
    return found


def _all(version: "RuleVersion") -> list[tuple[int, str]]:
    state = "on" if version.active else "off"
    if version.shadow:
        state += ", in the shadow"
    if version.layer == "after":
        state += ", after the mailbox's own rules"
    return [
        (0, f"“{version.name}”, {state}"),
        *lines(version.condition, version.actions),
    ]
