"""Envelopes, ids and the trace line."""

from datetime import UTC, datetime
from itertools import count

import msgspec
import pytest

from postroom_smtp.domain import intake
from postroom_smtp.domain.admission import Target

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def target(name):
    return Target(
        recipient=f"{name}@ours.example", account="acc_one", mailbox=f"mbx_{name}", role="mail"
    )


TRANSACTION = intake.Transaction(
    sender="x@theirs.example",
    targets=(target("a"),),
    content=b"Message-ID: <1@x>\r\n\r\nhi\r\n",
    helo="peer.example",
    client="192.0.2.7",
    protocol="ESMTP",
    smtputf8=False,
    session="ses_1",
)


def envelopes(transaction, sha256="00" * 32):
    numbers = count()
    return intake.envelopes(
        transaction,
        id_="txn_1",
        sha256=sha256,
        received_at=NOW,
        new_id=lambda: f"msg_new{next(numbers)}",
    )


def with_(**changes):
    return msgspec.structs.replace(TRANSACTION, **changes)


def test_an_id_is_of_mailbox_recipient_sender_and_content_and_nothing_else():
    (one,) = envelopes(TRANSACTION)
    again = with_(
        helo="other", client="2001:db8::1", session="ses_2", targets=(target("a"), target("b"))
    )
    assert one.id == envelopes(again)[0].id
    different = [
        envelopes(with_(sender=""))[0].id,
        envelopes(with_(targets=(target("b"),)))[0].id,
        envelopes(TRANSACTION, "11" * 32)[0].id,
    ]
    assert len({one.id, *different}) == 4


def test_a_mail_that_cannot_be_recognised_gets_a_new_id_for_each_recipient():
    found = envelopes(
        with_(content=b"Subject: cron\r\n\r\nok\r\n", targets=(target("a"), target("b")))
    )
    assert [one.id for one in found] == ["msg_new0", "msg_new1"]


def test_an_alias_in_the_same_transaction_brings_no_second_mail_and_another_forum_does():
    def at(address, **more):
        return msgspec.structs.replace(target("a"), recipient=f"{address}@ours.example", **more)

    found = envelopes(with_(targets=(at("support"), at("help"), at("support+x"), target("b"))))
    assert [one.recipient for one in found] == ["support@ours.example", "b@ours.example"]
    forums = [at(name, role="post", forum=f"frm_{name}") for name in ("garden", "board")]
    replies = [at(f"garden+r{n}", role="reply", forum="frm_garden", token=f"r{n}") for n in (1, 2)]
    assert len(envelopes(with_(targets=(*forums, *replies, forums[0])))) == 4


def test_the_trace_line():
    assert intake.received_line(
        TRANSACTION, hostname="mx.ours.example", id_="txn_1", received_at=NOW
    ) == (
        b"Received: from peer.example ([192.0.2.7])\r\n"
        b"\tby mx.ours.example (Postroom) with ESMTP id txn_1\r\n"
        b"\tfor <a@ours.example>;\r\n"
        b"\tMon, 23 Nov 2026 12:00:00 +0000\r\n"
    )


def test_the_trace_line_hides_recipients_from_each_other_and_bears_any_helo():
    odd = with_(targets=(target("a"), target("b")), client="2001:db8::1", helo="ü (x) <y>")
    line = intake.received_line(odd, hostname="mx", id_="txn_1", received_at=NOW)
    assert b"for <" not in line
    assert line.startswith(b"Received: from ???x???y? ([IPv6:2001:db8::1])\r\n")


@pytest.mark.parametrize("helo", ["peer.example", "[192.0.2.7]", "[IPv6:::1]", "my_pc"])
def test_usual_names_stay_as_they_are(helo):
    assert intake.plain_name(helo) == helo
