"""Whether a rule can be run at all, said when it is saved and not when mail arrives."""

import math
import re
from collections.abc import Iterator

from postroom_contract.rules import (
    Action,
    AddTag,
    AutoReply,
    CallWebhook,
    Condition,
    Forward,
    MoveOnServer,
    OpenTicket,
    PublishEvent,
    Reject,
    Test,
)
from postroom_mail.address import AddressError, parse_address
from postroom_rules.domain import patterns
from postroom_rules.domain.conditions import RANGE
from postroom_rules.domain.values import ADDRESSES, NUMBERS, WEEKDAYS

MAX_DEPTH = 8
MAX_TESTS = 100
MAX_FOLDER = 200
MAX_REPLY = 200
MAX_TAG = 100
MAX_ANSWER = 10_000
_ORDERED = frozenset({"less", "greater", "between"})
_SHAPES = {
    "time": (re.compile(r"([01]\d|2[0-3]):[0-5]\d"), "a time is written as 22:15"),
    "date": (re.compile(r"\d{4}-\d\d-\d\d"), "a date is written as 2026-11-25"),
    "weekday": (
        re.compile("|".join(WEEKDAYS)),
        f"a weekday is one of {', '.join(WEEKDAYS)}",
    ),
    "robot": (re.compile("yes|no"), "it is yes or no"),
    "member": (re.compile("yes|no"), "it is yes or no"),
    "known_thread": (re.compile("yes|no"), "it is yes or no"),
}


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
        yield from _action_problems(f"/actions/{index}", action)


def _action_problems(at: str, action: Action) -> Iterator[tuple[str, str]]:
    match action:
        case Forward(to):
            try:
                parse_address(to)
            except AddressError as error:
                yield f"{at}/to", f"no e-mail address: {error}"
        case AddTag(tag) if not 0 < len(tag.strip()) <= MAX_TAG:
            yield f"{at}/tag", f"a tag has 1 to {MAX_TAG} characters"
        case AutoReply() | OpenTicket() | PublishEvent() | CallWebhook():
            yield from _effect_problems(at, action)
        case Reject(text) if not is_reply_text(text):
            yield f"{at}/text", "one line of 1 to 200 ASCII characters"
        case MoveOnServer(name):
            if not name.strip() or len(name) > MAX_FOLDER or any(c < " " for c in name):
                yield f"{at}/folder", "no name of a folder"
        case _:
            pass


def _effect_problems(
    at: str, action: AutoReply | OpenTicket | PublishEvent | CallWebhook
) -> Iterator[tuple[str, str]]:
    match action:
        case AutoReply(text) if not 0 < len(text.strip()) <= MAX_ANSWER:
            yield f"{at}/text", f"an answer has 1 to {MAX_ANSWER} characters"
        case AutoReply(subject=subject) if not 0 < len(subject.strip()) <= MAX_TAG:
            yield f"{at}/subject", f"a subject has 1 to {MAX_TAG} characters"
        case OpenTicket(queue) if len(queue) > MAX_TAG:
            yield f"{at}/queue", f"the name of a queue has at most {MAX_TAG} characters"
        case PublishEvent(name) if not 0 < len(name.strip()) <= MAX_TAG:
            yield f"{at}/name", f"the name of an event has 1 to {MAX_TAG} characters"
        case CallWebhook(webhook) if not webhook.startswith("whk_"):
            yield f"{at}/webhook", "say which webhook, by its id (whk_…)"
        case _:
            pass


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
    if not test.values and test.operator != "exists":
        yield f"{pointer}/values", "a comparison needs a value"
    if test.field == "header" and not test.header:
        yield f"{pointer}/header", "say which header is meant"
    ordered = test.operator in _ORDERED
    if ordered and test.field not in NUMBERS | {"time", "date"}:
        yield f"{pointer}/operator", "only sizes, counts, ratings and times can be less or greater"
    if test.field in NUMBERS and not ordered and test.operator not in {"equals", "exists"}:
        yield f"{pointer}/operator", "a number is less, greater, between or equal (equals)"
    if test.part != "whole" and test.field not in ADDRESSES:
        yield f"{pointer}/part", "only addresses have parts"
    for index, value in enumerate(test.values):
        problem = _value_problem(test, value)
        if problem:
            yield f"{pointer}/values/{index}", problem


def _value_problem(test: Test, value: str) -> str | None:
    try:
        if test.operator == "regex":
            patterns.check_regex(value)
        elif test.operator == "wildcard":
            patterns.wildcard(value)
        else:
            return _shape_problem(test, value)
    except patterns.PatternError as error:
        return str(error)
    return None


def _shape_problem(test: Test, value: str) -> str | None:
    ends = [value]
    if test.operator == "between":
        ends = [part.strip() for part in value.split(RANGE)]
        if len(ends) != 2:  # noqa: PLR2004 - the two ends of a range
            return f"{value!r} is no range: write it as 10{RANGE}20"
    if test.field in NUMBERS:
        wrong = next((one for one in ends if not _is_number(one)), None)
        return None if wrong is None else f"{wrong!r} is no number"
    shape, words = _SHAPES.get(test.field, (None, ""))
    if shape is not None and not all(shape.fullmatch(one) for one in ends):
        return f"{value!r}: {words}"
    return None


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
