"""Posts made of mails, tokens that are believed, and cursors."""

from datetime import UTC, datetime, timedelta

import pytest

from postroom_forum_bridge.domain import cursors
from postroom_forum_bridge.domain.authority import Delivery, may_answer, serial_of
from postroom_forum_bridge.domain.entry import entry_of, senders_of, title_of
from postroom_mail.read import read
from postroom_mail.tokens import parse_keys, sign

KEYS = parse_keys("1:" + "5a" * 32)
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
COPY = Delivery(
    serial=7, account="acc_1", forum="frm_1", forum_address="garden@example.org", post="pst_1",
    message_id="a@x", member="mem_1", address="Ben@example.net",
)  # fmt: skip


def entry(raw: bytes):
    return entry_of(
        read(raw), mail_id="msg_1", message_id="a@x", envelope_sender="bounce@example.net",
        received_at=NOW, named=(), causation="cmd_1",
    )  # fmt: skip


def test_a_mail_as_a_post():
    made = entry(
        b"From: Ann <Ann@Example.net>\r\nSubject: Re:  =?utf-8?q?Gr=C3=BCn?=\r\n"
        b"Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\nHello\r\n"
    )
    assert (made.author_name, made.author_key) == ("Ann", "ann@example.net")
    assert made.subject == "Re: Grün"
    assert made.created_at == NOW - timedelta(hours=2)


def test_a_date_in_the_future_is_the_time_of_receipt():
    made = entry(b"From: a@b.example\r\nDate: Mon, 23 Nov 2099 10:00:00 +0000\r\n\r\nHello\r\n")
    assert made.created_at == NOW


def test_a_mail_without_an_author_has_that_of_its_envelope():
    assert entry(b"Subject: x\r\n\r\nHello\r\n").author_email == "bounce@example.net"


@pytest.mark.parametrize(
    ("subject", "title"),
    [("Re: [Garden] Aw: Beans", "Beans"), ("[garden] Beans", "Beans"), ("Re:", ""), ("", "")],
)
def test_titles(subject, title):
    assert title_of(subject, "Garden") == title


@pytest.mark.parametrize(
    ("sender", "envelope", "forum", "believed"),
    [
        ("ben@example.net", "x@y.example", "frm_1", True),
        ("eve@example.net", "BEN@example.NET", "frm_1", True),
        ("eve@example.net", "eve@example.net", "frm_1", False),
        ("ben@example.net", "ben@example.net", "frm_2", False),
        ("", "", "frm_1", False),
    ],
)
def test_a_reply_token_is_believed_from_its_member_alone(sender, envelope, forum, believed):
    mail = read(f"From: <{sender}>\r\n\r\n".encode() if sender else b"Subject: x\r\n\r\n")
    assert may_answer(COPY, forum, senders_of(mail, envelope)) is believed


def test_a_token_serves_one_purpose():
    assert serial_of(KEYS, sign(KEYS, "u", 7), "u") == 7
    assert serial_of(KEYS, sign(KEYS, "r", 7), "u") is None
    assert serial_of(parse_keys("1:" + "a5" * 32), sign(KEYS, "u", 7), "u") is None
    assert serial_of(KEYS, None, "u") is None


def test_cursors_are_read_back_and_others_refused():
    assert cursors.time_and_id(cursors.encode((NOW, "top_1"))) == (NOW, "top_1")
    assert cursors.one_text(cursors.encode(("a@x",))) == "a@x"
    for wrong in ("", "!", "e30", "WyJhIl0", "a" * 5):
        with pytest.raises(cursors.CursorError):
            cursors.time_and_id(wrong)


def test_what_is_quoted_is_folded_away_but_for_a_mail_that_only_quotes():
    made = entry(b"From: a@b.example\r\n\r\nYes.\r\n\r\nBen <c@d.example> wrote:\r\n> Ripe?\r\n")
    assert made.text.split("\n")[:4] == ["Yes.", "", "Ben <c@d.example> wrote:", "> Ripe?"]
    assert made.elided[0] in {1, 2}
    only = entry(b"From: a@b.example\r\n\r\nBen <c@d.example> wrote:\r\n> Ripe?\r\n")
    assert only.elided == ()
