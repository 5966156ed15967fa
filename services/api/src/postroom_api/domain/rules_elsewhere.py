"""Rules in and out: what is common to all languages, and our own JSON.

Law: what cannot be said in the other language is left out and listed; it never becomes something
else. A rule whose condition cannot be said is left out as a whole. Sieve: sieve_out.py and
sieve_in.py; Gmail: gmail_filters.py.
"""

from collections.abc import Sequence
from typing import Final, Literal, get_args

import msgspec

from postroom_contract.rules import Action, Condition, Layer

MOST_RULES: Final = 500
MAX_TEXT: Final = 800_000
Out = Literal["json", "sieve"]
In = Literal["json", "gmail", "sieve"]


class CarriedRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule without what only holds here: its id, place and version."""

    name: str
    condition: Condition
    actions: list[Action]
    layer: Layer = "before"
    active: bool = True
    shadow: bool = False


class RuleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Our own form."""

    postroom_rules: Literal[1]
    rules: list[CarriedRule]


class LeftOut(msgspec.Struct, frozen=True):
    """What could not be said, of which rule (by name, or its place); empty: of the whole file."""

    rule: str
    words: str


class UnreadableError(ValueError):
    """A file is none of its kind; the text is for the person who sent it."""


class CannotError(ValueError):
    """The other language has no words for it."""


def to_json(rules: Sequence[CarriedRule]) -> str:
    """Return rules as a file of ours."""
    data = msgspec.json.encode(RuleFile(1, list(rules)))
    return msgspec.json.format(data, indent=2).decode() + "\n"


def from_json(text: str) -> list[CarriedRule]:
    """Return the rules of a file of ours; UnreadableError when it is none."""
    try:
        found = msgspec.json.decode(text, type=RuleFile).rules
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise UnreadableError(f"this is no file of Postroom's rules: {error}") from error
    if len(found) > MOST_RULES:
        raise UnreadableError(f"a file has at most {MOST_RULES} rules")
    return found


FORMATS_OUT: Final[tuple[str, ...]] = get_args(Out)
FORMATS_IN: Final[tuple[str, ...]] = get_args(In)
