"""What the engine decides is what rules mean, however many there are and however it finds out."""

from pathlib import Path

import msgspec
import pytest

from postroom_contract.mail import Authentication
from postroom_mail.read import read
from postroom_rules.domain.decide import TRACE_BYTES, decide
from postroom_rules.domain.facts import Facts, facts_of
from postroom_rules.domain.plan import TRACED, Plan, Ruleset
from support import plain_rules
from support.chance import SEED, chance
from support.corpora import SHARED, sample, spam_and_ham
from support.random_rules import RandomRules
from support.rules import envelope

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
        assert is_cut(found.trace, plain.trace)
        left_out = len(plain.trace) - len(found.trace)
        assert any(str(left_out) in note or left_out == 1 for note in found.notes) or not left_out


def is_cut(trace, plain) -> bool:
    """Whether it is all that matched, broke or came early, and nothing is in it but what was."""
    early = {one.rule for one in plain[:TRACED]}
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
