"""Sieve read: its grammar, what its words become, and what they do not become."""

import pytest

from postroom_api.domain.rules_elsewhere import CarriedRule, UnreadableError
from postroom_api.domain.sieve import MAX_DEPTH, parse
from postroom_api.domain.sieve_in import ALWAYS, BLIND_TOO, LONGEST_CHAIN, from_sieve
from postroom_api.domain.sieve_out import to_sieve
from postroom_contract.rules import (
    AddTag,
    AutoReply,
    Delete,
    Forward,
    Group,
    MarkRead,
    MoveOnServer,
    Reject,
    SetImportance,
    Stop,
    Test,
)
from support.chance import chance

ROUNDCUBE = r"""
require ["fileinto","imap4flags","reject","copy","vacation","envelope","body","regex","subaddress"];
# rule:[Bills [2026]]
if anyof (header :contains "subject" ["invoice", "bill"], address :domain :is "from" "shop.example")
{
    addflag ["\\Seen", "bill"];
    fileinto :create "Bills";
    stop;
}
# rule:[Switched off]
if false # allof (header :contains "subject" "x")
{
    discard;
}
# rule:[Large]
if allof (size :over 2M, not exists ["List-Id", "X-Wanted"])
{
    reject text:
# not a comment
..leading dot
.
;
}
elsif envelope :all :is "from" ""
{
    redirect :copy "archive@example.org";
}
else
{
    redirect "other@example.org";
    stop;
}
/* the holidays */
vacation :days 3 :subject "Away" "Gone.
Bye.";
keep;
"""


def only(script: str) -> CarriedRule:
    rules, left_out = from_sieve(script)
    blind = [BLIND_TOO] if "address" in script and ' "to" ' in script else []
    assert (len(rules), left_out) == (1, blind)
    return rules[0]


def test_a_script_of_roundcube() -> None:
    rules, left_out = from_sieve(ROUNDCUBE)
    large = Group(
        mode="all",
        of=(
            Test(field="size", operator="greater", values=(str(2 * 1024**2),)),
            Group(
                mode="none",
                of=(
                    Group(
                        mode="all",
                        of=(
                            Test(field="header", operator="exists", header="List-Id"),
                            Test(field="header", operator="exists", header="X-Wanted"),
                        ),
                    ),
                ),
            ),
        ),
    )
    bounce = Test(field="envelope_from", operator="exists", negate=True)
    assert [(one.name, one.actions) for one in rules] == [
        ("Bills [2026]", [MarkRead(), AddTag("bill"), MoveOnServer("Bills"), Stop()]),
        ("Large", [Reject("# not a comment .leading dot")]),
        ("Sieve rule 4", [Forward("archive@example.org")]),
        ("Sieve rule 5", [Forward("other@example.org"), Delete(), Stop()]),
        ("the holidays", [AutoReply("Gone.\nBye.", "Away", 3)]),
    ]
    assert rules[0].condition == Group(
        mode="any",
        of=(
            Test(field="subject", operator="contains", values=("invoice", "bill")),
            Test(field="from", operator="equals", values=("shop.example",), part="domain"),
        ),
    )
    assert rules[1].condition == large
    assert rules[2].condition == Group(mode="all", of=(Group(mode="none", of=(large,)), bounce))
    assert rules[3].condition == Group(mode="none", of=(large, bounce))
    assert rules[4].condition == ALWAYS
    assert [(one.rule, one.words) for one in left_out] == [
        ("Switched off", "it is switched off"),
    ]


@pytest.mark.parametrize(
    ("test", "condition"),
    [
        ('header "Subject" "a"', Test(field="subject", operator="equals", values=("a",))),
        (
            'header :matches ["X-A", "x-b"] "a*"',
            Group(
                mode="any",
                of=(
                    Test(field="header", header="X-A", operator="wildcard", values=("a*",)),
                    Test(field="header", header="x-b", operator="wildcard", values=("a*",)),
                ),
            ),
        ),
        (
            r'header :matches "subject" "a\\*b.*"',
            Test(field="subject", operator="regex", values=(r"(?s)^a\*b\..*$",)),
        ),
        (
            'header :contains "x-a" ""',
            Test(field="header", header="x-a", operator="exists"),
        ),
        (
            'address :localpart "to" "anna"',
            Test(field="to", operator="starts", values=("anna@",), part="address"),
        ),
        (
            'address :localpart :contains "cc" "a.b"',
            Test(field="cc", operator="regex", values=(r"^.*a\.b.*@[^@]*$",), part="address"),
        ),
        (
            'envelope :detail "to" "news"',
            Test(field="envelope_to", operator="equals", values=("news",), part="detail"),
        ),
        (
            'body :regex "a+"',
            Test(field="body", operator="regex", values=("a+",)),
        ),
        ('not not header :is "subject" "a"', Test(field="subject", operator="equals", values=("a",))),
        ("allof(true, size :under 1K)", Test(field="size", operator="less", values=("1024",))),
    ],
)  # fmt: skip
def test_tests_become_conditions(test: str, condition) -> None:
    assert only(f"if {test} {{ discard; }}").condition == condition


@pytest.mark.parametrize(
    "test",
    [
        'currentdate :is "weekday" "0"',
        'header :count "gt" :comparator "i;ascii-numeric" "to" "3"',
        'header :comparator "i;octet" "subject" "A"',
        'header :is "subject" ""',
        'address :is "x-none" "a"',
        'body :raw :contains "x"',
        'envelope "auth" "x"',
        'spamtest :value "ge" "5"',
        "size :over",
        'header :mime :is "subject" "a"',
        "anyof(true, hasflag)",
    ],
)
def test_what_has_no_words_is_left_out_with_what_depends_on_it(test: str) -> None:
    script = f"""
    # rule:[Odd]
    if {test} {{ discard; stop; }}
    # rule:[Behind]
    elsif size :over 1K {{ discard; }}
    # rule:[Next]
    if size :over 2K {{ discard; }}
    """
    rules, left_out = from_sieve(script)
    assert [one.name for one in rules] == ["Next"]
    assert [one.rule for one in left_out] == ["Odd", "Odd", "Behind"]
    assert left_out[0].words.startswith("our rules cannot ask for ")
    assert "what follows is now tried" in left_out[1].words
    assert left_out[2].words == "our rules cannot ask for what stood before it"


@pytest.mark.parametrize(
    ("command", "actions", "left_out"),
    [
        ('addflag "\\\\Flagged";', [SetImportance("high")], []),
        ('addflag "\\\\Deleted"; discard;', [Delete()], ["addflag with \\Deleted"]),
        ('fileinto :copy "A"; discard;', [Delete()], ["fileinto with :copy"]),
        ('fileinto "INBOX"; redirect "a@b.example";', [Forward("a@b.example")], []),
        ('fileinto "inbox"; discard; addflag "y";', [AddTag("y")], []),
        ('keep :flags "x"; discard;', [AddTag("x")], []),
        ('notify "x"; discard;', [Delete()], ["notify"]),
        (
            'vacation :from "a@b.example" "Gone";',
            [AutoReply("Gone")],
            ["vacation with :from; it answers without"],
        ),
        ('vacation :seconds 60 "Gone"; discard;', [Delete()], ["vacation each 60 seconds"]),
        (
            'vacation "See {subject}"; discard;',
            [Delete()],
            ["vacation with a place that we would fill in"],
        ),
    ],
)
def test_commands_become_actions(command: str, actions, left_out: list[str]) -> None:
    rules, found = from_sieve(f"if size :over 1 {{ {command} }}")
    assert rules[0].actions == actions
    assert [one.words for one in found] == [f"our rules have no words for {w}" for w in left_out]


def test_a_rule_of_which_nothing_is_left_is_none() -> None:
    rules, left_out = from_sieve('if size :over 1 { notify "x"; stop; }')
    assert rules == []
    assert left_out[-1].words == "the whole rule: nothing of it is left"


def test_variables_are_never_taken_for_text() -> None:
    script = 'require "variables"; if header :is "subject" "${a}" { discard; } fileinto "${b}";'
    assert from_sieve(script)[0] == []
    assert only('fileinto "${b}";').actions == [MoveOnServer("${b}")]


def test_a_keep_behind_a_deletion_is_said() -> None:
    rules, left_out = from_sieve("if size :over 1 { discard; } keep;")
    assert len(rules) == 1
    assert "is not kept by it" in left_out[0].words


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("if", "line 1: the end where a semicolon or a block behind if should stand"),
        ("\n\nfoo bar", "line 3: the end where"),
        ("discard; }", "line 1: '}' where a command should stand"),
        ('fileinto "a', "line 1: what is '\"a'?"),
        ("reject text:\nno end", "line 1: the text has no end"),
        ("if anyof(true; false) {}", "';' where a comma or the end of the tests should stand"),
        ("size :over " + "9" * 30 + ";", "is too large"),
        ("if true {" * (MAX_DEPTH + 3), "levels"),
        ("if " + "not " * 100 + "true {}", "levels"),
        ('fileinto ["a" } ;', "where a string should stand"),
    ],
)  # fmt: skip
def test_what_is_no_script_is_refused_with_its_line(script: str, words: str) -> None:
    with pytest.raises(UnreadableError, match=r"no Sieve script") as error:
        from_sieve(script)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("discard;" + "if size :over 1 { discard; }" * 500, "at most 500 rules"),
        (
            "if size :over 1 {}" + "elsif size :over 1 { keep; }" * (LONGEST_CHAIN + 1),
            "elsif that go on",
        ),
    ],
)
def test_what_would_grow_beyond_bounds_is_refused(script: str, words: str) -> None:
    with pytest.raises(UnreadableError, match=words):
        from_sieve(script)


def test_reading_ends_on_anything() -> None:
    random = chance("sieve-grammar")
    pieces = [
        *'[](){};,:."\\#\n *?',
        "text:\n",
        "if ",
        "anyof",
        "not ",
        '"x"',
        ":is ",
        "/*",
        "*/",
        "9K",
    ]
    for _ in range(500):
        script = "".join(random.choices(pieces, k=random.randrange(60)))
        try:
            from_sieve(script)
        except UnreadableError:
            continue
        assert parse(script) is not None


def test_what_we_write_we_read() -> None:
    rules = [
        CarriedRule(
            name="One",
            condition=Group(
                mode="all",
                of=(
                    Test(field="from", operator="equals", values=("a",), part="local"),
                    Test(field="subject", operator="wildcard", values=(r"a\b*",)),
                    Test(field="body", operator="contains", values=("x", 'y"')),
                    Test(field="envelope_to", operator="equals", values=("x.example",), part="domain"),
                ),
            ),
            actions=[AddTag("x"), MarkRead(), Forward("a@b.example"), Stop()],
        )
    ]  # fmt: skip
    text, left_out = to_sieve(rules)
    assert left_out == []
    again, missing = from_sieve(text)
    assert missing == []
    assert again[0].actions == rules[0].actions
    *same, _ = rules[0].condition.of
    found = again[0].condition.of
    assert (found[0], found[2]) == (same[0], same[2])
    assert found[1] == Test(field="subject", operator="regex", values=(r"(?s)^a\\b.*$",))
