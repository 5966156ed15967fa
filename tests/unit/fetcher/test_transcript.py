"""A transcript has what was said, in bounds, and no secret."""

import pytest

from postroom_fetcher.domain.transcript import HEAD, LINE, TAIL, Transcript


def test_commands_and_answers_in_their_order() -> None:
    one = Transcript()
    one.noted("imap.example is 192.0.2.1")
    one.heard(b"* OK ready")
    one.sent("UID FETCH", ["1:5", "(UID RFC822.SIZE)"])
    one.heard(b"* 1 FETCH (UID 1 BODY[] {5}", 5)
    assert one.lines() == [
        "*  imap.example is 192.0.2.1", "S: * OK ready", "C: UID FETCH 1:5 (UID RFC822.SIZE)",
        "S: * 1 FETCH (UID 1 BODY[] {5} (5 bytes)",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["LOGIN", "login", "AUTHENTICATE", "PASS", "APOP"])
def test_what_carries_a_secret_is_named_alone(name: str) -> None:
    one = Transcript()
    one.sent(name, ["alice", "s3cret word"])
    assert one.lines() == [f"C: {name} …"]


def test_a_secret_that_is_said_back_is_taken_out() -> None:
    one = Transcript()
    one.hide("s3cret word")
    one.hide("")
    one.heard(b"-ERR bad password: s3cret word")
    one.heard(b"x" * (LINE - 6) + b"s3cret word")
    assert "s3cret" not in "".join(one.lines())


def test_it_is_bounded_and_printable() -> None:
    one = Transcript()
    for number in range(100_000):
        one.heard(b"\x1b[31m%d " % number + b"\xff" * 1_000)
    lines = one.lines()
    assert len(lines) == HEAD + TAIL + 1
    assert lines[HEAD] == f"*  … {100_000 - HEAD - TAIL} lines …"
    assert all(len(line) <= LINE + 5 and line.isprintable() for line in lines)
    assert "99999" in lines[-1]
