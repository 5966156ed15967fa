"""Conversations over real sockets: kept for the next chunk, left when the server leaves, in few writes."""

import asyncio

import pytest

from postroom_smtp import pipelined
from postroom_smtp.aiosmtplib_relay import Patience, Security, SmtpRelay
from postroom_smtp.kept import Kept
from support.sink import Sink, _Conversation
from support.waiting import eventually

MAIL = b"From: a@ours.example\r\n\r\n.hello\r\n"


def relay(sink: Sink, kept: Kept | None) -> SmtpRelay:
    patience = Patience(connect=5.0, command=5.0, data=5.0)
    security = Security(tls="none")
    return SmtpRelay(
        sink.host, sink.port, name="us.example", patience=patience, security=security, kept=kept
    )


async def chunk(way: SmtpRelay, *people: str) -> list[tuple[int, str]]:
    hop = way.hop("theirs.example")
    replies = [await hop.send("a@ours.example", f"{one}@theirs.example", MAIL) for one in people]
    await hop.close()
    return [(one.code, one.trouble) for one in replies]


async def test_chunks_one_after_the_other_share_a_connection() -> None:
    kept = Kept(60)
    async with Sink() as sink:
        way = relay(sink, kept)
        for number in range(5):
            assert await chunk(way, f"m{number}", f"n{number}") == 2 * [(250, "")]
        assert (sink.sessions, len(sink.received)) == (1, 10)
        assert sink.received[0].raw == MAIL
        await kept.close()
        await eventually(lambda: not sink.open, what="closed at stop")
        assert await chunk(way, "after") == [(250, "")]
        await eventually(lambda: not sink.open, what="nothing is kept after the stop")


async def test_chunks_at_once_have_connections_of_their_own() -> None:
    kept = Kept(60)
    async with Sink() as sink:
        way = relay(sink, kept)
        await asyncio.gather(*(chunk(way, f"m{n}") for n in range(4)))
        assert (sink.sessions, len(sink.open)) == (4, 4)
        await kept.close()


async def test_so_long_so_many_and_so_often_and_no_more() -> None:
    async with Sink() as sink:
        await chunk(relay(sink, Kept(0.05)), "m")
        await eventually(lambda: not sink.open, what="an idle one is closed")
        few = Kept(60, most=2)
        await asyncio.gather(*(chunk(relay(sink, few), f"m{n}") for n in range(5)))
        await eventually(lambda: len(sink.open) == 2, what="two are kept")
        await few.close()
        await eventually(lambda: not sink.open)
        sink.sessions = 0
        thrice = Kept(60, mails=3)
        for number in range(6):
            await chunk(relay(sink, thrice), f"m{number}")
        assert sink.sessions == 2
        await thrice.close()


class Leaving(Sink):
    """Leaves a kept connection by what `how` says, as soon as `leave` is called or on its next word."""

    how = ""

    async def _session(self, reader, writer) -> None:
        conversation = _Conversation(self, reader, writer)
        answer = conversation.answer

        async def leaving(verb: bytes, line: bytes) -> None:
            if (
                self.how == "421 at once"
                and verb == b"MAIL"
                and len(self.received) == 1 == self.sessions
            ):
                await conversation.say("421 4.4.2 you were idle")
                writer.close()
                raise ConnectionAbortedError
            if (
                self.how == "hang up"
                and verb == b"MAIL"
                and len(self.received) == 1 == self.sessions
            ):
                writer.transport.abort()
                raise ConnectionAbortedError
            await answer(verb, line)

        conversation.answer = leaving
        self.sessions += 1
        self.open.add(writer)
        try:
            await conversation.run()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open.discard(writer)
            writer.close()

    async def leave(self, words: bytes) -> None:
        for writer in list(self.open):
            writer.write(words)
            writer.close()
            await writer.wait_closed()


@pytest.mark.parametrize("how", ["421 at once", "hang up", "said 421", "closed"])
async def test_a_kept_connection_that_the_server_left_is_made_anew_and_nothing_is_lost(how) -> None:
    kept = Kept(60)
    async with Leaving() as sink:
        sink.how = how
        way = relay(sink, kept)
        assert await chunk(way, "one") == [(250, "")]
        if how in {"said 421", "closed"}:
            await sink.leave(b"421 4.4.2 idle\r\n" if how == "said 421" else b"")
        assert await chunk(way, "two", "three") == 2 * [(250, "")]
        assert sink.sessions == 2
        assert [m.rcpt_tos[0][:3] for m in sink.received] == ["one", "two", "thr"]
        await kept.close()


@pytest.mark.parametrize("how", ["421 at once", "hang up"])
async def test_a_server_that_takes_one_mail_a_connection_loses_none(how) -> None:
    async with Leaving() as sink:
        sink.how = how
        assert await chunk(relay(sink, None), "one", "two", "three") == 3 * [(250, "")]
        assert (sink.sessions, len(sink.received)) == (2, 3)


async def test_a_421_on_a_new_connection_is_a_loss() -> None:
    async with Sink() as sink:
        sink.refuse("one@theirs.example", "421 4.7.0 slowly")
        assert await chunk(relay(sink, Kept(60)), "one") == [(421, "lost")]


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
async def test_after_a_refusal_the_next_copy_goes_by_the_same_connection(extensions) -> None:
    async with Sink(extensions=extensions) as sink:
        sink.refuse("two@theirs.example", "550 5.1.1 no such user")
        sink.refuse("three@theirs.example", "451 4.2.1 busy")
        got = await chunk(relay(sink, None), "one", "two", "three", "four")
        assert got == [(250, ""), (550, ""), (451, ""), (250, "")]
        assert (sink.sessions, len(sink.received)) == (1, 2)


class Granting(_Conversation):
    """Grants DATA though it has refused the recipient (RFC 2920 §3.1 lets it)."""

    async def data(self) -> None:
        await self.say("354 go on")
        self.sink.granted.append(await self.read_mail())
        await self.say("554 5.5.1 no valid recipients" if not self.rcpt_tos else "250 kept")


async def test_data_granted_without_a_recipient_gets_an_empty_mail() -> None:
    class Granted(Sink):
        granted: list[bytes] = []  # noqa: RUF012 - one sink, one test

        async def _session(self, reader, writer) -> None:
            await Granting(self, reader, writer).run()
            writer.close()

    async with Granted() as sink:
        sink.refuse("no@theirs.example")
        assert await chunk(relay(sink, None), "no", "yes") == [(550, ""), (250, "")]
        assert sink.granted == [b"", MAIL]


@pytest.mark.parametrize(
    "words", [b"hello\r\n", b"250 kept\r\n250 and more\r\n", b"250-x\r\n" * 10_000, b"9" * 100_000]
)
async def test_a_server_that_speaks_nonsense_is_left(words) -> None:
    class Nonsense(Sink):
        async def _session(self, reader, writer) -> None:
            writer.write(b"220 x\r\n")
            await reader.readline()
            writer.write(b"250 x\r\n")
            await reader.readline()
            writer.write(words)
            await reader.read()
            writer.close()

    async with Nonsense() as sink:
        ((_, trouble),) = await chunk(relay(sink, Kept(60)), "one")
        assert trouble == "lost"
        assert pipelined._MOST_OCTETS < 100_000
