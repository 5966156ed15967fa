"""Signs of a robot, and none in a person's mail."""

import pytest

from postroom_mail.read import read
from postroom_mail.robot import robot_signs


def signs(head: str, *, sender: str | None = "a@b.example", own: bool = False) -> tuple[str, ...]:
    raw = head.encode() + b"\r\nSubject: x\r\n\r\nhello\r\n"
    return robot_signs(read(raw), envelope_sender=sender, own_marker=own)


@pytest.mark.parametrize(
    "head",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-generated; owner-email=x@y",
        "Auto-Submitted: AUTO-NOTIFIED (why)",
        "Precedence: bulk",
        "Precedence: JUNK",
        "Precedence: list",
        "Precedence: auto_reply",
        "List-Id: <x.example>",
        "List-Post: <mailto:x@y>",
        "X-Auto-Response-Suppress: All",
        "X-Auto-Response-Suppress: DR, OOF, AutoReply",
        "Content-Type: multipart/report; boundary=b",
        "Received: x\r\n" * 50 + "Received: x",
    ],
)
def test_robot(head: str) -> None:
    assert len(signs(head)) >= 1


@pytest.mark.parametrize(
    "head",
    [
        "From: a@b.example",
        "Auto-Submitted: no",
        "Auto-Submitted: No (a person)",
        "Precedence: first-class",
        "X-Auto-Response-Suppress: DR, RN, NRN",
        "X-Auto-Response-Suppress: None",
        "Content-Type: multipart/mixed; boundary=b",
        "Received: x\r\n" * 49 + "Received: x",
    ],
)
def test_person(head: str) -> None:
    assert signs(head) == ()


def test_envelope_and_marker() -> None:
    assert len(signs("X: y", sender=None)) == 1
    assert len(signs("X: y", sender="")) == 1
    assert len(signs("X: y", own=True)) == 1
