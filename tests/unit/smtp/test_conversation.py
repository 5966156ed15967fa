"""Lines in, replies out."""

import pytest

from postroom_smtp.domain import admission
from postroom_smtp.domain.conversation import Conversation
from postroom_smtp.domain.limits import Limits
from support.smtp import FORUM, MemoryDirectory


@pytest.fixture
def directory():
    return MemoryDirectory()


@pytest.fixture
def talk(directory):
    return conversation(directory, Limits())


def conversation(directory, limits):
    def admit(address):
        asked = admission.question(address)
        return admission.decide(
            asked,
            directory.address(asked.exact),
            directory.address(asked.base) if asked.base else None,
            domain_is_ours=directory.has_domain(asked.domain),
            knows=directory.knows(),
        )

    return Conversation("mx.ours.example", limits, admit)


def say(talk, *lines):
    """The last reply as `code status`."""
    for line in lines:
        reply = talk.command(line.encode() if isinstance(line, str) else line)
    return f"{reply.code} {reply.status}".strip()


def test_ehlo_announces_what_is_offered(talk):
    assert talk.command(b"EHLO peer.example").encode().decode().split("\r\n")[:-1] == [
        "250-mx.ours.example",
        "250-SIZE 26214400",
        "250-8BITMIME",
        "250-SMTPUTF8",
        "250-PIPELINING",
        "250 ENHANCEDSTATUSCODES",
    ]


EHLO = "EHLO peer.example"
MAIL = "MAIL FROM:<x@theirs.example>"
RCPT = "RCPT TO:<a@ours.example>"


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        (["HELO peer.example"], "250"),
        (["EHLO"], "501 5.5.4"),
        (["HELO two words"], "501 5.5.4"),
        (["NOOP"], "250 2.0.0"),
        (["NOOP with words"], "250 2.0.0"),
        (["RSET"], "250 2.0.0"),
        (["RSET now"], "501 5.5.4"),
        (["VRFY someone"], "252 2.0.0"),
        (["HELP"], "214 2.0.0"),
        (["QUIT"], "221 2.0.0"),
        (["quit"], "221 2.0.0"),
        (["EXPN list"], "502 5.5.1"),
        (["STARTTLS"], "502 5.5.1"),
        (["AUTH PLAIN AAAA"], "502 5.5.1"),
        ([EHLO, MAIL, RCPT, "BDAT 10 LAST"], "502 5.5.1"),
        (["GET / HTTP/1.1"], "500 5.5.2"),
        ([""], "500 5.5.2"),
        ([b"NOOP \xff"], "500 5.5.2"),
        ([b"NOOP \x00"], "500 5.5.2"),
        ([b"NOOP\t"], "500 5.5.2"),
        ([MAIL], "503 5.5.1"),
        ([EHLO, RCPT], "503 5.5.1"),
        ([EHLO, "DATA"], "503 5.5.1"),
        ([EHLO, MAIL, "DATA"], "503 5.5.1"),
        ([EHLO, MAIL, MAIL], "503 5.5.1"),
        ([EHLO, MAIL, RCPT, EHLO, "DATA"], "503 5.5.1"),
        ([EHLO, MAIL, RCPT, "RSET", "DATA"], "503 5.5.1"),
        ([EHLO, MAIL, RCPT, "DATA now"], "501 5.5.4"),
        ([EHLO, MAIL, RCPT, "DATA"], "354"),
        (["HELO peer", "mail from: <x@theirs.example>"], "250 2.1.0"),
        ([EHLO, "MAIL FROM:<>"], "250 2.1.0"),
        ([EHLO, "MAIL"], "501 5.5.4"),
        ([EHLO, "MAIL x@theirs.example"], "501 5.5.4"),
        ([EHLO, "MAIL FROM:x@theirs.example"], "553 5.1.7"),
        ([EHLO, "MAIL FROM:<x@theirs.example"], "553 5.1.7"),
        ([EHLO, "MAIL FROM:<x..y@theirs.example>"], "553 5.1.7"),
        ([EHLO, "MAIL FROM:<Postmaster>"], "553 5.1.7"),
        ([EHLO, f"{MAIL} SIZE=26214400"], "250 2.1.0"),
        ([EHLO, f"{MAIL} SIZE=26214401"], "552 5.3.4"),
        ([EHLO, f"{MAIL} SIZE=big"], "501 5.5.4"),
        ([EHLO, f"{MAIL} SIZE"], "501 5.5.4"),
        ([EHLO, f"{MAIL} SIZE={'9' * 21}"], "501 5.5.4"),
        ([EHLO, f"{MAIL} BODY=8BITMIME SMTPUTF8 SIZE=5"], "250 2.1.0"),
        ([EHLO, f"{MAIL} body=7bit"], "250 2.1.0"),
        ([EHLO, f"{MAIL} BODY=BINARYMIME"], "501 5.5.4"),
        ([EHLO, f"{MAIL} BODY"], "501 5.5.4"),
        ([EHLO, f"{MAIL} SMTPUTF8=yes"], "501 5.5.4"),
        ([EHLO, f"{MAIL} RET=FULL"], "555 5.5.4"),
        (["HELO peer", f"{MAIL} SIZE=5"], "555 5.5.4"),
        ([EHLO, "MAIL FROM:<ü@theirs.example>"], "553 5.6.7"),
        ([EHLO, "MAIL FROM:<x@dömain.example>"], "553 5.6.7"),
        ([EHLO, "MAIL FROM:<ü@theirs.example> SMTPUTF8"], "250 2.1.0"),
        ([EHLO, MAIL, "RCPT TO:<ü@ours.example>"], "553 5.6.7"),
        ([EHLO, f"{MAIL} SMTPUTF8", "RCPT TO:<ü@ours.example>"], "550 5.1.1"),
        ([EHLO, MAIL, RCPT], "250 2.1.5"),
        ([EHLO, MAIL, "RCPT TO:<A@OURS.EXAMPLE>"], "250 2.1.5"),
        ([EHLO, MAIL, "RCPT TO:<>"], "553 5.1.3"),
        ([EHLO, MAIL, "RCPT FOR:<a@ours.example>"], "501 5.5.4"),
        ([EHLO, MAIL, f"{RCPT} NOTIFY=NEVER"], "555 5.5.4"),
        ([EHLO, MAIL, "RCPT TO:<nobody@ours.example>"], "550 5.1.1"),
        ([EHLO, MAIL, "RCPT TO:<a@theirs.example>"], "550 5.7.1"),
        ([EHLO, MAIL, "RCPT TO:<Postmaster>"], "550 5.7.1"),
    ],
)
def test_replies(talk, lines, answer):
    assert say(talk, *lines) == answer


FOREIGN = [
    "<a%theirs.example@ours.example>",
    "<theirs.example!a@ours.example>",
    "<@ours.example:a@theirs.example>",
    "<@x:a@ours.example>",
    '<"a@theirs.example"@ours.example>',
    '<"a@ours.example"@theirs.example>',
    "<a@[127.0.0.1]>",
    "<a@[IPv6:::1]>",
    "<a@ours.example.>",
    "<a@ours.example@theirs.example>",
    "<a@theirs.example@ours.example>",
    "<a@xn--ours-.example>",
    "<a(comment)@ours.example>",
    "<a @ours.example>",
    "<a@ours.example\x00>",
    "<a\x00@ours.example>",
    "<a@ours.example",
    "a@ours.example",
    "<@ours.example>",
    "<+x@ours.example>",
    "<a@>",
    "<a@sub.ours.example>",
    "<a@ours.example:25>",
    "<|a@ours.example>",
    "<a@ours.example>,<b@ours.example>",
    "<root>",
]


@pytest.mark.parametrize("recipient", FOREIGN)
def test_a_foreign_recipient_is_accepted_in_no_dress(talk, recipient):
    say(talk, EHLO, f"{MAIL} SMTPUTF8")
    reply = talk.command(f"RCPT TO:{recipient}".encode())
    assert reply.code in {500, 501, 550, 553, 555}
    assert not talk.targets


@pytest.mark.parametrize(
    "domain", ["оurs.example", "ours.exaｍple", "ourſ.example", "ours。example"]
)
def test_look_alike_domains_are_not_ours(talk, domain):
    say(talk, EHLO, f"{MAIL} SMTPUTF8")
    assert say(talk, f"RCPT TO:<a@{domain}>") in {"550 5.7.1", "553 5.1.3"}


def test_what_is_unknown_is_put_off_while_not_in_step_and_what_is_known_accepted(talk, directory):
    directory.in_step = False
    say(talk, EHLO, MAIL)
    assert say(talk, "RCPT TO:<nobody@ours.example>") == "451 4.3.0"
    assert say(talk, "RCPT TO:<a@theirs.example>") == "451 4.3.0"
    assert say(talk, RCPT) == "250 2.1.5"


def test_the_same_recipient_counts_once(talk):
    say(talk, EHLO, MAIL, RCPT)
    assert say(talk, "RCPT TO:<A@Ours.example>") == "250 2.1.5"
    assert list(talk.targets) == ["a@ours.example"]


def test_recipients_at_the_limit_and_one_more(directory):
    talk = conversation(directory, Limits(recipients=2))
    say(talk, EHLO, MAIL, RCPT)
    assert say(talk, "RCPT TO:<b@ours.example>") == "250 2.1.5"
    assert say(talk, "RCPT TO:<c@ours.example>") == "452 4.5.3"
    assert say(talk, RCPT) == "250 2.1.5"
    assert len(talk.targets) == 2


def test_errors_at_the_limit_and_one_more(directory):
    talk = conversation(directory, Limits(errors=3))
    assert [say(talk, "WHAT") for _ in range(4)] == ["500 5.5.2"] * 3 + ["421 4.7.0"]


def test_commands_at_the_limit_and_one_more(directory):
    talk = conversation(directory, Limits(commands=3))
    assert [say(talk, "NOOP") for _ in range(4)] == ["250 2.0.0"] * 3 + ["421 4.7.0"]


def test_a_hundred_recipients_are_not_too_many_commands():
    addresses = [f"u{n}@ours.example" for n in range(101)]
    talk = conversation(MemoryDirectory(addresses), Limits())
    say(talk, EHLO, MAIL)
    answers = [say(talk, f"RCPT TO:<{one}>") for one in addresses]
    assert answers == ["250 2.1.5"] * 100 + ["452 4.5.3"]
    assert say(talk, "DATA") == "354"


def test_an_accepted_mail_makes_up_for_errors_before_it(directory):
    talk = conversation(directory, Limits(errors=3))
    say(talk, "WHAT", "WHAT", "WHAT", EHLO, MAIL, RCPT, "DATA")
    talk.end_transaction(accepted=True)
    assert say(talk, "WHAT", "WHAT", "WHAT") == "500 5.5.2"
    assert say(talk, "WHAT") == "421 4.7.0"


def test_quit_is_heard_even_from_those_who_had_too_much(directory):
    talk = conversation(directory, Limits(commands=1))
    assert say(talk, "NOOP", "QUIT") == "221 2.0.0"


def test_the_sender_keeps_its_spelling_but_for_the_domain(talk):
    say(talk, EHLO, "MAIL FROM:<Big.Local@Theirs.EXAMPLE>")
    assert talk.sender == "Big.Local@theirs.example"


def test_the_forum_s_address_is_a_post(talk):
    say(talk, EHLO, MAIL, f"RCPT TO:<{FORUM}>")
    assert [(t.role, t.forum) for t in talk.targets.values()] == [("post", "frm_garden")]
