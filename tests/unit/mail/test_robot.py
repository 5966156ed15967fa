"""Signs of a robot, and none in a person's mail."""

import pytest

from postroom_mail.read import read
from postroom_mail.robot import robot_signs


def signs(head: str, *, sender: str | None = "a@b.example", own: bool = False) -> tuple[str, ...]:
    raw = head.encode() + b"\r\n\r\nhello\r\n"
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
        "List-Unsubscribe: <mailto:x@y>",
        "List-Help: <mailto:x@y>",
        "Mailing-List: list x@y; contact z@y",
        "X-BeenThere: x@y",
        "X-Autoreply: yes",
        "X-Autorespond: x",
        "X-Failed-Recipients: x@y",
        "X-Cron-Env: <SHELL=/bin/sh>",
        "Return-Path: <>",
        "Return-Path: <MAILER-DAEMON>",
        "From: MAILER-DAEMON@b.example",
        "From: Mail Delivery Subsystem <x@b.example>",
        "From: x@b.example (Mail Delivery System)",
        "From: Postmaster <postmaster@b.example>\r\nSubject: Undeliverable: Re: Beans",
        "From: System Administrator <x@b.example>\r\nSubject: Mail not delivered",
        "Subject: Mail delivery failed: returning message to sender",
        "Subject: Automatic reply: Beans",
        "Subject: =?utf-8?q?R=C3=A9ponse_automatique_=3A_Re=3A_Beans?=",
        "Subject: Out of Office AutoReply: Re: Beans",
        "Subject: Ann Ash/Dublin/Org is out of the office.",
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
        "X-Autoreply: no",
        "X-Loop: ann@b.example",
        "Feedback-ID: 1.eu:amazonses.com",
        "Return-Path: <ann@b.example>",
        "From: Shop <noreply@b.example>",
        "From: Postmaster <postmaster@b.example>\r\nSubject: Beans",
        "From: postmaster@b.example\r\nSubject: Re: Undeliverable: Beans",
        "From: ann@b.example\r\nSubject: Mailer-daemon tells me of a failure notice",
        "Subject: Re: Automatic reply: Beans",
        "Subject: Out of office next week: who waters the beans?",
        "Subject: [garden] Re: Ann Ash/Dublin/Org is out of the office.",
        "Subject: Ann is out of the office.",
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


@pytest.mark.parametrize("sender", ["owner-x@b.example", "x-request@b.example", "x-bounces+a=b@c"])
def test_sender_of_a_list(sender: str) -> None:
    assert len(signs("X: y", sender=sender)) == 1


@pytest.mark.parametrize(
    "sender", ["ann-owner@b.example", "x@request.example", "bounces@b.example"]
)
def test_sender_that_may_be_a_person(sender: str) -> None:
    assert signs("X: y", sender=sender) == ()
