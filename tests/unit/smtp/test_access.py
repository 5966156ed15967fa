"""Who may connect: lists of networks, a greeting held back, load balancers, and LMTP."""

import asyncio
import struct

import pytest

from postroom_smtp.domain import replies
from postroom_smtp.domain.access import Access, is_listed, list_names
from postroom_smtp.domain.networks import lies_in, parse_networks
from postroom_smtp.domain.proxy import SIGNATURE, Proxied, ProxyError, proxied
from support.smtp import ADDRESSES, House, Peer

MAIL = b"From: a@theirs.example\r\nMessage-ID: <1@theirs.example>\r\n\r\nhello\r\n"


def version_2(command: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


IPV4 = bytes([203, 0, 113, 9]) + bytes([192, 0, 2, 1]) + struct.pack("!HH", 4000, 25)
IPV6 = bytes.fromhex("20010db8" + "0" * 22 + "07") + bytes(16) + struct.pack("!HH", 4000, 25)


@pytest.mark.parametrize(
    ("data", "address"),
    [
        (b"PROXY TCP4 203.0.113.9 192.0.2.1 4000 25\r\n", "203.0.113.9"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 4000 25\r\n", "2001:db8::7"),
        (b"PROXY TCP6 ::ffff:203.0.113.9 ::1 4000 25\r\n", "203.0.113.9"),
        (b"PROXY UNKNOWN\r\n", ""),
        (b"PROXY UNKNOWN what ever\r\n", ""),
        (version_2(0x21, 0x11, IPV4), "203.0.113.9"),
        (version_2(0x21, 0x11, IPV4 + b"\x04\x00\x01x"), "203.0.113.9"),
        (version_2(0x21, 0x21, IPV6), "2001:db8::7"),
        (version_2(0x20, 0x00, b""), ""),
        (version_2(0x21, 0x31, bytes(216)), ""),
    ],
)
def test_who_is_behind_a_load_balancer_however_the_bytes_are_cut(data: bytes, address: str) -> None:
    whole = data + b"EHLO x\r\n"
    assert proxied(whole) == Proxied(address, len(data))
    assert all(proxied(whole[:n]) is None for n in range(len(data)))


@pytest.mark.parametrize(
    "data",
    [
        b"EHLO x\r\n",
        b"\r\n\r\nX",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 4000\r\n",
        b"PROXY TCP4 2001:db8::7 192.0.2.1 4000 25\r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 4000 99999\r\n",
        b"PROXY TCP4 203.0.113.999 192.0.2.1 4000 25\r\n",
        b"PROXY TCP9 203.0.113.9 192.0.2.1 4000 25\r\n",
        b"PROXY \xff\r\n",
        b"PROXY " + b"x" * 101,
        version_2(0x31, 0x11, IPV4),
        version_2(0x22, 0x11, IPV4),
        version_2(0x21, 0x11, IPV4[:8]),
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 4_097),
    ],
)
def test_what_is_no_header_of_a_load_balancer(data: bytes) -> None:
    with pytest.raises(ProxyError):
        proxied(data)


async def test_a_session_behind_a_load_balancer_is_its_clients() -> None:
    access = Access(proxies=parse_networks("10.0.0.0/8"), deny=parse_networks("203.0.113.66"))
    house = House(access=access, connections_per_address=1)
    peer = house.peer("10.1.2.3")
    assert peer.said() == []
    peer.feed(b"PROXY TCP4 203.0.113.9 192.0.2.1 4000 25\r\n", at=[7, 20])
    assert peer.said() == ["220 mx.ours.example ESMTP Postroom"]
    to = ADDRESSES[0].encode()
    peer.feed(
        b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<" + to + b">\r\nDATA\r\n" + MAIL + b".\r\n"
    )
    await house.settle()
    assert peer.codes()[-1] == "250"
    assert house.broker.envelopes[0].client == "203.0.113.9"
    # Another connection of the load balancer's is another client's; the same client has enough.
    other, same, denied = house.peer("10.1.2.3"), house.peer("10.1.2.3"), house.peer("10.1.2.3")
    other.feed(b"PROXY TCP4 203.0.113.10 192.0.2.1 4000 25\r\n")
    assert other.codes() == ["220"]
    same.feed(b"PROXY TCP4 203.0.113.9 192.0.2.1 4001 25\r\n")
    assert same.codes() == ["421"]
    denied.feed(b"PROXY TCP4 203.0.113.66 192.0.2.1 4001 25\r\n")
    assert denied.codes() == ["554"]
    for one in (peer, other, same, denied):
        one.session.connection_lost(None)
    assert not house.guests.present
    assert not house.guests._by_address


async def test_who_does_not_say_whose_connection_it_is_hears_nothing_more() -> None:
    house = House(access=Access(proxies=parse_networks("10.0.0.0/8")))
    peer = house.peer("10.1.2.3")
    peer.feed(b"EHLO x\r\n")
    assert peer.codes() == ["421"]
    assert peer.over
    # … and nobody else is believed who says it.
    stranger = house.peer("198.51.100.1")
    stranger.feed(b"PROXY TCP4 203.0.113.9 192.0.2.1 4000 25\r\n")
    assert stranger.codes() == ["220", "500"]


async def greeted(*peers: Peer) -> None:
    for one in peers:
        assert one.session._welcoming is not None
        await one.session._welcoming


async def test_who_waits_for_a_greeting_holds_up_no_end() -> None:
    house = House(access=Access(greet=30.0))
    staying, leaving = house.peer(), house.peer("192.0.2.8")
    leaving.session.connection_lost(None)
    house.guests.draining = True
    staying.session.end(replies.draining())
    async with asyncio.timeout(5):
        await house.guests.finish()
    assert staying.codes() == ["421"]
    with pytest.raises(asyncio.CancelledError):
        await greeted(leaving)


async def test_a_list_that_never_answers_keeps_a_peer_no_longer_than_idling_may_last() -> None:
    async def never(_address: str) -> bool:
        await asyncio.Event().wait()
        return False

    house = House(access=Access(lists=("zen.example",)), listed=never, idle=1.0)
    peer = house.peer()
    peer.session.look(peer.session.loop.time() + 0.5)
    assert peer.codes() == []
    peer.session.look(peer.session.loop.time() + 2.0)
    assert peer.codes() == ["421"]


async def test_denied_allowed_and_early() -> None:
    access = Access(
        deny=parse_networks("198.51.100.0/24"), allow=parse_networks("198.51.100.7"), greet=0.05
    )
    house = House(access=access)
    assert house.peer("198.51.100.8").codes() == ["554"]
    assert house.peer("198.51.100.7").codes() == ["220"]
    patient, early = house.peer(), house.peer("192.0.2.8")
    early.feed(b"EHLO x\r\n")
    assert (patient.codes(), early.codes()) == ([], [])
    await greeted(patient, early)
    assert (patient.codes(), early.codes()) == (["220"], ["554"])
    assert early.over
    patient.feed(b"EHLO x\r\n")
    assert patient.codes() == ["220", "250"]
    assert ("refused", "early talker") in house.counts.seen


async def test_the_lists_are_asked_before_the_greeting() -> None:
    asked: list[str] = []

    async def listed(address: str) -> bool:
        asked.append(address)
        await asyncio.sleep(0)
        return address == "192.0.2.66"

    house = House(access=Access(lists=("zen.example",)), listed=listed)
    good, bad = house.peer(), house.peer("192.0.2.66")
    good.feed(b"EHLO x\r\n")  # without a delay nobody is early
    await greeted(good, bad)
    assert (good.codes(), bad.codes()) == (["220", "250"], ["554"])
    assert asked == ["192.0.2.7", "192.0.2.66"]


def test_names_of_lists() -> None:
    assert list_names("192.0.2.7", ["a.example", "b.example"]) == [
        "7.2.0.192.a.example", "7.2.0.192.b.example",
    ]  # fmt: skip
    assert list_names("2001:db8::7", ["a.example"])[0].startswith("7.0.0.0.0.")
    assert list_names("::ffff:192.0.2.7", ["a.example"]) == ["7.2.0.192.a.example"]
    assert list_names("fe80::1%eth0", ["a.example"])[0].endswith(".0.8.e.f.a.example")
    assert list_names("", ["a.example"]) == []
    assert is_listed(["127.0.0.2"])
    assert not is_listed(["127.255.255.254"])
    assert not is_listed(["192.0.2.1"])


def test_networks() -> None:
    found = parse_networks("192.0.2.0/24, 2001:db8::/32 198.51.100.7")
    assert lies_in("192.0.2.200", found)
    assert lies_in("::ffff:192.0.2.200", found)
    assert lies_in("2001:db8:1::1%eth0", found)
    assert not lies_in("198.51.100.8", found)
    assert not lies_in("", found)
    with pytest.raises(ValueError, match="192.0.2.1/24"):
        parse_networks("192.0.2.1/24")


async def test_lmtp_answers_for_each_recipient_that_was_granted() -> None:
    house = House()
    peer = house.peer(lmtp=True)
    assert peer.said() == ["220 mx.ours.example LMTP Postroom"]
    one, two = (address.encode() for address in ADDRESSES[:2])
    peer.feed(b"EHLO x\r\nLHLO mta.ours.example\r\n")
    assert peer.codes()[1:] == ["500", "250"]
    peer.feed(
        b"MAIL FROM:<a@b.example>\r\nRCPT TO:<" + one + b">\r\nRCPT TO:<nobody@ours.example>\r\n"
        b"RCPT TO:<" + two + b">\r\nRCPT TO:<" + two + b">\r\nDATA\r\n" + MAIL + b".\r\n"
    )
    await house.settle()
    assert peer.codes()[3:] == ["250", "250", "550", "250", "250", "354", "250", "250", "250"]
    assert len(house.broker.envelopes) == 2
    assert b"with LMTP id" in house.broker.published[0].payload
    # Nothing is granted: DATA is refused, once.
    peer.feed(b"MAIL FROM:<a@b.example>\r\nDATA\r\n")
    assert peer.codes()[-2:] == ["250", "503"]
    # A mail that is refused is refused to each.
    peer.feed(
        b"RCPT TO:<"
        + one
        + b">\r\nRCPT TO:<"
        + two
        + b">\r\nDATA\r\n"
        + b"Received: x\r\n" * 60
        + b"\r\n.\r\n"
    )
    await house.settle()
    assert peer.codes()[-2:] == ["554", "554"]
