"""The session on a transport in memory: cuts, order, ends, limits."""

import asyncio

import pytest

from postroom_contract.ids import derived_id
from postroom_runtime.errors import UnavailableError
from postroom_runtime.messages import FullError
from postroom_smtp.aiosmtpd_session import BACKLOG_BYTES, LINGER_SECONDS
from support.smtp import House

OPEN = b"EHLO peer.example\r\nMAIL FROM:<x@theirs.example>\r\nRCPT TO:<a@ours.example>\r\nDATA\r\n"
MAIL = b"Message-ID: <1@x>\r\nSubject: hi\r\n\r\nhello\r\n"
SECOND = (
    b"MAIL FROM:<evil@theirs.example>\r\nRCPT TO:<b@ours.example>\r\nDATA\r\n"
    b"Message-ID: <2@x>\r\n\r\nspam\r\n.\r\n"
)


async def test_one_write_with_everything_gets_all_replies_in_order():
    house = House()
    peer = house.peer()
    peer.feed(OPEN + MAIL + b".\r\n" + SECOND + b"QUIT\r\n")
    await house.settle()
    assert peer.codes() == [
        "220",
        "250",
        "250",
        "250",
        "354",
        "250",
        "250",
        "250",
        "354",
        "250",
        "221",
    ]
    assert [e.recipient for e in house.broker.envelopes] == ["a@ours.example", "b@ours.example"]
    assert peer.over


async def test_pipelined_replies_leave_in_one_write():
    peer = House().peer()
    before = peer.transport.writes
    peer.feed(OPEN)
    assert peer.transport.writes == before + 1


async def test_what_is_stored_is_the_trace_and_the_peers_bytes():
    house = House()
    peer = house.peer()
    peer.feed(OPEN + b"Date: x\r\n\r\n..dot\r\n.\r\n")
    await house.settle()
    (stored,) = house.broker.under("intake")
    (envelope,) = house.broker.envelopes
    assert stored.payload.startswith(
        b"Received: from peer.example ([192.0.2.7])\r\n\tby mx.ours.example"
    )
    assert stored.payload.endswith(b" +0000\r\nDate: x\r\n\r\n.dot\r\n")
    assert stored.id == envelope.id
    assert envelope.size == len(b"Date: x\r\n\r\n.dot\r\n")
    assert stored.subject.split(".")[-2:] == ["acc_one", "mbx_a"]
    assert envelope.id == derived_id(
        "msg", "mbx_a", "a@ours.example", "x@theirs.example", envelope.sha256
    )


SMUGGLING = [b"\n.\n", b"\n.\r", b"\r.\n", b"\r.\r", b"\n.\r\n", b"\r.\r\n", b"\r\n\x00.\r\n"]


@pytest.mark.parametrize("delayed", [False, True])
@pytest.mark.parametrize("vector", SMUGGLING)
async def test_smuggling_makes_one_mail_or_a_refusal_at_any_cut(vector, delayed):
    stream = OPEN + MAIL + b"x" + vector + SECOND + b"QUIT\r\n"
    cuts = [(), *((n,) for n in range(1, len(stream))), tuple(range(1, len(stream)))]
    for at in cuts:
        house = House(connections_per_address=10_000)
        if delayed:
            house.broker.gate.clear()
        peer = house.peer()
        peer.feed(stream, at)
        house.broker.gate.set()
        await house.settle()
        recipients = [e.recipient for e in house.broker.envelopes]
        if b"\x00" in vector:
            assert recipients == ["a@ours.example"]
            assert peer.codes()[-2:] == ["250", "221"]
        else:
            assert recipients == []
            assert peer.codes() == ["220", "250", "250", "250", "354", "550"]
        assert peer.over


async def test_every_split_of_an_honest_session_gives_the_same():
    stream = OPEN + MAIL + b"..\r\n.\r\n" + SECOND + b"QUIT\r\n"
    for at in [(n,) for n in range(1, len(stream))]:
        house = House()
        peer = house.peer()
        peer.feed(stream, at)
        await house.settle()
        assert peer.codes() == [
            "220",
            "250",
            "250",
            "250",
            "354",
            "250",
            "250",
            "250",
            "354",
            "250",
            "221",
        ]
        assert len(house.broker.published) == 2


async def test_commands_behind_the_dot_wait_for_the_store():
    house = House()
    house.broker.gate.clear()
    peer = house.peer()
    peer.feed(OPEN + MAIL + b".\r\nNOOP\r\nQUIT\r\n")
    await asyncio.sleep(0)
    assert peer.codes() == ["220", "250", "250", "250", "354"]
    house.broker.gate.set()
    await house.settle()
    assert peer.codes()[-3:] == ["250", "250", "221"]


async def test_a_long_backlog_pauses_reading_until_the_store_has_answered():
    house = House()
    house.broker.gate.clear()
    peer = house.peer()
    peer.feed(OPEN + MAIL + b".\r\n")
    peer.feed(b"NOOP\r\n" * (BACKLOG_BYTES // 6 + 1))
    assert peer.transport.paused
    house.broker.gate.set()
    await house.settle()
    assert not peer.transport.paused


async def test_half_close_behind_the_dot_still_stores_and_answers():
    house = House()
    house.broker.gate.clear()
    peer = house.peer()
    peer.feed(OPEN + MAIL + b".\r\nQUIT\r\n")
    peer.half_close()
    assert not peer.transport.closed
    house.broker.gate.set()
    await house.settle()
    assert peer.codes()[-2:] == ["250", "221"]
    assert len(house.broker.published) == 1
    assert peer.transport.closed


async def test_half_close_before_the_dot_ends_it():
    house = House()
    peer = house.peer()
    peer.feed(OPEN + MAIL)
    peer.half_close()
    assert peer.transport.closed
    assert not house.broker.published


async def test_a_peer_that_vanishes_behind_the_dot_does_not_stop_the_store():
    house = House()
    house.broker.gate.clear()
    peer = house.peer()
    peer.feed(OPEN + MAIL + b".\r\n")
    await asyncio.sleep(0)
    peer.transport.abort()
    house.broker.gate.set()
    await house.settle()
    assert len(house.broker.published) == 1
    assert not house.guests.present


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (UnavailableError("nats at 10.0.0.1 is gone"), "451 4.3.0"),
        (FullError("maximum bytes"), "452 4.3.1"),
        (RuntimeError("secret text"), "451 4.3.0"),
    ],
)
async def test_a_failed_store_is_put_off_and_the_session_goes_on(error, answer):
    house = House()
    house.broker.errors.append(error)
    peer = house.peer()
    peer.feed(OPEN + MAIL + b".\r\n")
    await house.settle()
    last = peer.said()[-1]
    assert last.startswith(answer)
    assert "nats" not in last
    assert "secret" not in last
    peer.feed(OPEN + MAIL + b".\r\n")
    await house.settle()
    assert peer.said()[-1].startswith("250 2.0.0")


async def test_a_store_that_takes_too_long_is_451_for_the_peer_and_goes_on():
    house = House(answer_seconds=0.01)
    house.broker.gate.clear()
    peer = house.peer()
    peer.feed(OPEN + MAIL + b".\r\n")
    while "451" not in peer.codes():
        await asyncio.sleep(0)
    house.broker.gate.set()
    await house.settle()
    assert len(house.broker.published) == 1


async def test_recipients_of_one_transaction_go_in_one_batch_and_twice_the_same_is_one():
    house = House()
    peer = house.peer()
    rcpt = b"".join(b"RCPT TO:<%s@ours.example>\r\n" % n for n in (b"c", b"C", b"a", b"c"))
    peer.feed(b"EHLO x\r\nMAIL FROM:<>\r\n" + rcpt + b"DATA\r\n" + MAIL + b".\r\n")
    await house.settle()
    assert [e.recipient for e in house.broker.envelopes] == ["c@ours.example", "a@ours.example"]
    assert {e.transaction for e in house.broker.envelopes} == {
        house.broker.envelopes[0].transaction
    }
    assert {p.subject.split(".")[3] for p in house.broker.published} == {"1"}
    assert peer.codes() == ["220", "250", "250", "250", "250", "250", "250", "354", "250"]


async def test_size_at_the_limit_passes_and_one_more_is_552_even_when_the_end_comes_along():
    for extra, code in ((0, "250"), (1, "552")):
        head = b"Message-ID: <1@x>\r\n\r\n"
        body = b"x" * (1000 - len(head) - 2 + extra) + b"\r\n"
        house = House(message=1000)
        peer = house.peer()
        peer.feed(OPEN)
        peer.feed(head + body + b".\r\nQUIT\r\n")
        await house.settle()
        assert code in peer.codes()[-2:]
        assert len(house.broker.published) == (code == "250")


async def test_too_long_a_command_line_ends_the_session_whether_it_ends_or_not():
    for line in (b"NOOP " + b"x" * 2042 + b"\r\n", b"x" * 2049):
        peer = House().peer()
        peer.feed(line)
        assert peer.codes() == ["220", "500"]
        assert peer.over
    peer = House().peer()
    peer.feed(b"NOOP " + b"x" * 2041 + b"\r\n")
    assert peer.codes() == ["220", "250"]


@pytest.mark.parametrize("line", [b"NOOP\n", b"NO\rOP\r\n", b"NOOP\r\r\n", b"NOOP\n\r\n"])
async def test_a_command_line_ends_with_crlf_only(line):
    peer = House().peer()
    peer.feed(line + b"NOOP\r\n")
    assert peer.codes() == ["220", "500"]
    assert peer.over


async def test_header_and_loop_refusals_leave_the_session_open():
    house = House(header_lines=5, hops=2)
    peer = house.peer()
    peer.feed(OPEN + b"A: b\r\n" * 6 + b"\r\n.\r\n")
    peer.feed(OPEN + b"Received: x\r\n" * 3 + b"\r\n.\r\n")
    peer.feed(OPEN + MAIL + b".\r\n")
    await house.settle()
    assert [c for c in peer.codes() if c in {"552", "554"}] == ["552", "554"]
    assert peer.codes()[-1] == "250"


async def test_connections_at_the_limit_and_one_more():
    house = House(connections=3, connections_per_address=2)
    first, second = house.peer("192.0.2.1"), house.peer("192.0.2.1")
    third = house.peer("192.0.2.1")
    assert third.said() == ["421 4.7.0 too many connections"]
    assert third.transport.closed
    assert house.peer("192.0.2.2").codes() == ["220"]
    assert house.peer("192.0.2.3").codes() == ["421"]
    first.transport.abort()
    assert house.peer("192.0.2.3").codes() == ["220"]
    assert second.codes() == ["220"]


async def test_idle_is_measured_between_commands():
    house = House(idle=60)
    peer = house.peer()
    now = peer.session.loop.time()
    peer.session.look(now + 59)
    peer.feed(b"NO")
    peer.session.look(now + 59)
    assert peer.codes() == ["220"]
    peer.session.look(now + 62)
    assert peer.said()[-1].startswith("421 4.4.2")
    assert not peer.transport.closed
    peer.session.look(now + 62 + LINGER_SECONDS + 1)
    assert peer.transport.closed


async def test_data_must_come_at_a_pace_not_by_a_time():
    house = House(slow=500, window=20, idle=60)
    peer = house.peer()
    peer.feed(OPEN)
    now = peer.session.loop.time()
    peer.feed(b"x" * 78 + b"\r\n" + b"x" * 20_000)
    peer.session.look(now + 30)
    assert peer.codes()[-1] == "354"
    peer.feed(b"x" * 9_000)
    peer.session.look(now + 60)
    assert peer.said()[-1].startswith("421 4.4.2")


async def test_a_running_store_is_never_timed_out():
    house = House(idle=1, window=1)
    house.broker.gate.clear()
    peer = house.peer()
    peer.feed(OPEN + MAIL + b".\r\n")
    peer.session.look(peer.session.loop.time() + 1000)
    house.broker.gate.set()
    await house.settle()
    assert peer.codes()[-1] == "250"


async def test_after_the_last_word_everything_is_swallowed_and_nothing_run():
    house = House()
    peer = house.peer()
    peer.feed(OPEN + b"bare\nline\r\n")
    peer.feed(b".\r\n" + OPEN + MAIL + b".\r\n")
    await house.settle()
    assert peer.codes()[-1] == "550"
    assert not house.broker.published


async def test_draining_says_421_and_lets_a_store_finish_first():
    from postroom_smtp.domain import replies

    house = House()
    idle, busy = house.peer(), house.peer()
    house.broker.gate.clear()
    busy.feed(OPEN + MAIL + b".\r\n")
    house.guests.draining = True
    for guest in list(house.guests.present):
        guest.end(replies.draining())
    assert idle.said()[-1].startswith("421 4.3.2")
    house.broker.gate.set()
    await house.settle()
    assert busy.codes()[-2:] == ["250", "421"]
    assert house.peer().codes() == ["421"]


async def test_what_is_counted():
    house = House(errors=50)
    peer = house.peer()
    peer.feed(OPEN + MAIL + b".\r\n")
    await house.settle()
    house.directory.in_step = False
    peer.feed(b"MAIL FROM:<>\r\nRCPT TO:<no@ours.example>\r\n")
    house.directory.in_step = True
    peer.feed(b"RCPT TO:<no@ours.example>\r\nRCPT TO:<a@b>\r\nWHAT\r\n")
    assert [s for s in house.counts.seen if s[0] != "connections"] == [
        ("accepted", 1),
        ("deferred", "not in step"),
        ("refused", "unknown address"),
        ("refused", "relaying"),
        ("refused", "syntax"),
    ]
