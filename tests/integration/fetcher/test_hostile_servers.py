"""Whatever a server does, the conversation ends by its deadline, and with an error of ours."""

import asyncio
import base64
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from postroom_contract.documents import FetchSource
from postroom_fetcher.connecting import Patience, Way
from postroom_fetcher.domain import providers as providers_of
from postroom_fetcher.domain.plan import Listed
from postroom_fetcher.domain.providers import Provider
from postroom_fetcher.domain.transcript import Transcript
from postroom_fetcher.ports import (
    ForbiddenError,
    ServerError,
    Session,
    SignInError,
    UnreachableError,
)
from postroom_fetcher.servers import MailServers
from postroom_runtime.reach import parse_internal
from support.hostile import Hostile, Peer, Talk, imap_until_selected, pop3_until_signed_in

WAY = Way(
    patience=Patience(connect=1.0, login=1.0, command=1.0), internal=parse_internal("127.0.0.1")
)
LATEST = 5.0
LIMIT = 100_000
MEMORY = 96 * 1024 * 1024
"""Three copies of the longest answer there may be, the list of a POP3 mailbox."""


def source(port: int, **more: object) -> FetchSource:
    values = {"host": "127.0.0.1", "tls": "none", "login": "alice", "sealed_password": "", **more}
    return FetchSource(port=port, **values)  # type: ignore[arg-type]  # a test's own words


async def visit(
    protocol: str, port: int, password: str = "secret", **more: object
) -> dict[str, bytes]:
    """All that a check does on a connection, without an end of its own."""
    session: Session = await MailServers(WAY).open(
        protocol, source(port, **more), password, writable=True  # type: ignore[arg-type]  # parametrized
    )  # fmt: skip
    try:
        await session.folder()
        found = await session.listing(0)
        mails = await session.fetch(found[:10], LIMIT) if found else {}
        await session.delete(list(mails))
        await session.finish()
        return mails
    finally:
        session.close()


@contextmanager
def bounded_memory() -> Iterator[None]:
    """Fail when more than MEMORY is held at any time meanwhile."""
    tracemalloc.start()
    try:
        yield
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < MEMORY


def after_select(data: bytes) -> Talk:
    async def talk(peer: Peer) -> None:
        await imap_until_selected(peer)
        await peer.hear()
        await peer.say(data)
        await peer.hear()

    return talk


def on_fetch(data: bytes, size: int = 10) -> Talk:
    async def talk(peer: Peer) -> None:
        await imap_until_selected(peer)
        tag = (await peer.hear()).split(b" ")[0]
        await peer.say(b"* 1 FETCH (UID 1 RFC822.SIZE %d)\r\n" % size + tag + b" OK done\r\n")
        await peer.hear()
        await peer.say(data)
        await peer.hear()

    return talk


def greeting(data: bytes, *, close: bool = False) -> Talk:
    async def talk(peer: Peer) -> None:
        await peer.say(data)
        if not close:
            await peer.hear()
            await peer.hear()

    return talk


def trickling(start: bytes, drop: bytes) -> Talk:
    async def talk(peer: Peer) -> None:
        await imap_until_selected(peer)
        await peer.hear()
        await peer.say(start)
        await peer.forever(drop, 0.05)

    return talk


async def endless_line(peer: Peer) -> None:
    await imap_until_selected(peer)
    await peer.hear()
    await peer.forever(b"x" * 10_000)


async def flood_of_lines(peer: Peer) -> None:
    await imap_until_selected(peer)
    await peer.hear()
    await peer.forever(b"* 1 EXISTS\r\n" * 1_000)


async def flood_of_literals(peer: Peer) -> None:
    await imap_until_selected(peer)
    tag = (await peer.hear()).split(b" ")[0]
    await peer.say(b"* 1 FETCH (UID 1 RFC822.SIZE 10)\r\n" + tag + b" OK done\r\n")
    await peer.hear()
    await peer.forever(b"* 1 FETCH (UID 1 BODY[] {90000}\r\n" + b"x" * 90_000 + b")\r\n")


async def silence(peer: Peer) -> None:
    await peer.hear()


IMAP = {
    "silence": silence,
    "closes": greeting(b"", close=True),
    "says bye": greeting(b"* BYE too many connections\r\n"),
    "is HTTP": greeting(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "signs us in itself": greeting(b"* PREAUTH welcome\r\n"),
    "bye after select": after_select(b"* BYE enough\r\n"),
    "foreign tag": after_select(b"XYZ9 OK done\r\n"),
    "garbage": after_select(b"\x00\xff\xfe garbage\r\n"),
    "continuation": after_select(b"+ go on\r\n"),
    "endless line": endless_line,
    "line over the limit": after_select(b"* 1 FETCH (" + b"x" * 70_000 + b")\r\n"),
    "flood of lines": flood_of_lines,
    "flood of literals": flood_of_literals,
    "huge literal": on_fetch(b"* 1 FETCH (UID 1 BODY[] {107374182400}\r\nxx"),
    "literal of too many digits": on_fetch(b"* 1 FETCH (UID 1 BODY[] {99999999999999999999}\r\nxx"),
    "negative literal": on_fetch(b"* 1 FETCH (UID 1 BODY[] {-5}\r\nxx)\r\n"),
    "literal that never comes": on_fetch(b"* 1 FETCH (UID 1 BODY[] {10}\r\nxx"),
    "mail in quotes": on_fetch(b'* 1 FETCH (UID 1 BODY[] "From: x")\r\n'),
    "nested lists": on_fetch(b"* 1 FETCH (UID 1 X " + b"(" * 500 + b"\r\n"),
    "trickle of bytes": trickling(b"* ", b"x"),
    "trickle of lines": trickling(b"", b"* 1 EXISTS\r\n"),
    "trickle in a literal": trickling(b"* 1 FETCH (UID 1 BODY[] {9000}\r\n", b"x"),
    "quadratic quotes": after_select(b"* 1 FETCH (" + b'\\"' * 30_000 + b"\r\n"),
}


@pytest.mark.parametrize("talk", IMAP.values(), ids=IMAP.keys())
async def test_an_imap_server_holds_no_worker_for_ever_and_takes_no_memory(talk: Talk) -> None:
    async with Hostile(talk) as server:
        begin = time.monotonic()
        with pytest.raises(ServerError), bounded_memory():
            await visit("imap", server.port)
        assert time.monotonic() - begin < LATEST


async def test_text_that_looks_like_a_literal_swallows_nothing() -> None:
    async def talk(peer: Peer) -> None:
        await imap_until_selected(peer)
        tag = (await peer.hear()).split(b" ")[0]
        await peer.say(
            b'* OK text {5}\r\n* 1 FETCH (UID 1 RFC822.SIZE 3)\r\n* OK * star "* " {3}\r\n'
            + tag + b" OK done\r\n"
        )  # fmt: skip
        tag = (await peer.hear()).split(b" ")[0]
        await peer.say(
            b"* 9 EXISTS\r\n* 1 FETCH (FLAGS (\\Seen) BODY[] {5}\r\na\r\n)( UID 1)\r\n* 2 EXPUNGE\r\n"
            + tag + b" OK done\r\n"
        )  # fmt: skip
        for _ in range(3):
            await peer.tagged()

    async with Hostile(talk) as server:
        assert await visit("imap", server.port) == {"1": b"a\r\n)("}


async def test_duplicate_and_unasked_uids_count_once_or_not() -> None:
    async def talk(peer: Peer) -> None:
        await imap_until_selected(peer, 2)
        tag = (await peer.hear()).split(b" ")[0]
        await peer.say(b"* 1 FETCH (UID 5 RFC822.SIZE 3)\r\n" * 2 + tag + b" OK done\r\n")
        tag, _, words = (await peer.hear()).partition(b" ")
        assert words == b"UID FETCH 5 (UID BODY.PEEK[])"
        one = b"* 1 FETCH (UID 5 BODY[] {3}\r\nabc)\r\n"
        await peer.say(one + one.replace(b"UID 5", b"UID 6") + one + tag + b" OK done\r\n")
        for _ in range(3):
            await peer.tagged()

    async with Hostile(talk) as server:
        assert await visit("imap", server.port) == {"5": b"abc"}


@pytest.mark.parametrize(
    "answer", [b"OK begin\r\n* CAPABILITY IMAP4rev1\r\n", b"OK begin\r\nx", b"NO never\r\n", b"BAD what\r\n"]
)  # fmt: skip
async def test_nothing_is_said_in_the_clear_around_starttls(answer: bytes) -> None:
    async def talk(peer: Peer) -> None:
        await peer.say(b"* OK ready\r\n")
        tag = (await peer.hear()).split(b" ")[0]
        await peer.say(b"* CAPABILITY IMAP4rev1 STARTTLS\r\n" + tag + b" OK done\r\n")
        tag = (await peer.hear()).split(b" ")[0]
        await peer.say(tag + b" " + answer)
        await peer.hear()

    async with Hostile(talk) as server:
        with pytest.raises(UnreachableError):
            await visit("imap", server.port, tls="starttls")
        assert not any(b"LOGIN" in line or b"secret" in line for line in server.heard)


async def test_starttls_that_is_not_offered_is_not_done_without() -> None:
    async def talk(peer: Peer) -> None:
        await peer.say(b"* OK ready\r\n")
        await peer.tagged()
        await peer.hear()

    async with Hostile(talk) as server:
        with pytest.raises(UnreachableError, match="STARTTLS"):
            await visit("imap", server.port, tls="starttls")
        assert len(server.heard) == 1


@pytest.mark.parametrize("word", ["a\r\nb", "a\nb", "a\0b"])
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
async def test_no_argument_becomes_a_command(protocol: str, word: str) -> None:
    async def talk(peer: Peer) -> None:
        await peer.say(b"* OK ready\r\n" if protocol == "imap" else b"+OK ready\r\n")
        await peer.tagged()
        await peer.hear()

    for more in ({"login": word}, {"password": word}):
        async with Hostile(talk) as server:
            with pytest.raises(ForbiddenError):
                await visit(protocol, server.port, **more)
            assert not any(b"LOGIN" in line or b"USER" in line for line in server.heard)


async def test_login_and_password_are_quoted() -> None:
    async def talk(peer: Peer) -> None:
        await peer.say(b"* OK ready\r\n")
        await peer.tagged()
        await peer.tagged(b"NO [AUTHENTICATIONFAILED] wrong")

    async with Hostile(talk) as server:
        with pytest.raises(SignInError, match="wrong"):
            await visit("imap", server.port, 'pa"ss \\ word', login="a b(")
        assert server.heard[1].endswith(b'LOGIN "a b(" "pa\\"ss \\\\ word"\r\n')


async def test_a_server_in_trouble_is_not_a_wrong_password() -> None:
    async def talk(peer: Peer) -> None:
        await peer.say(b"* OK ready\r\n")
        await peer.tagged()
        await peer.tagged(b"NO [UNAVAILABLE] later")

    async with Hostile(talk) as server:
        with pytest.raises(ServerError) as caught:
            await visit("imap", server.port)
        assert caught.value.state == "trouble"


async def test_without_uidplus_other_peoples_deleted_mails_stay() -> None:
    heard: list[bytes] = []

    async def talk(peer: Peer) -> None:
        await imap_until_selected(peer)
        while True:
            tag, _, words = (await peer.hear()).partition(b" ")
            heard.append(words)
            answers = {
                b"UID FETCH 1:*": b"* 1 FETCH (UID 4 RFC822.SIZE 1)\r\n",
                b"UID FETCH 4 (": b"* 1 FETCH (UID 4 BODY[] {1}\r\nx)\r\n",
                b"UID SEARCH": b"* SEARCH 2 4\r\n",
            }
            for begin, answer in answers.items():
                if words.startswith(begin):
                    await peer.say(answer)
            await peer.say(tag + b" OK done\r\n")

    async def without(peer: Peer) -> None:
        original = peer.say

        async def say(data: bytes) -> None:
            await original(data.replace(b" UIDPLUS", b""))

        peer.say = say  # type: ignore[method-assign]  # the test's own peer
        await talk(peer)

    async with Hostile(without) as server:
        await visit("imap", server.port)
    assert b"EXPUNGE" not in heard
    assert b"UID SEARCH DELETED" in heard


# POP3


def pop3_after(data: bytes) -> Talk:
    async def talk(peer: Peer) -> None:
        await pop3_until_signed_in(peer)
        await peer.hear()
        await peer.say(data)
        await peer.hear()

    return talk


def pop3_forever(start: bytes, data: bytes, pause: float = 0.0) -> Talk:
    async def talk(peer: Peer) -> None:
        await pop3_until_signed_in(peer)
        await peer.hear()
        await peer.say(start)
        await peer.forever(data, pause)

    return talk


def pop3_mail(answer: bytes, size: int = 10, quit_: bytes = b"+OK\r\n") -> Talk:
    async def talk(peer: Peer) -> None:
        await pop3_until_signed_in(peer)
        await peer.hear()
        await peer.say(b"+OK\r\n1 %d\r\n.\r\n" % size)
        await peer.hear()
        await peer.say(b"+OK\r\n1 abc\r\n.\r\n")
        await peer.hear()
        await peer.say(answer)
        await peer.hear()
        await peer.say(b"+OK\r\n")
        await peer.hear()
        await peer.say(quit_)

    return talk


POP3 = {
    "silence": silence,
    "closes": greeting(b"", close=True),
    "-ERR": greeting(b"-ERR go away\r\n"),
    "is HTTP": greeting(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "closes later": pop3_after(b"+OK\r\n1 1"),
    "endless line": pop3_forever(b"+OK", b"x" * 10_000),
    "endless listing": pop3_forever(b"+OK\r\n", b"1 1\r\n" * 20_000),
    "trickle": pop3_forever(b"+OK\r\n", b"1 1\r\n", 0.05),
    "two answers": pop3_after(b"+OK\r\n.\r\n+OK\r\n"),
    "mail larger than it may be": pop3_mail(b"+OK\r\n" + b"x" * 200_000 + b"\r\n.\r\n"),
    "mail without an end": pop3_mail(b"+OK\r\nhello\r\n"),
    "quit refused": pop3_mail(b"+OK\r\nhello\r\n.\r\n", quit_=b"-ERR disk full\r\n"),
    "quit unanswered": pop3_mail(b"+OK\r\nhello\r\n.\r\n", quit_=b""),
}


@pytest.mark.parametrize("talk", POP3.values(), ids=POP3.keys())
async def test_a_pop3_server_holds_no_worker_for_ever_and_takes_no_memory(talk: Talk) -> None:
    async with Hostile(talk) as server:
        begin = time.monotonic()
        with pytest.raises(ServerError), bounded_memory():
            await visit("pop3", server.port)
        assert time.monotonic() - begin < LATEST


@pytest.mark.parametrize(
    ("wire", "mail"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"...a\r\nb.\r\n\r\n..\r\n.\r\n", b"..a\r\nb.\r\n\r\n.\r\n"),
        (b"x" * 5_000 + b"\r\n.\r\n", b"x" * 5_000 + b"\r\n"),
    ],
)
async def test_pop3_mails_come_as_they_are(wire: bytes, mail: bytes) -> None:
    async with Hostile(pop3_mail(b"+OK\r\n" + wire)) as server:
        assert await visit("pop3", server.port) == {"abc": mail}


BEARER = b"n,a=alice,\x01host=127.0.0.1\x01port=%d\x01auth=Bearer t0ken\x01\x01"


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (b"+OK in\r\n", None),
        (b"-ERR no\r\n", SignInError),
        (b"+ eyJzdGF0dXMiOiI0MDAifQ==\r\n", SignInError),
        (b"-ERR [SYS/TEMP] later\r\n", ServerError),
    ],
)
async def test_pop3_signs_in_with_a_token(end: bytes, error: type[ServerError] | None) -> None:
    async def talk(peer: Peer) -> None:
        await peer.say(b"+OK ready\r\n")
        await peer.hear()
        await peer.say(b"+OK\r\nSASL PLAIN OAUTHBEARER XOAUTH2\r\n.\r\n")
        assert await peer.hear() == b"AUTH OAUTHBEARER"
        await peer.say(b"+ \r\n")
        await peer.hear()
        await peer.say(end)
        if end.startswith(b"+ "):  # RFC 7628 §3.2.3
            assert await peer.hear() == b"AQ=="
            await peer.say(b"-ERR no\r\n")
        await peer.hear()

    transcript = Transcript()
    async with Hostile(talk) as server:
        servers = MailServers(WAY).recorded(transcript)
        asked = servers.open("pop3", source(server.port, auth="oauth2"), "t0ken", writable=False)
        if error is None:
            (await asked).close()
        else:
            with pytest.raises(error):
                await asked
        assert base64.b64decode(server.heard[2]) == BEARER % server.port
    assert "t0ken" not in str(transcript.lines())
    assert server.heard[2].strip().decode() not in str(transcript.lines())


async def test_pop3_names_what_is_too_large_where_the_server_has_top() -> None:
    async def talk(peer: Peer) -> None:
        await pop3_until_signed_in(peer)
        for answer in (b"1 9\r\n2 9\r\n.\r\n", b"1 a\r\n2 b\r\n.\r\n"):
            await peer.hear()
            await peer.say(b"+OK\r\n" + answer)
        assert await peer.hear() == b"TOP 1 0"
        await peer.say(b"+OK\r\nSubject: one\r\n\r\n.\r\n")
        assert await peer.hear() == b"TOP 2 0"
        await peer.say(b"-ERR what?\r\n")
        await peer.hear()

    async with Hostile(talk) as server:
        session = await MailServers(WAY).open("pop3", source(server.port), "s", writable=False)
        found = await session.heads(await session.listing(0))
        assert found == {"a": b"Subject: one\r\n\r\n"}
        session.close()


async def test_a_server_that_wants_to_know_is_told_who_we_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def talk(peer: Peer) -> None:
        await peer.say(b"* OK ready\r\n")
        while True:
            tag, _, rest = (await peer.hear()).partition(b" ")
            if rest == b"CAPABILITY":
                await peer.say(b"* CAPABILITY IMAP4rev1 ID\r\n")
            await peer.say(tag + b" OK done\r\n")

    odd = Provider(name="odd", hosts=("127.0.0.1",), identify=True)
    async with Hostile(talk) as server:
        for providers, times in (((), 0), ((odd,), 1)):
            monkeypatch.setattr(providers_of, "PROVIDERS", providers)
            server.heard.clear()
            session = await MailServers(WAY).open("imap", source(server.port), "s", writable=False)
            session.close()
            assert sum(b' ID ("name" "Postroom")' in line for line in server.heard) == times


async def test_pop3_twins_of_one_uidl_are_two_mails() -> None:
    async def talk(peer: Peer) -> None:
        await pop3_until_signed_in(peer)
        await peer.hear()
        await peer.say(b"+OK\r\n1 1\r\n2 2\r\n.\r\n")
        await peer.hear()
        await peer.say(b"+OK\r\n1 same\r\n2 same\r\n.\r\n")
        await peer.hear()

    async with Hostile(talk) as server:
        session = await MailServers(WAY).open("pop3", source(server.port), "x", writable=False)
        assert await session.listing(0) == [Listed("same", 1), Listed("same 2", 2)]
        session.close()


@pytest.mark.parametrize(
    ("capabilities", "ahead"),
    [
        (b"+OK\r\nTOP\r\nPIPELINING\r\n.\r\n", 20),
        (b"+OK\r\nTOP\r\n.\r\n", 1),
        (b"-ERR what?\r\n", 1),
    ],
)
async def test_pop3_mails_are_asked_for_ahead_where_that_is_offered(
    capabilities: bytes, ahead: int
) -> None:
    """RFC 2449 §6.6. The mail that has vanished in between answers for itself alone."""
    many = range(1, 31)
    heard_before_first: list[bytes] = []

    async def talk(peer: Peer) -> None:
        await pop3_until_signed_in(peer)
        await peer.hear()
        await peer.say(b"+OK\r\n" + b"".join(b"%d 9\r\n" % n for n in many) + b".\r\n")
        await peer.hear()
        await peer.say(b"+OK\r\n" + b"".join(b"%d u%d\r\n" % (n, n) for n in many) + b".\r\n")
        assert await peer.hear() == b"CAPA"
        await peer.say(capabilities)
        heard_before_first.extend([await peer.hear() for _ in range(ahead)])
        for n in many:
            line = heard_before_first[n - 1] if n <= ahead else await peer.hear()
            assert line == b"RETR %d" % n
            gone = b"-ERR no such message\r\n"
            await peer.say(gone if n == 7 else b"+OK\r\n..mail %d\r\n.\r\n" % n)
        await peer.hear()
        await peer.say(b"+OK\r\n")

    async with Hostile(talk) as server:
        session = await MailServers(WAY).open("pop3", source(server.port), "x", writable=False)
        listed = await session.listing(0)
        mails = await session.fetch(listed, 1_000)
        await session.finish()
        assert mails == {f"u{n}": b".mail %d\r\n" % n for n in many if n != 7}
        assert len(heard_before_first) == ahead


async def test_apop_is_not_exchanged_for_a_password_in_the_clear() -> None:
    async def talk(peer: Peer) -> None:
        await peer.say(b"+OK no stamp here\r\n")
        await peer.hear()

    async with Hostile(talk) as server:
        with pytest.raises(ForbiddenError, match="APOP"):
            await visit("pop3", server.port, apop=True)
        assert server.heard == []


async def test_nobody_there_is_unreachable() -> None:
    async with Hostile(silence) as server:
        port = server.port
    for protocol in ("imap", "pop3"):
        with pytest.raises(UnreachableError):
            await visit(protocol, port)


async def test_one_slow_server_does_not_hold_up_another() -> None:
    async with Hostile(silence) as slow, Hostile(pop3_mail(b"+OK\r\nhello\r\n.\r\n")) as good:
        begin = time.monotonic()
        waiting = asyncio.create_task(visit("imap", slow.port))
        assert await visit("pop3", good.port) == {"abc": b"hello\r\n"}
        assert time.monotonic() - begin < 0.9
        with pytest.raises(ServerError):
            await waiting
