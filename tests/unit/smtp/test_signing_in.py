"""STARTTLS and AUTH, line by line."""

import base64
import hashlib

import pytest

from postroom_contract.documents import SubmissionDocument
from postroom_smtp.domain import admission, replies, signing_in
from postroom_smtp.domain.conversation import Conversation
from postroom_smtp.domain.limits import Limits
from support.smtp import MemoryDirectory

PASSWORD = "prs_x" * 8
ANNA = SubmissionDocument(
    login="anna@ours.example", account="acc_one", version=1,
    hashes=(hashlib.sha256(PASSWORD.encode()).hexdigest(),),
)  # fmt: skip


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def directory():
    made = MemoryDirectory()
    made.submitters[ANNA.login] = ANNA
    return made


@pytest.fixture
def talk(directory):
    def admit(address):
        asked = admission.question(address)
        exact = directory.address(asked.exact)
        return admission.decide(asked, exact, None, domain_is_ours=True, knows=True)

    def check(login, password):
        found = directory.submission(login.lower())
        return signing_in.verified(found, password, knows=directory.knows())

    return Conversation("mx.ours.example", Limits(), admit, check=check, tls_offered=True)


def say(talk, *lines):
    """The last reply as `code status`."""
    for line in lines:
        reply = talk.command(line.encode())
    return f"{reply.code} {reply.status}".strip()


def offered(talk):
    return talk.command(b"EHLO peer.example").text.split("\n")


def encrypt(talk):
    assert talk.command(b"STARTTLS") == replies.START_TLS
    talk.encrypted("TLSv1.3")


PLAIN = b64(f"\0anna@ours.example\0{PASSWORD}")
AS_HERSELF = b64(f"anna@ours.example\0anna@ours.example\0{PASSWORD}")
AS_BEN = b64(f"ben\0anna@ours.example\0{PASSWORD}")
WRONG = b64("\0anna@ours.example\0wrong")


def test_nobody_signs_in_in_clear(talk):
    assert "STARTTLS" in offered(talk)
    assert not any(one.startswith("AUTH") for one in offered(talk))
    assert say(talk, f"AUTH PLAIN {PLAIN}") == "538 5.7.11"
    assert talk.submitter == ""


def test_under_tls_the_session_begins_anew(talk):
    say(talk, "EHLO peer.example", "MAIL FROM:<x@theirs.example>")
    encrypt(talk)
    assert say(talk, "MAIL FROM:<x@theirs.example>") == "503 5.5.1"
    lines = offered(talk)
    assert "STARTTLS" not in lines
    assert "AUTH PLAIN LOGIN" in lines
    assert say(talk, "STARTTLS") == "503 5.5.1"
    assert talk.protocol == "ESMTPS"


@pytest.mark.parametrize(
    ("lines", "last"),
    [
        ([f"AUTH PLAIN {PLAIN}"], "235 2.7.0"),
        (["AUTH plain", PLAIN], "235 2.7.0"),
        ([f"AUTH PLAIN {AS_HERSELF}"], "235 2.7.0"),
        (["AUTH LOGIN", b64("Anna@Ours.example"), b64(PASSWORD)], "235 2.7.0"),
        ([f"AUTH LOGIN {b64('anna@ours.example')}", b64(PASSWORD)], "235 2.7.0"),
        ([f"AUTH PLAIN {WRONG}"], "535 5.7.8"),
        ([f"AUTH PLAIN {AS_BEN}"], "535 5.7.8"),
        (["AUTH LOGIN", b64("nobody"), b64(PASSWORD)], "535 5.7.8"),
        (["AUTH PLAIN", "*"], "501 5.7.0"),
        (["AUTH LOGIN", b64("anna@ours.example"), "*"], "501 5.7.0"),
        (["AUTH PLAIN ???"], "501 5.5.2"),
        (["AUTH PLAIN", "a b"], "501 5.5.2"),
        (["AUTH PLAIN ="], "501 5.5.2"),
        ([f"AUTH PLAIN {b64('only one')}"], "501 5.5.2"),
        (["AUTH CRAM-MD5"], "504 5.5.4"),
        (["AUTH"], "504 5.5.4"),
        ([f"AUTH PLAIN {PLAIN}", f"AUTH PLAIN {PLAIN}"], "503 5.5.1"),
        (["MAIL FROM:<x@theirs.example>", f"AUTH PLAIN {PLAIN}"], "503 5.5.1"),
        # What stands where a password was asked for is never a command.
        (["AUTH PLAIN", "QUIT"], "501 5.5.2"),
    ],
)
def test_an_exchange(talk, lines, last):
    encrypt(talk)
    say(talk, "EHLO peer.example")
    assert say(talk, *lines) == last
    assert (talk.submitter == ANNA.login) == (
        last == "235 2.7.0" or lines[0] == lines[-1] == f"AUTH PLAIN {PLAIN}"
    )
    assert say(talk, "NOOP") == "250 2.0.0"


def test_after_helo_there_is_no_auth(talk):
    encrypt(talk)
    assert say(talk, "HELO x", f"AUTH PLAIN {PLAIN}") == "503 5.5.1"


def test_three_wrong_passwords_end_the_session(talk):
    encrypt(talk)
    wrong = f"AUTH PLAIN {WRONG}"
    assert say(talk, "EHLO x", wrong, wrong) == "535 5.7.8"
    assert talk.command(wrong.encode()) == replies.TOO_MANY_PASSWORDS


def test_not_knowing_is_not_wrong(talk, directory):
    directory.submitters.clear()
    directory.in_step = False
    encrypt(talk)
    assert say(talk, "EHLO x", f"AUTH PLAIN {PLAIN}") == "454 4.7.0"


def test_who_has_signed_in_sends_as_themselves_and_to_us_only(talk):
    encrypt(talk)
    say(talk, "EHLO x", f"AUTH PLAIN {PLAIN}")
    assert talk.protocol == "ESMTPSA"
    assert say(talk, "MAIL FROM:<ben@ours.example>") == "553 5.7.1"
    assert say(talk, "MAIL FROM:<>") == "553 5.7.1"
    assert say(talk, "MAIL FROM:<Anna@ours.example> AUTH=<>") == "250 2.1.0"
    assert say(talk, "RCPT TO:<x@theirs.example>") == "550 5.1.1"
    assert say(talk, "RCPT TO:<a@ours.example>") == "250 2.1.5"


def test_no_reply_repeats_what_was_typed(talk):
    encrypt(talk)
    talk.command(b"EHLO x")
    for line in (f"AUTH PLAIN {WRONG}", "AUTH LOGIN", b64(PASSWORD), b64(PASSWORD)):
        assert PASSWORD not in talk.command(line.encode()).text
    assert PASSWORD not in repr(vars(talk))
