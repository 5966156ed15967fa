"""No pattern of a user takes long, or much memory: RE2, with limits on what is saved."""

import time

import pytest

from postroom_contract.rules import AddTag
from postroom_rules.domain.checks import problems
from postroom_rules.domain.decide import decide
from postroom_rules.domain.patterns import PATTERN_LENGTH, PatternError, regex
from postroom_rules.domain.plan import Plan, Ruleset
from support.chance import chance
from support.rules import check, facts, rule

KNOWN = (
    "(a+)+$", "([a-zA-Z]+)*$", "(a|aa)+$", "(a|a?)+$", "(.*a){20}$", "^(([a-z])+.)+[A-Z]([a-z])+$",
    "(x+x+)+y", r"(\d+)*\w+!", r"^(\w+\s?)*$", "(a*)*b", "(a|b|ab)*c", "((a*)*)*b", "(.*)*x$",
    r"([\w.]+)+@", "a*a*a*a*a*a*b", "(?:a?){30}a{30}b", "(a{1,30}){1,9}!", r"\s+$|x", "(^a*)*$z",
    "(([^!]*)+)!!",
)  # fmt: skip


def bad(random) -> str:
    """A repetition of a repetition, a few deep, and something behind it that is not there."""
    inner = random.choice(("a", "[a-z]", ".", r"\w", "a|aa", "a?", "ab|a", "[^!]"))
    for _ in range(random.randrange(1, 4)):
        inner = f"({inner}){random.choice(('*', '+', '{2,5}', '?', '*?', '{1,3}'))}"
    return inner + random.choice(("$", "!", "b$", r"\d!", "!!$"))


@pytest.mark.parametrize("case", range(4))
def test_no_pattern_takes_long(case: int) -> None:
    random = chance("redos", case)
    patterns = (*KNOWN, *(bad(random) for _ in range(40)))
    text = "".join(random.choice(("a", "a", "ab", "a a")) for _ in range(200_000))[:256_000]
    subject = facts(b"From: a@b.c\r\nSubject: x\r\n\r\n" + text.encode() + b"?\r\n")
    rules = [
        rule(str(n), check("body", "regex", one), AddTag("x")) for n, one in enumerate(patterns)
    ]
    assert all(not list(problems(one.when, ())) for one in rules)
    plan = Plan(Ruleset(1, tuple(rules)))
    began = time.perf_counter()
    decide(subject, plan)
    assert time.perf_counter() - began < 60  # a deadline for safety; RE2 takes milliseconds each


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (r"(a)\1", "invalid escape"),
        ("(?=a)b", "invalid perl operator"),
        ("(?<!a)b", "invalid"),
        ("(?>a)", "invalid"),
        ("a**", "bad repetition"),
        ("a{1001}", "invalid repetition size"),
        ("((a{100}){100}){100}", "invalid repetition size"),
        (r"\pL{300}", "steps"),
        (r"(\pL{50}){20}", "pattern too large"),
        (r"[\pL\pN]{900}", "pattern too large"),
        (".{1000}", "8004 steps"),
        (r"(\w{30}){30}", "steps"),
        ("a" * (PATTERN_LENGTH + 1), "at most 500 characters"),
        ("(" * 100, "missing"),
        ("[z-a]", "range"),
    ],
)
def test_what_is_refused_says_why(pattern: str, words: str) -> None:
    ((where, said),) = problems(check("body", "regex", pattern), ())
    assert where == "/condition/values/0"
    assert words in said


def test_what_was_saved_before_the_limit_is_still_run() -> None:
    when = check("subject", "regex", ".{1000}|invoice")
    assert decide(facts(), Ruleset(1, (rule("old", when, AddTag("x")),))).tags == ("x",)


def words_of(pattern: str) -> str:
    try:
        regex(pattern)
    except PatternError as error:
        return str(error)
    return ""


def test_a_pattern_by_chance_is_compiled_or_refused_with_words() -> None:
    random = chance("patterns")
    pieces = ("(", ")", "[", "]", "*", "+", "?", "{2}", "{9,}", "\\", "|", "^", "$", ".", "a", "ß",
              "\\d", "\\pL", "(?i)", "(?:", "\\Q", "\x00", "-", ",", "{1000}", "\\x{10FFFF}")  # fmt: skip
    for _ in range(2_000):
        pattern = "".join(random.choice(pieces) for _ in range(random.randrange(12)))
        assert words_of(pattern).partition(": ")[0] in {"", "this pattern is not understood"}
