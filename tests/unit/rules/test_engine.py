"""What the engine decides is what rules mean, however many there are and however it finds out."""

from pathlib import Path

import msgspec
import pytest

from postroom_contract.mail import Authentication
from postroom_contract.rules import AddTag, Group, Stop
from postroom_mail.read import read
from postroom_rules.domain import patterns
from postroom_rules.domain.decide import MATCHED_BYTES, RULE_SECONDS, TRACE_BYTES, decide
from postroom_rules.domain.facts import Facts, facts_of
from postroom_rules.domain.plan import FIRST, TRACED, Plan, Ruleset
from support import plain_rules
from support.chance import SEED, chance
from support.corpora import SHARED, sample, spam_and_ham
from support.random_rules import RandomRules
from support.rules import ALWAYS, check, envelope, facts, rule

CORPUS = Path(__file__).parents[2] / "corpus"


def mails(number: int) -> list[Facts]:
    """Facts of real mails: those committed here, and some of the corpora where they are."""
    paths = [p for p in sorted(CORPUS.glob("*/*")) if p.is_file()]
    if SHARED.is_dir():
        paths += sample(spam_and_ham(), number, SEED, "rules")
    found = []
    for at, path in enumerate(paths):
        raw = path.read_bytes()
        came = envelope(
            size=len(raw),
            source=("smtp", "imap")[at % 2],
            sender=("", "anna@example.net")[at % 3 > 0],
            authentication=Authentication(spf=("pass", "fail", "none")[at % 3]),
        )
        found.append(facts_of(read(raw), came, own_marker=False))
    return found


MAILS = mails(60)


def bounded(decision):
    """A decision as the plain one is known from it: trace and notes apart."""
    return msgspec.structs.replace(decision, trace=(), notes=())


@pytest.mark.parametrize("case", range(6))
def test_it_decides_as_rules_mean(case: int) -> None:
    """Random rules, real mail: the same decision, and the same trace where it is all asked for."""
    random = chance("engine", case)
    made = RandomRules(random, MAILS)
    ours, own, after = (random.randrange(0, 150) for _ in range(3))
    ruleset = Ruleset(
        7,
        made.rules(ours),
        made.rules(own, start=1000),
        made.rules(after, start=2000),
    )
    plan = Plan(ruleset)
    for one in random.sample(MAILS, min(25, len(MAILS))):
        plain = plain_rules.decide(one, ruleset)
        assert msgspec.structs.replace(decide(one, plan, full=True), notes=()) == plain
        found = decide(one, plan)
        assert bounded(found) == bounded(plain)
        assert is_cut(found.trace, plain.trace, FIRST if len(plan.rules) > TRACED else TRACED)
        left_out = len(plain.trace) - len(found.trace)
        assert any(str(left_out) in note or left_out == 1 for note in found.notes) or not left_out


def is_cut(trace, plain, first) -> bool:
    """Whether it is all that matched, broke or came early, and nothing is in it but what was."""
    early = {one.rule for one in plain[:first]}
    wanted = [one for one in plain if one.matched or one.done or one.rule in early]
    size = sum(len(c.value) + len(c.condition) for one in wanted for c in one.conditions)
    if size < TRACE_BYTES // 2:
        return list(trace) == wanted
    known = {one.rule: one for one in plain}
    strict = [one.rule for one in plain if one.matched or one.done]
    return (
        all(known[one.rule].done == one.done for one in trace)
        and [one.rule for one in trace if one.matched or one.done] == strict
    )


@pytest.fixture(scope="module")
def made() -> RandomRules:
    return RandomRules(chance("engine properties"), MAILS)


def test_asking_again_gives_the_same(made: RandomRules) -> None:
    plan = Plan(Ruleset(1, made.rules(120)))
    first = [decide(one, plan) for one in MAILS]
    assert [decide(one, plan) for one in reversed(MAILS)] == first[::-1]


def test_what_stands_below_a_stop_changes_nothing(made: RandomRules) -> None:
    above, below = made.rules(70), made.rules(70, start=100)
    stop = rule("stop", ALWAYS, Stop())
    for one in MAILS[:20]:
        found = decide(one, Ruleset(1, (*above, stop, *below)))
        assert found == decide(one, Ruleset(1, (*above, stop)))


def test_a_rule_in_the_shadow_changes_nothing(made: RandomRules) -> None:
    rules = made.rules(60)
    shadows = [msgspec.structs.replace(r, shadow=True) for r in made.rules(60, start=100)]
    mixed = [one for pair in zip(shadows, rules, strict=True) for one in pair]
    for one in MAILS[:20]:
        found = decide(one, Ruleset(1, tuple(mixed)))
        assert bounded(found) == bounded(decide(one, Ruleset(1, rules)))


def test_the_order_of_rules_that_do_not_meddle_is_no_matter(made: RandomRules) -> None:
    """Each puts a tag of its own on the mail, and stops nothing."""
    rules = [
        msgspec.structs.replace(one, then=(AddTag(one.name),), shadow=False)
        for one in made.rules(30, stops=False)
    ]
    for one in MAILS[:20]:
        forth = decide(one, Ruleset(1, tuple(rules)))
        back = decide(one, Ruleset(1, tuple(reversed(rules))))
        assert sorted(forth.tags) == sorted(back.tags)


def many(number: int, *, start: int = 0):
    """Rules that match nothing."""
    return tuple(rule(f"n{n}", check("subject", "contains", f"no{n}no"), AddTag("x"))
                 for n in range(start, start + number))  # fmt: skip


def test_of_many_rules_that_do_not_match_a_note_says_how_many() -> None:
    hit = rule("hit", check("subject", "contains", "invoice"), AddTag("y"))
    found = decide(facts(), Ruleset(1, (*many(500), hit, *many(10, start=500))))
    assert [one.name for one in found.trace] == [*(f"n{n}" for n in range(FIRST)), "hit"]
    assert found.trace[-1].conditions[0].value == "Invoice 17 for May"
    assert found.notes == (f"{510 - FIRST} further rules were tried and did not match.",)
    whole = decide(facts(), Ruleset(1, (*many(500), hit)), full=True)
    assert (len(whole.trace), whole.notes) == (501, ())


def test_a_trace_has_a_bounded_size() -> None:
    long = "x" * 3_000
    misses = [
        rule(f"m{n}", check("subject", "contains", f"{n}{long}"), AddTag("x")) for n in range(40)
    ]
    found = decide(facts(), Ruleset(1, tuple(misses)))
    assert len(found.trace) == TRACE_BYTES // 3_200
    assert found.notes == (f"{40 - len(found.trace)} further rules were tried and did not match.",)
    hits = [
        rule(f"h{n}", check("subject", "contains", "may", f"{n}{long}"), AddTag(f"t{n}"))
        for n in range(200)
    ]
    found = decide(facts(), Ruleset(1, tuple(hits)))
    assert len(found.trace) == 200
    assert all(one.done for one in found.trace)
    assert 0 < sum(bool(one.conditions) for one in found.trace) < MATCHED_BYTES // 3_000
    assert "left out" in found.notes[0]


def test_rules_have_so_much_time() -> None:
    """A clock that jumps with each look at it: what was done stays, the rest is not tried."""
    now = iter(range(1_000_000))
    rules = [rule(f"r{n}", ALWAYS, AddTag(f"t{n}")) for n in range(10)]
    found = decide(facts(), Ruleset(1, tuple(rules)), ticks=lambda: float(next(now)))
    assert found.tags == ("t0", "t1", "t2")[: int(RULE_SECONDS)]
    left = 10 - len(found.tags)
    assert found.notes == (f"{left} further rules were not tried: the rules before took too long.",)


def test_a_rule_that_breaks_is_traced_wherever_it_stands() -> None:
    broken = rule("broken", check("size", "greater", "huge"), AddTag("x"))
    hidden = Group(mode="all", of=(check("subject", "contains", "nothing"), broken.when))
    rules = (
        *many(200),
        broken,
        rule("hidden", hidden, AddTag("x")),
        rule("last", ALWAYS, AddTag("y")),
    )
    found = decide(facts(), Ruleset(1, rules))
    assert found.tags == ("y",)
    assert [(one.name, one.done[0][:7]) for one in found.trace[-3:]] == [
        ("broken", "skipped"), ("hidden", "skipped"), ("last", "tagged "),
    ]  # fmt: skip


def test_patterns_that_do_not_fit_together_are_asked_in_parts(monkeypatch) -> None:
    """Sets of little memory are cut in two, and again; decisions are the same."""
    shapes = [rf"(\w+)[a-z]{{1,{n % 40 + 2}}}\d{n}|may" for n in range(120)]
    rules = [
        rule(f"r{n}", check("subject", "regex", one), AddTag(f"t{n % 9}"))
        for n, one in enumerate(shapes)
    ]
    ruleset = Ruleset(1, tuple(rules))
    wanted = decide(facts(), ruleset, full=True)
    monkeypatch.setattr(patterns, "MEMORY_BYTES", 60_000)
    plan = Plan(ruleset)
    assert msgspec.structs.replace(
        decide(facts(), plan), notes=(), trace=()
    ) == msgspec.structs.replace(wanted, trace=())


def test_a_pass_that_is_slow_is_not_made_again() -> None:
    shapes = [
        rule(f"r{n}", check("subject", "regex", rf"may\b|zz{n}"), AddTag("x")) for n in range(80)
    ]
    plan = Plan(Ruleset(1, tuple(shapes)))
    now = iter(range(0, 10_000_000, 1))
    slow = decide(facts(), plan, ticks=lambda: next(now) / 2)
    again = decide(facts(), plan)
    assert len([one for one in again.trace if one.matched]) == 80
    assert slow.notes
