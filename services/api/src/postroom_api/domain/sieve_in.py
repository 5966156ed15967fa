"""Rules in from Sieve (RFC 5228; 5229 to 5233, 3894 and 5429 as far as rules have words for them).

Each block becomes a rule: an `elsif` asks that what stood before it does not hold, unless that
ended with `stop`. Sieve keeps a mail unless a command says otherwise, and so do we.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec

from postroom_api.domain.rules_elsewhere import (
    MOST_RULES,
    CannotError,
    CarriedRule,
    LeftOut,
    UnreadableError,
)
from postroom_api.domain.sieve import Call, GrammarError, parse
from postroom_api.domain.sieve_commands import COMMANDS, Arguments, arguments_of, keeps
from postroom_contract.rules import (
    Action,
    Condition,
    Delete,
    Field,
    Group,
    Operator,
    Part,
    Stop,
    Test,
)

ALWAYS: Final = Group(mode="all", of=())
NEVER: Final = Group(mode="any", of=())
NAME_LENGTH: Final = 100
LONGEST_CHAIN: Final = 100
"""Each asks that all before it do not hold."""
BLIND_TOO: Final = LeftOut("", "an address in To is also found where the mail came as a blind copy")

_KINDS: Final = {"is", "contains", "matches", "regex"}
_FIELDS: Final[dict[str, Field]] = {
    "from": "from", "to": "to", "cc": "cc", "bcc": "bcc", "reply-to": "reply_to",
    "sender": "sender",
}  # fmt: skip
_PARTS: Final[dict[str, Part]] = {
    "all": "address", "domain": "domain", "user": "local", "detail": "detail",
}  # fmt: skip
_COMPARATORS: Final = {"i;ascii-casemap", "i;unicode-casemap"}
_TITLE: Final = re.compile(r"(?i)(?:rule|filter)\s*:\s*\[(?P<name>.*)\]\s*\Z")
_STRINGS_FILLED: Final = {"variables", "encoded-character"}


def from_sieve(text: str) -> tuple[list[CarriedRule], list[LeftOut]]:
    """Return the rules of a script, and what they do not say; UnreadableError."""
    try:
        calls = parse(text)
    except GrammarError as error:
        raise UnreadableError(f"this is no Sieve script: {error}") from error
    reader = _Script()
    reader.block(calls, (), "")
    return reader.rules, reader.left_out + ([BLIND_TOO] if reader.asks_to else [])


class _Script:
    """What a script came to by now."""

    def __init__(self) -> None:
        self.rules: list[CarriedRule] = []
        self.left_out: list[LeftOut] = []
        self.asks_to = False
        self._filled = False
        """Strings hold `${…}`, which is filled in when the mail comes."""
        self._unkept = False
        """A rule deletes and goes on, so that a later `keep` would undo it."""
        self._number = 0

    def block(self, calls: Sequence[Call], path: tuple[Condition, ...], title: str) -> None:
        """Go through the commands of a block that is reached when all of `path` holds."""
        chain = _Chain()
        actions: list[Call] = []
        for call in calls:
            if call.name == "if" or call.name not in {"elsif", "else", "require"}:
                chain = _Chain()
            if call.name in {"if", "elsif", "else"}:
                self._rule(actions, path, title)
                actions = []
                self._branch(call, chain, path, title)
            elif call.name == "require":
                words = {word for one in call.arguments if isinstance(one, list) for word in one}
                self._filled |= bool(words & _STRINGS_FILLED)
            else:
                actions.append(call)
                title = title or (_titled(call.title) if not path else "")
        self._rule(actions, path, title)

    def _branch(self, call: Call, chain: "_Chain", path: tuple[Condition, ...], title: str) -> None:
        title = _titled(call.title) or title
        inner = call.block or []
        stops = bool(inner) and inner[-1].name == "stop"
        try:
            holds = self._asked(call, chain)
        except CannotError as error:
            chain.unsaid = True
            name = self._named(title)
            self.left_out.append(LeftOut(name, f"our rules cannot ask for {error}"))
            if stops:
                words = "it would stop there: what follows is now tried for its mails too"
                self.left_out.append(LeftOut(name, words))
            return
        before = (_none(chain.before),) if chain.before else ()
        if not stops:
            chain.before.append(holds)
        if len(chain.before) > LONGEST_CHAIN:
            raise UnreadableError(f"line {call.line}: more than {LONGEST_CHAIN} elsif that go on")
        if holds == NEVER:
            self.left_out.append(LeftOut(self._named(title), "it is switched off"))
        else:
            own = () if holds == ALWAYS else (holds,)
            self.block(inner, (*path, *before, *own), title)

    def _rule(self, calls: Sequence[Call], path: tuple[Condition, ...], title: str) -> None:
        """Make a rule of the commands that stand next to each other."""
        if not calls:
            return
        actions: list[Action] = []
        untold: list[str] = []
        kept = any(keeps(one) for one in calls)
        for call in calls:
            try:
                actions += self._actions(call, kept=kept)
            except CannotError as error:
                untold.append(f"our rules have no words for {call.name} {error}".strip())
        worth = [one for one in actions if not isinstance(one, Stop)]
        if kept and self._unkept:
            untold.append("keep: what a rule before it deletes is not kept by it")
        if not worth and not untold and not actions:
            return  # a keep by itself: that is what happens anyway
        name = self._named(title)
        self.left_out += [LeftOut(name, words) for words in untold]
        if not worth and untold:
            self.left_out.append(LeftOut(name, "the whole rule: nothing of it is left"))
            return
        self._unkept |= Delete() in actions and not any(isinstance(one, Stop) for one in actions)
        if len(self.rules) == MOST_RULES:
            raise UnreadableError(f"a script may mean at most {MOST_RULES} rules")
        condition = path[0] if len(path) == 1 else Group(mode="all", of=path)
        self.rules.append(CarriedRule(name=name, condition=condition, actions=actions))

    def _named(self, title: str) -> str:
        self._number += 1
        return title or f"Sieve rule {self._number}"

    # Tests ---------------------------------------------------------------------------------------

    def _asked(self, call: Call, chain: "_Chain") -> Condition:
        if chain.unsaid:
            raise CannotError("what stood before it")
        return ALWAYS if call.name == "else" else self._only_test(call)

    def _only_test(self, call: Call) -> Condition:
        if len(call.tests) != 1:
            raise CannotError(f"{call.name} without one test")
        return self._test(call.tests[0])

    def _test(self, call: Call) -> Condition:
        """Return a condition; CannotError names what there are no words for."""
        match call.name:
            case "true":
                return ALWAYS
            case "false":
                return NEVER
            case "not":
                return _not(self._only_test(call))
            case "allof":
                found = tuple(one for one in map(self._test, call.tests) if one != ALWAYS)
                return NEVER if NEVER in found else _together("all", found)
            case "anyof":
                found = tuple(one for one in map(self._test, call.tests) if one != NEVER)
                return ALWAYS if ALWAYS in found else _together("any", found)
        read = {
            "header": self._header, "address": self._address, "envelope": self._envelope,
            "body": self._body, "exists": self._exists, "size": self._size,
        }.get(call.name)  # fmt: skip
        if read is None:
            raise CannotError(f"the test {call.name}")
        if self._filled and any("${" in text for text in _texts(call)):
            raise CannotError("a text with variables")
        return read(arguments_of(call))

    def _header(self, said: Arguments) -> Condition:
        how, keys = _comparison(said, said.strings(1))
        tests = []
        for name in said.strings(0):
            plain = name.lower()
            if plain == "subject":
                tests.append(_compared(how, keys, field="subject"))
            else:
                tests.append(_compared(how, keys, field="header", header=name))
        return _together("any", tuple(tests))

    def _address(self, said: Arguments) -> Condition:
        how, keys = _comparison(said, said.strings(1), *_PARTS, "localpart")
        tests = []
        for name in said.strings(0):
            field = _FIELDS.get(name.lower())
            if field is None:
                raise CannotError(f"the addresses in {name}")
            self.asks_to |= field == "to"
            tests.append(_address_test(said, how, keys, field))
        return _together("any", tuple(tests))

    def _envelope(self, said: Arguments) -> Condition:
        how, keys = _comparison(said, said.strings(1), *_PARTS, "localpart")
        tests: list[Condition] = []
        for name in said.strings(0):
            if name.lower() not in {"from", "to"}:
                raise CannotError(f"{name} of the envelope")
            field: Field = "envelope_from" if name.lower() == "from" else "envelope_to"
            if keys == [""] and how == "is" and field == "envelope_from":
                tests.append(Test(field=field, operator="exists", negate=True))  # a null sender
            else:
                tests.append(_address_test(said, how, keys, field))
        return _together("any", tuple(tests))

    def _body(self, said: Arguments) -> Condition:
        how, keys = _comparison(said, said.strings(0), "text")
        return _compared(how, keys, field="body")

    def _exists(self, said: Arguments) -> Condition:
        said.only()
        tests = tuple(
            Test(field="header", operator="exists", header=name) for name in said.strings(0)
        )
        return _together("all", tests)

    def _size(self, said: Arguments) -> Condition:
        said.only("over", "under")
        if len(said.tags) != 1 or len(said.plain) != 1 or not isinstance(said.plain[0], int):
            raise CannotError("a size without a number")
        how: Operator = "greater" if "over" in said.tags else "less"
        return Test(field="size", operator=how, values=(str(said.plain[0]),))

    # Actions -------------------------------------------------------------------------------------

    def _actions(self, call: Call, *, kept: bool) -> Iterator[Action]:
        """Return what a command does; CannotError says how it cannot be said."""
        if call.block is not None or call.tests:
            raise CannotError("")
        if self._filled and any("${" in text for text in _texts(call)):
            raise CannotError("with variables")
        command = COMMANDS.get(call.name)
        if command is None:
            raise CannotError("")
        said = arguments_of(call)
        yield from command(said)
        if call.name == "redirect" and "copy" not in said.tags and not kept:
            yield Delete()
        if call.name == "discard" and not kept:
            yield Delete()
        if call.name == "vacation":
            for tag in ("from", "addresses"):
                if tag in said.tags:
                    raise CannotError(f"with :{tag}; it answers without")


class _Chain:
    """What stood before an `elsif`."""

    def __init__(self) -> None:
        self.before: list[Condition] = []
        self.unsaid = False


def _titled(comment: str) -> str:
    """Return the name that a comment gives; empty for what is none."""
    found = _TITLE.match(comment)
    name = " ".join((found["name"] if found else comment).split())
    return name if len(name) <= NAME_LENGTH else ""


def _texts(call: Call) -> Iterator[str]:
    for one in call.arguments:
        if isinstance(one, list):
            yield from one


def _together(mode: Literal["all", "any"], found: tuple[Condition, ...]) -> Condition:
    return found[0] if len(found) == 1 else Group(mode=mode, of=found)


def _none(found: Sequence[Condition]) -> Condition:
    return _not(found[0]) if len(found) == 1 else Group(mode="none", of=tuple(found))


def _not(one: Condition) -> Condition:
    if isinstance(one, Test):
        return msgspec.structs.replace(one, negate=not one.negate)
    if one in {ALWAYS, NEVER}:
        return NEVER if one == ALWAYS else ALWAYS
    if one.mode == "all":
        return Group(mode="none", of=(one,))
    if one.mode == "none" and len(one.of) == 1:
        return one.of[0]
    return Group(mode="none" if one.mode == "any" else "any", of=one.of)


def _comparison(said: Arguments, keys: list[str], *parts: str) -> tuple[str, list[str]]:
    """Return how the keys are compared; CannotError where we cannot."""
    said.only("comparator", *_KINDS, *parts)
    if len(said.tags.keys() & _KINDS) > 1:
        raise CannotError("two comparisons at once")
    for name in said.value("comparator"):
        if name not in _COMPARATORS:
            raise CannotError(f"the comparator {name}")
    if not keys:
        raise CannotError("a comparison with nothing")
    return next(iter(said.tags.keys() & _KINDS), "is"), keys


def _compared(
    how: str, keys: Sequence[str], *, field: Field, header: str | None = None, part: Part = "whole"
) -> Condition:
    """Return a comparison with any of the keys."""
    if how in {"contains", "matches"} and {"", "*"} & {*keys} == {*keys}:
        if "" in keys and how == "matches":
            raise CannotError("an empty text")
        return Test(field=field, operator="exists", header=header)
    if "" in keys:
        raise CannotError("an empty text")
    operators: dict[str, Operator] = {"is": "equals", "contains": "contains", "regex": "regex"}
    operator, values = operators.get(how, "wildcard"), tuple(keys)
    if how == "matches" and any("\\" in one for one in keys):
        operator = "regex"  # our wildcards know no way to write a star
        values = tuple(f"(?s)^{_shape(one, '.*', '.')}$" for one in keys)
    return Test(field=field, operator=operator, values=values, header=header, part=part)


def _shape(pattern: str, many: str, one: str) -> str:
    """Return the regex of a pattern of `:matches` (RFC 5228 §2.7.1)."""
    pieces = re.findall(r"\\.|[*?]|[^\\*?]+|\\", pattern, flags=re.DOTALL)
    shapes = {"*": many, "?": one}
    return "".join(
        shapes.get(piece) or re.escape(piece.removeprefix("\\") or piece) for piece in pieces
    )


def _address_test(said: Arguments, how: str, keys: Sequence[str], field: Field) -> Condition:
    asked = said.tags.keys() & {*_PARTS, "localpart"}
    if len(asked) > 1:
        raise CannotError("two parts of an address at once")
    part = next(iter(asked), "all")
    if part != "localpart":
        if "" in keys or (how == "matches" and "*" in keys):
            raise CannotError(f"whether there is a {part} of {field}")
        return _compared(how, keys, field=field, part=_PARTS[part])
    if how == "regex" or "" in keys:
        raise CannotError(f"{how} of a local part")
    if how == "is":
        values = tuple(f"{one}@" for one in keys)
        return Test(field=field, operator="starts", values=values, part="address")
    shapes = (
        (f".*{re.escape(one)}.*" if how == "contains" else _shape(one, ".*", ".")) for one in keys
    )
    values = tuple(f"^{shape}@[^@]*$" for shape in shapes)
    return Test(field=field, operator="regex", values=values, part="address")
