"""Whether a rule can be run at all, said when it is saved and not when mail arrives."""

from collections.abc import Iterator

from postroom_contract.rules import Action, Condition, Forward, MoveOnServer, Reject, Test
from postroom_mail.address import AddressError, parse_address
from postroom_rules.domain import patterns

MAX_DEPTH = 8
MAX_TESTS = 100
MAX_FOLDER = 200
MAX_REPLY = 200
_NUMERIC = frozenset({"less", "greater"})


def problems(when: Condition, then: tuple[Action, ...]) -> Iterator[tuple[str, str]]:
    """Yield (JSON pointer, sentence) for everything that is wrong."""
    tests = list(_tests(when, "/condition", 1))
    if len(tests) > MAX_TESTS:
        yield "/condition", f"a rule has at most {MAX_TESTS} comparisons"
    for pointer, test in tests:
        if test is None:
            yield pointer, f"conditions are nested at most {MAX_DEPTH} deep"
        else:
            yield from _test_problems(pointer, test)
    for index, action in enumerate(then):
        if isinstance(action, Forward):
            try:
                parse_address(action.to)
            except AddressError as error:
                yield f"/actions/{index}/to", f"no e-mail address: {error}"
        if isinstance(action, Reject) and not is_reply_text(action.text):
            yield f"/actions/{index}/text", "one line of 1 to 200 ASCII characters"
        if isinstance(action, MoveOnServer):
            name = action.folder
            if not name.strip() or len(name) > MAX_FOLDER or any(c < " " for c in name):
                yield f"/actions/{index}/folder", "no name of a folder"


def is_reply_text(text: str) -> bool:
    """Return whether a text can stand in a reply of SMTP (RFC 5321 §4.2)."""
    return 0 < len(text.strip()) <= MAX_REPLY and text.isascii() and text.isprintable()


def _tests(what: Condition, pointer: str, depth: int) -> Iterator[tuple[str, Test | None]]:
    if isinstance(what, Test):
        yield pointer, what
    elif depth > MAX_DEPTH:
        yield pointer, None
    else:
        for index, part in enumerate(what.of):
            yield from _tests(part, f"{pointer}/of/{index}", depth + 1)


def _test_problems(pointer: str, test: Test) -> Iterator[tuple[str, str]]:
    if not test.values:
        yield f"{pointer}/values", "a comparison needs a value"
    if test.field == "header" and not test.header:
        yield f"{pointer}/header", "say which header is meant"
    numeric = test.operator in _NUMERIC
    if numeric and test.field != "size":
        yield f"{pointer}/operator", "only the size can be less or greater"
    if test.field == "size" and not numeric and test.operator != "equals":
        yield f"{pointer}/operator", "a size is less, greater or equal (equals)"
    for index, value in enumerate(test.values):
        problem = _value_problem(test, value)
        if problem:
            yield f"{pointer}/values/{index}", problem


def _value_problem(test: Test, value: str) -> str | None:
    try:
        if test.operator == "regex":
            patterns.regex(value)
        elif test.operator == "wildcard":
            patterns.wildcard(value)
        elif test.field == "size":
            float(value)
    except patterns.PatternError as error:
        return str(error)
    except ValueError:
        return f"{value!r} is no number of bytes"
    return None
