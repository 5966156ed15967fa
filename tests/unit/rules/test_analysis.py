"""What is said of rules as they stand together is so, for every mail."""

from itertools import product

import pytest

from postroom_contract.mail import Authentication
from postroom_contract.rules import (
    AddSpamRating,
    AddTag,
    Delete,
    FlagOnServer,
    Forward,
    Group,
    MarkSpam,
    MoveOnServer,
    Reject,
    SetImportance,
    SetSpamRating,
    Stop,
)
from postroom_rules.domain.analysis import findings
from postroom_rules.domain.decide import decide
from postroom_rules.domain.implying import always, conflict, implies, never
from postroom_rules.domain.plan import Ruleset
from support.chance import chance
from support.rules import ALWAYS, NEVER, check, evaluate, facts, rule


def both(*of) -> Group:
    return Group(mode="all", of=of)


def either(*of) -> Group:
    return Group(mode="any", of=of)


def neither(*of) -> Group:
    return Group(mode="none", of=of)


def said(*rules, own=(), after=(), addresses=()):
    found = findings(Ruleset(1, rules, own, after), addresses)
    return [
        (one.rule.removeprefix("rul_"), one.kind, (one.other or "").removeprefix("rul_"))
        for one in found
    ]


BILL = check("subject", "contains", "bill")
TAG = AddTag("x")


@pytest.mark.parametrize(
    ("above", "below"),
    [
        (ALWAYS, BILL),
        (BILL, BILL),
        (BILL, check("subject", "contains", "a BILL")),
        (BILL, check("subject", "equals", "Your bill")),
        (check("subject", "contains", "a", "bill"), BILL),
        (either(BILL, check("cc", "exists")), BILL),
        (BILL, both(check("cc", "exists"), BILL)),
        (both(BILL), both(BILL, check("cc", "exists"))),
        (check("cc", "exists"), check("cc", "ends", "@b.example")),
        (check("size", "greater", "10"), check("size", "between", "11..20")),
        (check("size", "between", "10..20"), check("size", "between", "10..20")),
        (check("time", "greater", "08:00"), check("time", "between", "09:00..10:00")),
        (neither(BILL), check("subject", "contains", "bill", negate=True)),
        (check("spf", "equals", "pass", negate=True), check("spf", "equals", "fail")),
        (neither(check("spf", "equals", "pass")), check("spf", "equals", "fail", "none")),
        (check("from", "starts", "a"), check("from", "starts", "anna")),
        (check("header", "exists", header="X-A"), check("header", "equals", "1", header="x-a")),
    ],
)
def test_what_an_earlier_rule_stops_is_never_reached(above, below) -> None:
    stops, later = rule("stops", above, Stop()), rule("later", below, TAG)
    assert said(stops, later) == [("later", "unreachable", "stops")]
    assert said(later, stops) == []
    assert said(rule("stops", above, Stop(), shadow=True), later) == []
    assert said(rule("stops", above, TAG, Reject("no")), later) == [
        ("later", "unreachable", "stops")
    ]


@pytest.mark.parametrize(
    ("above", "below"),
    [
        (BILL, ALWAYS),
        (check("subject", "contains", "a bill"), BILL),
        (check("subject", "contains", "bill", negate=True), BILL),
        (check("size", "greater", "10"), check("size", "between", "10..20")),
        (check("size", "greater", "huge"), check("size", "greater", "huge")),
        (both(BILL, check("subject", "regex", "(")), both(BILL, check("subject", "regex", "("))),
        (check("spam_rating", "greater", "5"), check("spam_rating", "greater", "5")),
        (
            check("header", "equals", "1", header="x-a"),
            check("header", "equals", "1", header="x-b"),
        ),
        (check("from", "equals", "a", part="local"), check("from", "equals", "a", part="detail")),
        (check("cc", "exists"), check("cc", "equals", "")),
        (check("spf", "equals", "pass", negate=True), check("to", "equals", "fail")),
        (check("to", "equals", "a@b", negate=True), check("to", "equals", "c@d")),
        (check("time", "between", "22:00..06:00"), check("time", "equals", "12:00")),
        (check("subject", "wildcard", "ß"), check("subject", "wildcard", "ss")),
    ],
)
def test_what_is_not_sure_is_not_said(above, below) -> None:
    assert said(rule("stops", above, Stop()), rule("later", below, TAG)) == []


def test_stops_end_their_layer_or_all() -> None:
    later = rule("later", BILL, TAG)
    for stop, ends in ((Stop("layer"), False), (Stop(), True), (Reject("no"), True)):
        found = said(rule("stops", ALWAYS, stop), own=(later,))
        assert found == ([("later", "unreachable", "stops")] if ends else [])
    # The last word of a rule counts.
    assert said(rule("stops", ALWAYS, Stop(), Stop("layer")), own=(later,)) == [
        ("stops", "no_effect", "")
    ]
    # Another rule may end the layer before, and the next one is tried.
    leaves = rule("leaves", check("cc", "exists"), Stop("layer"))
    assert said(leaves, rule("stops", ALWAYS, Stop()), own=(later,)) == []
    # A mail has so many actions: the refusal might not be done.
    full = rule("full", BILL, *(AddTag(f"t{n}") for n in range(32)))
    assert (
        said(full, rule("stops", ALWAYS, Reject("no")), rule("later", check("cc", "exists"), TAG))
        == []
    )


@pytest.mark.parametrize(
    "when",
    [
        NEVER,
        check("subject", "contains"),
        both(check("subject", "equals", "a"), check("subject", "equals", "B")),
        both(check("subject", "equals", "abc"), check("subject", "contains", "x")),
        both(check("subject", "starts", "ab"), both(check("subject", "starts", "b"))),
        both(check("size", "less", "5"), check("size", "greater", "10")),
        both(check("size", "less", "5"), check("size", "between", "5..9")),
        both(check("size", "equals", "5"), check("size", "greater", "5")),
        both(check("spf", "equals", "pass"), check("spf", "equals", "fail", "none")),
        both(check("weekday", "equals", "mon"), check("weekday", "equals", "sun")),
        both(check("date", "less", "2026-01-01"), check("date", "greater", "2026-01-01")),
        both(BILL, check("subject", "contains", "ill", negate=True)),
        both(check("cc", "equals", "a@b"), neither(check("cc", "exists"))),
        both(BILL, neither(ALWAYS)),
        either(both(check("robot", "equals", "yes"), check("robot", "equals", "no")), NEVER),
        both(check("spam_rating", "less", "5"), check("spam_rating", "greater", "50")),
    ],
)
def test_conditions_that_cannot_hold(when) -> None:
    assert said(rule("a", when, TAG)) == [("a", "contradiction", "")]


@pytest.mark.parametrize(
    "when",
    [
        both(check("to", "equals", "a@b"), check("to", "equals", "c@d")),
        both(
            check("header", "equals", "1", header="x"), check("header", "equals", "2", header="x")
        ),
        both(check("subject", "contains", "a"), check("subject", "contains", "b")),
        both(check("subject", "starts", "a"), check("subject", "starts", "ab")),
        both(check("size", "less", "10"), check("size", "greater", "5")),
        both(check("attachment_size", "less", "5"), check("attachment_size", "greater", "10")),
        both(check("time", "between", "22:00..06:00"), check("time", "equals", "23:00")),
        either(check("spf", "equals", "pass"), check("spf", "equals", "fail")),
        both(
            check("subject", "equals", "a", negate=True),
            check("subject", "equals", "b", negate=True),
        ),
    ],
)
def test_conditions_that_may_hold(when) -> None:
    assert said(rule("a", when, TAG)) == []


def test_a_contradiction_is_said_in_words() -> None:
    when = both(check("size", "less", "5"), check("size", "greater", "10"))
    (found,) = findings(Ruleset(1, (rule("a", when, TAG),)))
    assert (
        found.words
        == "It never matches: “size is less than “5”” and “size is greater than “10”” cannot both be."
    )


def test_a_rule_written_twice() -> None:
    first = rule("first", both(BILL, check("cc", "equals", "A", "b")), TAG)
    again = rule("again", both(check("cc", "equals", "B", "a"), BILL), TAG)
    assert said(first, own=(again,)) == [("again", "duplicate", "first")]
    assert said(first, rule("other", again.when, AddTag("y"))) == []
    assert said(first, rule("shadow", again.when, TAG, shadow=True)) == []


@pytest.mark.parametrize(
    ("then", "idle"),
    [
        ((SetImportance("low"), TAG, SetImportance("high")), 1),
        ((TAG, TAG), 1),
        ((TAG, AddTag("y")), 0),
        ((MarkSpam(True), MarkSpam(False)), 1),
        ((SetSpamRating(5), AddSpamRating(5)), 0),
        ((AddSpamRating(5), SetSpamRating(5)), 1),
        ((AddSpamRating(5), AddSpamRating(5)), 0),
        ((Delete(), Delete()), 1),
        ((MoveOnServer("A"), MoveOnServer("B")), 1),
        ((FlagOnServer("read"), FlagOnServer("starred")), 0),
        ((Forward("a@b.example"), Forward("a@b.example")), 1),
        ((Reject("no"), TAG), 1),
        ((Reject("no"), Stop()), 0),
        ((TAG, Reject("no")), 0),
        ((SetImportance("low"), *(AddTag(f"t{n}") for n in range(31)), SetImportance("high")), 0),
    ],
)
def test_actions_that_change_nothing(then, idle: int) -> None:
    found = said(rule("a", BILL, *then))
    assert found == [("a", "no_effect", "")] * idle


def test_mail_that_would_come_back() -> None:
    forwards = rule("a", BILL, Forward("Help@Example.org"), Forward("other@example.org"))
    assert said(forwards, addresses=("help@example.org",)) == [("a", "loop", "")]
    assert said(forwards) == []


SUBJECTS = ("", "a", "b", "ab", "ba", "aba", "A")
MAILS = [
    facts(
        f"From: x@b.c\r\nSubject: {subject}\r\n{''.join(f'X-H: {one}' + chr(13) + chr(10) for one in headers)}\r\n".encode(),
        size=size,
        authentication=Authentication(spf=spf),
    )
    for subject, size, spf, headers in product(
        SUBJECTS, (1, 2, 3), ("pass", "none"), ((), ("a", "b"))
    )
]


def small(random, depth: int = 0):
    """A condition of few words: many follow from one another."""
    if depth < 2 and random.random() < 0.5:
        parts = tuple(small(random, depth + 1) for _ in range(random.randrange(4)))
        return Group(mode=random.choice(("all", "any", "none")), of=parts)
    negate = random.random() < 0.3
    kind = random.choice(("subject", "header", "size", "spf"))
    if kind == "size":
        low, high = sorted(random.choice((0, 1, 1.5, 2, 3, 4)) for _ in range(2))
        operator = random.choice(("less", "greater", "between", "equals"))
        value = f"{low}..{high}" if operator == "between" else str(low)
        return check("size", operator, value, negate=negate)
    if kind == "spf":
        return check("spf", "equals", *random.sample(("pass", "none", "fail"), 2), negate=negate)
    operator = random.choice(("equals", "contains", "starts", "ends", "exists"))
    number = 0 if operator == "exists" else random.randrange(1, 3)
    values = [random.choice(SUBJECTS) for _ in range(number)]
    return check(kind, operator, *values, negate=negate, header="x-h" if kind == "header" else None)


def test_every_proof_is_one() -> None:
    """What follows, always holds or never holds by proof does so for each of these mails."""
    random = chance("implying")
    proofs = 0
    conditions = [small(random) for _ in range(250)]
    held = [[evaluate(one, mail)[0] for mail in MAILS] for one in conditions]
    for a, mine in zip(conditions, held, strict=True):
        assert not (always(a) and not all(mine)), a
        assert not ((never(a) or conflict(a)) and any(mine)), a
        for b, theirs in zip(conditions, held, strict=True):
            if implies(a, b):
                proofs += a != b
                assert all(y for x, y in zip(mine, theirs, strict=True) if x), (a, b)
    assert proofs > 1_000


@pytest.mark.parametrize("case", range(5))
def test_a_rule_of_which_it_is_said_never_matches(case: int) -> None:
    random = chance("analysis", case)
    actions = (TAG, Stop(), Stop("layer"), Reject("no"), SetImportance("high"))
    rules = [
        rule(str(n), small(random), random.choice(actions), shadow=random.random() < 0.1)
        for n in range(60)
    ]
    ruleset = Ruleset(1, tuple(rules[:20]), tuple(rules[20:40]), tuple(rules[40:]))
    idle = {one.rule for one in findings(ruleset) if one.kind in {"unreachable", "contradiction"}}
    assert idle
    for mail in MAILS:
        trace = decide(mail, ruleset, full=True).trace
        assert not idle & {one.rule for one in trace if one.matched}
