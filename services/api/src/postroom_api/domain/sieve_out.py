"""Rules out as Sieve (RFC 5228)."""

import re
from collections.abc import Iterable
from typing import Final

from postroom_api.domain.rules_elsewhere import CannotError, CarriedRule, LeftOut
from postroom_api.domain.sieve import quoted, quoted_list
from postroom_contract.rules import (
    Action,
    AddTag,
    AutoReply,
    Condition,
    Delete,
    FlagOnServer,
    Forward,
    MarkRead,
    MoveOnServer,
    Operator,
    Reject,
    SetImportance,
    Stop,
    Test,
)

_FIELDS: Final = {
    "from": ("From",), "cc": ("Cc",), "bcc": ("Bcc",), "reply_to": ("Reply-To",),
    "sender": ("Sender",), "subject": ("Subject",), "list_id": ("List-Id",),
}  # fmt: skip
_ADDRESSES: Final = {"from", "to", "cc", "bcc", "reply_to", "sender"}
_PARTS: Final = {
    "whole": ":all", "address": ":all", "local": ":user", "detail": ":detail", "domain": ":domain",
}  # fmt: skip
_SUBADDRESS: Final = {"local", "detail"}
"""What RFC 5233 has words for: our `local` is without what stands behind the plus."""
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
        """Return a test; CannotError names what has no words."""
        if isinstance(what, Test):
            text = self._test(what)
            return f"not {text}" if what.negate else text
        if not what.of:
            return "false" if what.mode == "any" else "true"
        inner = ",\n  ".join(self.condition(one) for one in what.of)
        if what.mode == "all":
            return f"allof({inner})"
        return f"anyof({inner})" if what.mode == "any" else f"not anyof({inner})"

    def _test(self, test: Test) -> str:  # noqa: C901, PLR0911 - a table of kinds
        if test.field == "size":
            return _size(test)
        if test.operator == "exists":
            names = (test.header or "",) if test.field == "header" else _FIELDS.get(test.field)
            if not names:
                raise CannotError(f"whether there is {test.field}")
            return f"exists {quoted(names[0])}"
        how, keys = self._match(test)
        if test.part in _SUBADDRESS:
            self.need("subaddress")
        if test.field in {"envelope_from", "envelope_to"}:
            self.need("envelope")
            place = test.field.removeprefix("envelope_")
            return f'envelope {_PARTS[test.part]} {how} "{place}" {keys}'
        if test.field == "body":
            self.need("body")
            return f"body :text {how} {keys}"
        if test.field == "header":
            return f"header {how} {quoted(test.header or '')} {keys}"
        if test.field == "to" and test.part in _PARTS:
            # Also the recipient of a blind copy, which stands in no header.
            self.need("envelope")
            part = _PARTS[test.part]
            return f'anyof(address {part} {how} "To" {keys}, envelope {part} {how} "to" {keys})'
        names = _FIELDS.get(test.field)
        if names is None or test.part not in _PARTS:
            raise CannotError(f"the {test.part} of {test.field}")
        if test.field in _ADDRESSES and (test.part != "whole" or test.operator == "equals"):
            return f"address {_PARTS[test.part]} {how} {quoted(names[0])} {keys}"
        return f"header {how} {quoted(names[0])} {keys}"

    def _match(self, test: Test) -> tuple[str, str]:
        kinds: dict[Operator, str] = {
            "contains": ":contains", "equals": ":is", "wildcard": ":matches", "regex": ":regex",
            "starts": ":matches", "ends": ":matches",
        }  # fmt: skip
        if test.operator not in kinds:
            raise CannotError(f"the comparison {test.operator} of {test.field}")
        values = list(test.values)
        if test.operator == "regex":
            self.need("regex")
        elif test.operator == "wildcard":
            values = [one.replace("\\", "\\\\") for one in values]
        elif test.operator in {"starts", "ends"}:
            plain = [re.sub(r"([*?\\])", r"\\\1", one) for one in values]
            values = [f"{one}*" if test.operator == "starts" else f"*{one}" for one in plain]
        return kinds[test.operator], quoted_list(values)

    def action(self, what: Action) -> str:  # noqa: PLR0911 - a table of kinds
        """Return a command; CannotError names what has no words."""
        match what:
            case AddTag(tag) if _FLAG.fullmatch(tag):
                self.need("imap4flags")
                return f"addflag {quoted(tag)};"
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
                return f"redirect :copy {quoted(to)};"
            case Reject(text):
                self.need("reject")
                return f"reject {quoted(text)};"
            case MoveOnServer(folder) if "{" not in folder and not folder.startswith("\\"):
                self.need("fileinto")
                return f"fileinto {quoted(folder)};"
            case AutoReply(text, subject, days) if "{" not in text:
                self.need("vacation")
                words = "" if "{" in subject else f" :subject {quoted(subject)}"
                return f"vacation :days {days}{words} {quoted(text)};"
            case Stop("all"):
                return "stop;"
            case _:
                raise CannotError(f"the action {what.__struct_config__.tag}")


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
        except CannotError as error:
            sieve.left_out.append(LeftOut(rule.name, f"Sieve cannot ask for {error}"))
            continue
        commands = []
        for action in rule.actions:
            try:
                commands.append(sieve.action(action))
            except CannotError as error:
                sieve.left_out.append(LeftOut(rule.name, f"Sieve has no words for {error}"))
        if commands:
            title = " ".join(rule.name.split())
            body = "\n".join(f"  {one}" for one in commands)
            blocks.append(f"# rule:[{title}]\nif {condition}\n{{\n{body}\n}}\n")
    needs = f"require {quoted_list(sorted(sieve.needs))};\n\n" if sieve.needs else ""
    return needs + "\n".join(blocks), sieve.left_out


def _size(test: Test) -> str:
    if test.operator not in {"less", "greater"} or not all(one.isdecimal() for one in test.values):
        raise CannotError(f"the comparison {test.operator} of size")
    how = ":under" if test.operator == "less" else ":over"
    tests = [f"size {how} {value}" for value in test.values]
    return tests[0] if len(tests) == 1 else f"anyof({', '.join(tests)})"
