"""Rules in and out: as our JSON, out as Sieve (RFC 5228), in from Gmail's filters.

Law: what cannot be said in the other language is left out and listed; it never becomes something
else. A rule whose condition cannot be said is left out as a whole.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, get_args

import msgspec

from postroom_contract.rules import (
    Action,
    AddTag,
    AutoReply,
    Condition,
    Delete,
    FlagOnServer,
    Forward,
    Group,
    Layer,
    MarkRead,
    MarkSpam,
    MoveOnServer,
    Operator,
    Reject,
    SetImportance,
    Stop,
    Test,
)

MOST_RULES: Final = 500
MAX_TEXT: Final = 800_000
Out = Literal["json", "sieve"]
In = Literal["json", "gmail"]


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
    """What could not be said, of which rule (by name, or its place in the file)."""

    rule: str
    words: str


class UnreadableError(ValueError):
    """A file is none of its kind; the text is for the person who sent it."""


class _CannotError(ValueError):
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


_FIELDS: Final = {
    "from": ("From",), "cc": ("Cc",), "bcc": ("Bcc",), "reply_to": ("Reply-To",),
    "sender": ("Sender",), "subject": ("Subject",), "list_id": ("List-Id",),
}  # fmt: skip
_ADDRESSES: Final = {"from", "to", "cc", "bcc", "reply_to", "sender"}
_PARTS: Final = {"whole": ":all", "address": ":all", "local": ":localpart", "domain": ":domain"}
_FLAG: Final = re.compile(r"[!#$&'+,\-./0-9:;<=>?@A-Z^_`a-z|}~]{1,80}")
"""What can be a flag (RFC 3501 §9, atom)."""


class _Sieve:
    """A script as it is written, with the extensions that it needs."""

    def __init__(self) -> None:
        self.needs: set[str] = set()
        self.left_out: list[LeftOut] = []

    def need(self, *extensions: str) -> None:
        self.needs.update(extensions)

    def condition(self, what: Condition) -> str:
        """Return a test; _CannotError names what has no words."""
        if isinstance(what, Test):
            text = self._test(what)
            return f"not {text}" if what.negate else text
        if not what.of:
            return "false" if what.mode == "any" else "true"
        inner = ",\n  ".join(self.condition(one) for one in what.of)
        if what.mode == "all":
            return f"allof({inner})"
        return f"anyof({inner})" if what.mode == "any" else f"not anyof({inner})"

    def _test(self, test: Test) -> str:  # noqa: PLR0911 - a table of kinds
        if test.field == "size":
            return _size(test)
        if test.operator == "exists":
            names = (test.header or "",) if test.field == "header" else _FIELDS.get(test.field)
            if not names:
                raise _CannotError(f"whether there is {test.field}")
            return f"exists {_quoted(names[0])}"
        how, keys = self._match(test)
        if test.field in {"envelope_from", "envelope_to"}:
            self.need("envelope")
            return f'envelope {how} "{test.field.removeprefix("envelope_")}" {keys}'
        if test.field == "body":
            self.need("body")
            return f"body :text {how} {keys}"
        if test.field == "header":
            return f"header {how} {_quoted(test.header or '')} {keys}"
        if test.field == "to" and test.part in _PARTS:
            # Also the recipient of a blind copy, which stands in no header.
            self.need("envelope")
            part = _PARTS[test.part]
            return f'anyof(address {part} {how} "To" {keys}, envelope {part} {how} "to" {keys})'
        names = _FIELDS.get(test.field)
        if names is None or test.part not in _PARTS:
            raise _CannotError(f"the {test.part} of {test.field}")
        if test.field in _ADDRESSES and (test.part != "whole" or test.operator == "equals"):
            return f"address {_PARTS[test.part]} {how} {_quoted(names[0])} {keys}"
        return f"header {how} {_quoted(names[0])} {keys}"

    def _match(self, test: Test) -> tuple[str, str]:
        kinds: dict[Operator, str] = {
            "contains": ":contains", "equals": ":is", "wildcard": ":matches", "regex": ":regex",
            "starts": ":matches", "ends": ":matches",
        }  # fmt: skip
        if test.operator not in kinds:
            raise _CannotError(f"the comparison {test.operator} of {test.field}")
        values = list(test.values)
        if test.operator == "regex":
            self.need("regex")
        elif test.operator in {"starts", "ends"}:
            plain = [re.sub(r"([*?\\])", r"\\\1", one) for one in values]
            values = [f"{one}*" if test.operator == "starts" else f"*{one}" for one in plain]
        return kinds[test.operator], _quoted_list(values)

    def action(self, what: Action) -> str:  # noqa: PLR0911 - a table of kinds
        """Return a command; _CannotError names what has no words."""
        match what:
            case AddTag(tag) if _FLAG.fullmatch(tag):
                self.need("imap4flags")
                return f"addflag {_quoted(tag)};"
            case MarkRead() | FlagOnServer("read"):
                self.need("imap4flags")
                return 'addflag "\\\\Seen";'
            case SetImportance("high") | FlagOnServer("starred"):
                self.need("imap4flags")
                return 'addflag "\\\\Flagged";'
            case Delete():
                return "discard;"
            case Forward(to):
                self.need("copy")
                return f"redirect :copy {_quoted(to)};"
            case Reject(text):
                self.need("reject")
                return f"reject {_quoted(text)};"
            case MoveOnServer(folder) if "{" not in folder and not folder.startswith("\\"):
                self.need("fileinto")
                return f"fileinto {_quoted(folder)};"
            case AutoReply(text, subject, days) if "{" not in text:
                self.need("vacation")
                words = "" if "{" in subject else f" :subject {_quoted(subject)}"
                return f"vacation :days {days}{words} {_quoted(text)};"
            case Stop("all"):
                return "stop;"
            case _:
                raise _CannotError(f"the action {what.__struct_config__.tag}")


def to_sieve(rules: Iterable[CarriedRule]) -> tuple[str, list[LeftOut]]:
    """Return the active rules as a script, and what it does not say."""
    sieve, blocks = _Sieve(), list[str]()
    for rule in rules:
        if not rule.active or rule.shadow:
            words = "in the shadow" if rule.shadow else "switched off"
            sieve.left_out.append(LeftOut(rule.name, f"it is {words}"))
            continue
        try:
            condition = sieve.condition(rule.condition)
        except _CannotError as error:
            sieve.left_out.append(LeftOut(rule.name, f"Sieve cannot ask for {error}"))
            continue
        commands = []
        for action in rule.actions:
            try:
                commands.append(sieve.action(action))
            except _CannotError as error:
                sieve.left_out.append(LeftOut(rule.name, f"Sieve has no words for {error}"))
        if commands:
            title = " ".join(rule.name.split())
            body = "\n".join(f"  {one}" for one in commands)
            blocks.append(f"# rule:[{title}]\nif {condition}\n{{\n{body}\n}}\n")
    needs = f"require {_quoted_list(sorted(sieve.needs))};\n\n" if sieve.needs else ""
    return needs + "\n".join(blocks), sieve.left_out


def _size(test: Test) -> str:
    if test.operator not in {"less", "greater"} or not all(one.isdecimal() for one in test.values):
        raise _CannotError(f"the comparison {test.operator} of size")
    how = ":under" if test.operator == "less" else ":over"
    tests = [f"size {how} {value}" for value in test.values]
    return tests[0] if len(tests) == 1 else f"anyof({', '.join(tests)})"


def _quoted(text: str) -> str:
    """Return a string of Sieve (RFC 5228 §2.4.2), its lines ended by CRLF."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "\r\n".join(escaped.splitlines()) + '"'


def _quoted_list(values: Sequence[str]) -> str:
    texts = [_quoted(one) for one in values]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


_ATOM: Final = "{http://www.w3.org/2005/Atom}entry"
_PROPERTY: Final = "{http://schemas.google.com/apps/2006}property"
_QUERY: Final = re.compile(r'[:(){}"]|\bOR\b|\bAND\b|\bAROUND\b|(?:^|\s)[-+]')
_UNITS: Final = {"s_sb": 1, "s_skb": 1024, "s_smb": 1024 * 1024}
_ASKED: Final = {
    "from", "to", "subject", "hasTheWord", "doesNotHaveTheWord", "hasAttachment", "size",
}  # fmt: skip
_IGNORED: Final = {"sizeOperator", "sizeUnit", "excludeChats"}


def from_gmail(text: str) -> tuple[list[CarriedRule], list[LeftOut]]:
    """Return the rules of a `mailFilters.xml`, and what they do not say; UnreadableError."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise UnreadableError("a file of Gmail's filters declares nothing of its own")
    try:
        root = ET.fromstring(text)  # noqa: S314 - without declarations nothing can be expanded
    except (ET.ParseError, ValueError) as error:
        raise UnreadableError(f"this is no XML: {error}") from error
    entries = root.findall(_ATOM)
    if not entries or len(entries) > MOST_RULES:
        raise UnreadableError(f"this is no file of 1 to {MOST_RULES} filters of Gmail")
    rules, left_out = list[CarriedRule](), list[LeftOut]()
    for number, entry in enumerate(entries, 1):
        found = {one.get("name", ""): one.get("value", "") for one in entry.findall(_PROPERTY)}
        name = f"Gmail filter {number}"
        tests, missing = _gmail_tests(found)
        actions, untold = _gmail_actions(found)
        left_out += [LeftOut(name, words) for words in (*missing, *untold)]
        if missing or not tests or not actions:
            left_out.append(LeftOut(name, "the whole filter: a part of it would do too much"))
            continue
        condition = Group(mode="all", of=tuple(tests))
        rules.append(CarriedRule(name=name, condition=condition, actions=actions))
    return rules, left_out


def _gmail_tests(found: dict[str, str]) -> tuple[list[Condition], list[str]]:
    tests, missing = list[Condition](), list[str]()
    for name, value in found.items():
        match name:
            case "from":
                tests.append(_any_of(("from",), _alternatives(value)))
            case "to":
                tests.append(_any_of(("to", "cc"), _alternatives(value)))
            case "subject":
                tests.append(_any_of(("subject",), _alternatives(value)))
            case "hasTheWord" | "doesNotHaveTheWord":
                if _QUERY.search(value):
                    missing.append(f"the search {value!r}")
                    continue
                words = tuple(
                    Test(field="message", operator="contains", values=(one,))
                    for one in value.split()
                )
                mode: Literal["all", "none"] = "all" if name == "hasTheWord" else "none"
                tests.append(Group(mode=mode, of=words))
            case "hasAttachment" if value == "true":
                tests.append(Test(field="attachment_name", operator="exists"))
            case "size" if found.get("sizeOperator") in {"s_sl", "s_ss"} and value.isdecimal():
                octets = int(value) * _UNITS.get(found.get("sizeUnit", "s_sb"), 1)
                how: Operator = "greater" if found["sizeOperator"] == "s_sl" else "less"
                tests.append(Test(field="size", operator=how, values=(str(octets),)))
            case _:
                pass
    return tests, missing


def _gmail_actions(found: dict[str, str]) -> tuple[list[Action], list[str]]:
    told: dict[str, Any] = {
        "shouldMarkAsRead": MarkRead(), "shouldTrash": Delete(), "shouldNeverSpam": MarkSpam(False),
        "shouldAlwaysMarkAsImportant": SetImportance("high"),
        "shouldNeverMarkAsImportant": SetImportance("low"), "shouldStar": AddTag("starred"),
    }  # fmt: skip
    actions, untold = list[Action](), list[str]()
    for name, value in found.items():
        if name in _ASKED | _IGNORED or value in {"false", ""}:
            continue
        if name in told:
            actions.append(told[name])
        elif name in {"label", "smartLabelToApply"}:
            actions.append(AddTag(value.removeprefix("^smartlabel_")[:100]))
        elif name == "forwardTo":
            actions.append(Forward(value))
        else:
            untold.append(f"the action {name}")
    return actions, untold


def _alternatives(value: str) -> tuple[str, ...]:
    """Return what stands between OR; brackets and quotes around it say nothing more."""
    found = re.split(r"\s+OR\s+|\|", value.strip().strip("()"))
    return tuple(one.strip().strip("()\"'") for one in found if one.strip().strip("()\"'"))


def _any_of(fields: Sequence[str], values: tuple[str, ...]) -> Condition:
    tests = tuple(
        Test(field=one, operator="contains", values=values)  # type: ignore[arg-type]  # names of fields
        for one in fields
    )
    return tests[0] if len(tests) == 1 else Group(mode="any", of=tests)


FORMATS_OUT: Final[tuple[str, ...]] = get_args(Out)
FORMATS_IN: Final[tuple[str, ...]] = get_args(In)
