"""Rules that Sieve knows too match the same mails: ours against Pigeonhole's `sieve-test`."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from postroom_api.domain.sieve_in import BLIND_TOO, from_sieve
from postroom_contract.rules import AddTag, Group
from postroom_mail.read import read
from postroom_rules.domain.decide import decide
from postroom_rules.domain.facts import facts_of
from postroom_rules.domain.plan import Plan, Ruleset
from support import pigeonhole
from support.chance import chance
from support.corpora import needs_corpora, spam_and_ham
from support.pigeonhole import Pigeonhole, script
from support.rule_mix import Mix, canonical, is_plain
from support.rules import check, envelope, rule

MISSING = pigeonhole.missing()
pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(MISSING is not None, reason=f"needs {MISSING}"),
]


def matched(raw: bytes, plan: Plan) -> frozenset[int]:
    facts = facts_of(read(raw), envelope(size=len(raw)), own_marker=False)
    return frozenset(int(one.name) for one in decide(facts, plan).trace if one.matched)


@pytest.fixture
def peer() -> Iterator[Pigeonhole]:
    # Dovecot runs as somebody else when we are root: below pytest's directory it may not look.
    with tempfile.TemporaryDirectory(prefix="postroom-sieve-") as name:
        Path(name).chmod(0o755)
        yield Pigeonhole(Path(name) / "peer")


@needs_corpora
def test_the_same_rules_match_real_mail(peer: Pigeonhole) -> None:
    """Some mails by chance, and of their words the mix of rules of `make bench NAME=rules`."""
    random = chance("sieve")
    found = spam_and_ham()
    mails: list[bytes] = []
    while len(mails) < 120:
        raw = canonical(random.choice(found).read_bytes())
        if is_plain(raw):
            mails.append(raw)
    single = Mix(mails, random).rules(150)
    parts = [one.when for one in single]
    groups = [
        Group(mode=mode, of=tuple(random.sample(parts, 3))) for mode in ("all", "any", "none") * 10
    ]
    rules = [rule(str(n), when, AddTag("x")) for n, when in enumerate((*parts, *groups))]
    plan = Plan(Ruleset(1, tuple(rules)))
    path = peer.write("rules", script(rules))
    back, left_out = from_sieve(script(rules).removesuffix("keep;\n"))
    assert left_out == [BLIND_TOO]
    again = Plan(Ruleset(1, tuple(rule(str(n), one.condition) for n, one in enumerate(back))))
    hits = 0
    for raw in random.sample(mails, 40):
        ours, theirs = matched(raw, plan), peer.test(path, raw)
        wrong = [rules[n].when for n in ours ^ theirs]
        assert not wrong, f"{raw[:400]!r}: {wrong}"
        read_back = [back[n].condition for n in ours ^ matched(raw, again)]
        assert not read_back, f"{raw[:400]!r}: {read_back}"
        hits += len(ours)
    assert hits > 40


LETTER = (
    b"From: =?utf-8?q?Anna_M=C3=BCller?= <Anna+list@Mail.Example.NET>\r\n"
    b"To: Garden <garden@example.org>, other@example.com\r\n"
    b"Subject: =?iso-8859-1?q?Gr=FC=DFe?= from  a\r\n folded [1] line\r\n"
    b"X-Kind: bill\r\nX-Kind: urgent\r\nX-Empty:\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
    b"\r\nThe Invoice of 17.50=E2=82=AC, it*em (a) is =\r\ndue.\r\n"
)


@pytest.mark.parametrize(
    "test",
    [
        check("subject", "contains", "GRü"),
        check("subject", "contains", "folded [1]"),
        check("subject", "wildcard", "*folded*"),
        check("subject", "wildcard", "folded*"),
        check("subject", "wildcard", "gr??e*"),
        check("subject", "regex", "^gr"),
        check("subject", "regex", "(line|end)$"),
        check("subject", "regex", r"\[[0-9]+\]"),
        check("header", "equals", "URGENT", header="x-kind"),
        check("header", "contains", "gen", header="X-KIND"),
        check("header", "exists", header="x-kind"),
        check("header", "exists", header="x-none"),
        check("header", "contains", "x", header="x-none", negate=True),
        check("from", "equals", "mail.example.net", part="domain"),
        check("from", "equals", "anna+list@mail.example.net", part="address"),
        check("to", "contains", "OTHER@", part="address"),
        check("to", "wildcard", "*@example.???", part="address"),
        check("body", "contains", "invoice of 17.50€"),
        check("body", "contains", "is due."),
        check("body", "contains", "it*em (a)"),
        check("body", "regex", r"[0-9]+\.[0-9][0-9]"),
        check("body", "regex", r"\(a\) (is|was) d"),
        check("size", "greater", str(len(LETTER) - 1)),
        check("size", "greater", str(len(LETTER))),
        check("size", "less", str(len(LETTER))),
        check("size", "less", str(len(LETTER) + 1)),
    ],
    ids=lambda test: f"{test.header or test.field} {test.operator} {' '.join(test.values)}",
)
def test_a_comparison_means_the_same(peer: Pigeonhole, test) -> None:
    rules = [rule("0", test, AddTag("x"))]
    path = peer.write("rule", script(rules))
    assert matched(LETTER, Plan(Ruleset(1, tuple(rules)))) == peer.test(path, LETTER)


@pytest.mark.parametrize(
    "test",
    [
        'header :is ["subject", "x-kind"] "URGENT"',
        'header :matches "subject" "*\\\\[1\\\\]*"',
        'header :matches "subject" "*fo?ded*"',
        'header :contains ["x-none", "x-kind"] ["nothing", "urg"]',
        'header :contains "x-none" ""',
        'header :is "from" "Anna Müller <Anna+list@Mail.Example.NET>"',
        'address :localpart "from" "anna"',
        'address :localpart "from" "anna+list"',
        'address :localpart :contains "to" "the"',
        'address :localpart :contains "to" "example"',
        'address :localpart :matches "to" "?arden"',
        'address :user "from" "anna"',
        'address :detail "from" "list"',
        'address :domain :contains ["cc", "to"] "com"',
        'address "from" "Anna+list@mail.example.net"',
        'body :contains "17.50"',
        'allof(not exists "x-none", anyof(false, size :over 10))',
        'not anyof(header :contains "x-kind" "bill", size :under 1)',
        'not allof(header :contains "x-kind" "bill", size :under 1)',
    ],
)
def test_a_test_of_sieve_means_the_same_when_it_is_read(peer: Pigeonhole, test: str) -> None:
    text = f'require ["body", "imap4flags", "subaddress"];\nif {test} {{ addflag "r0"; }}\n'
    (found,), left_out = from_sieve(text)
    asks_to = test.startswith("address") and '"to"' in test
    assert left_out == ([BLIND_TOO] if asks_to else [])
    ours = Plan(Ruleset(1, (rule("0", found.condition),)))
    assert matched(LETTER, ours) == peer.test(peer.write("test", text + "keep;\n"), LETTER)


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (check("subject", "contains", "GRÜ"), True),  # Sieve knows upper and lower case of ASCII
        (check("header", "exists", header="x-empty"), False),  # there, and nothing in it
    ],
)
def test_where_we_differ_from_sieve(peer: Pigeonhole, test, expected: bool) -> None:
    rules = [rule("0", test, AddTag("x"))]
    path = peer.write("rule", script(rules))
    assert bool(matched(LETTER, Plan(Ruleset(1, tuple(rules))))) is expected
    assert bool(peer.test(path, LETTER)) is not expected
