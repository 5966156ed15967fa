"""`kill -9` of the fetcher in the middle: nothing lost, nothing twice, nothing deleted unstored.

Points are byte counts of the conversation, drawn from a seed: from the greeting to the QUIT.
5 points each in `make test`, 50 in `make soak NAME=fetch-kill` (POINTS=…, POSTROOM_SEED=…).
"""

import asyncio
import os

import pytest

from support.chance import chance
from support.corpora import soaking
from support.dovecot import Dovecot
from support.fetching import Office, letter, mailbox
from support.proxy import Proxy
from support.stack import Stack
from support.waiting import eventually

pytestmark = pytest.mark.peer
POINTS = int(os.environ.get("POINTS", "50" if soaking("fetch-kill") else "5"))
MAILS = [letter(n, size=1_500) for n in range(500)]


async def forget_job(office: Office) -> None:
    """Do not wait 20 s for the dead worker's job: take it away, as reconciliation may bear."""
    await office.bus.ask("$JS.API.STREAM.PURGE.WORK")


BEN = "ben@example.org"


@pytest.mark.timeout(POINTS * 30 + 60)
@pytest.mark.parametrize("delete", [False, True], ids=["keep", "delete"])
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
async def test_a_killed_fetcher_loses_and_doubles_nothing(
    protocol: str, delete: bool, dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    dovecot.put(*MAILS)
    draw = chance(protocol, delete)
    async with Proxy(getattr(dovecot, protocol)) as proxy:
        await office.publish(mailbox("mbx_a", protocol, proxy.port, delete_after=delete))
        fresh = sum(map(len, MAILS)) * 11 // 10
        hits = 0
        for _ in range(POINTS):
            (fetcher,) = await stack.start("fetcher")
            stored = len(await office.mails())
            killed = asyncio.Event()

            def kill(fetcher=fetcher, killed=killed) -> None:
                fetcher.kill9()
                killed.set()

            left = max(len(MAILS) - stored, 20) / len(MAILS)
            proxy.trip(draw.randrange(30, int(fresh * left * 0.9)), kill)
            before = len(await office.checks("mbx_a"))
            assert await office.receive_now("mbx_a")

            async def over(killed=killed, before=before) -> bool:
                return killed.is_set() or len(await office.checks("mbx_a")) > before

            await eventually(over, 40, what="killed, or done before")
            hits += killed.is_set()
            if not killed.is_set():
                fetcher.kill9()
            await nothing_is_lost(dovecot, office)
            await forget_job(office)
        assert hits > POINTS // 2, "most points lie within the conversation"
        await stack.start("fetcher")
        last = await office.receive("mbx_a", 60)
        assert last.error is None
        assert (await office.receive("mbx_a")).found == 0
    mails = await office.mails()
    assert sorted(found.data for _, found in mails) == sorted(MAILS)
    assert len({envelope.id for envelope, _ in mails}) == len(MAILS)
    assert len(dovecot.files()) == (0 if delete else len(MAILS))


async def nothing_is_lost(dovecot: Dovecot, office: Office) -> None:
    """What is not on the server is stored."""
    stored = {found.data for _, found in await office.mails()}
    assert set(MAILS) <= stored | set(dovecot.contents())


@pytest.mark.timeout(90)
async def test_a_killed_workers_job_is_done_by_another(
    dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    """The check that it was at, and the waiting for news of another mailbox (IDLE)."""
    dovecot.put(*MAILS[:300])
    dovecot.add_user(BEN)
    async with Proxy(dovecot.imap) as proxy:
        await office.publish(
            mailbox("mbx_a", "imap", proxy.port),
            mailbox("mbx_b", "imap", dovecot.imap, login=BEN, interval_minutes=720),
        )
        (first,) = await stack.start("fetcher")
        assert (await office.receive("mbx_b")).stored == 0

        async def waited_for() -> bool:
            info = await office.bus.ask("$JS.API.CONSUMER.INFO.WORK.fetcher-idle")
            return bool(info["num_ack_pending"] == 1)

        await eventually(waited_for, what="news are waited for")
        proxy.trip(100_000, first.kill9)
        assert await office.receive_now("mbx_a")
        await eventually(lambda: not first.process.running)
        dovecot.put(letter(2_000), user=BEN)
        await stack.start("fetcher")
        # The broker gives the job to somebody else 20 s after the last sign of life.
        assert (await office.next_check("mbx_a", 0, 40)).error is None
        # Nobody told of this one: who begins to wait looks for what came before.
        assert (await office.next_check("mbx_b", 1, 40)).stored == 1
    assert len(await office.mails()) == 301


@pytest.mark.timeout(120)
async def test_a_frozen_worker_that_wakes_up_does_no_harm(
    dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    dovecot.put(*MAILS[:300])
    async with Proxy(dovecot.imap) as proxy:
        await office.publish(mailbox("mbx_a", "imap", proxy.port, delete_after=True))
        (first,) = await stack.start("fetcher")
        proxy.trip(100_000, first.sigstop)
        assert await office.receive_now("mbx_a")
        await eventually(lambda: proxy.tripped, what="frozen")
        (second,) = await stack.start("fetcher")
        await office.next_check("mbx_a", 0, 40)
        first.sigcont()
        # It is at work again when the next mail, which only it is there for, has come.
        await asyncio.to_thread(second.terminate)
        dovecot.put(letter(1_000))
        assert (await office.receive("mbx_a", 40)).stored == 1
    mails = await office.mails()
    assert sorted(found.data for _, found in mails) == sorted([*MAILS[:300], letter(1_000)])
    assert dovecot.files() == []
