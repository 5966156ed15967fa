"""IDLE: new mail is in as soon as its server tells; whatever a server tells, checks go on."""

import time
from contextlib import AsyncExitStack
from functools import partial

import pytest

from postroom_contract import subjects
from support.dovecot import Dovecot
from support.fetching import ACCOUNT, Office, letter, mailbox
from support.hostile import Hostile, Peer
from support.stack import Stack
from support.waiting import eventually

IDLE = subjects.work_idle(ACCOUNT, "mbx_a")


async def waited_for(office: Office) -> None:
    """Somebody holds the mailbox's job."""

    async def held() -> bool:
        info = await office.bus.ask("$JS.API.CONSUMER.INFO.WORK.fetcher-idle")
        return bool(info["num_ack_pending"] == 1)

    await eventually(held, what="somebody waits for the mailbox's mail")


async def nobody_waits(office: Office) -> None:
    async def gone() -> bool:
        return await office.bus.last("WORK", IDLE) is None

    await eventually(gone, what="nobody waits any more")


@pytest.mark.peer
async def test_new_mail_is_in_without_a_check_being_due(
    dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    await office.publish(mailbox("mbx_a", "imap", dovecot.imap, interval_minutes=720))
    await stack.start("fetcher")
    await office.receive("mbx_a")
    await waited_for(office)
    for number in range(3):
        before = len(await office.checks("mbx_a"))
        began = time.monotonic()
        dovecot.put(letter(number))
        # The first may be told while the connection is being made: both ways bring it.
        told = await office.next_check("mbx_a", before, 20)
        assert (told.stored, told.error) == (1, None), told
        assert time.monotonic() - began < 20
    assert len(await office.mails()) == 3


@pytest.mark.peer
async def test_nobody_waits_for_a_mailbox_that_is_paused_or_checked_by_hand(
    dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    await office.publish(mailbox("mbx_a", "imap", dovecot.imap, interval_minutes=720))
    await stack.start("fetcher")
    await office.receive("mbx_a")
    await waited_for(office)
    await office.publish(
        mailbox("mbx_a", "imap", dovecot.imap, interval_minutes=720, version=2, active=False)
    )
    await nobody_waits(office)
    await office.publish(mailbox("mbx_b", "imap", dovecot.imap))
    assert (await office.receive("mbx_b")).state == "idle"
    assert await office.bus.last("WORK", subjects.work_idle(ACCOUNT, "mbx_b")) is None


@pytest.mark.peer
async def test_no_connection_is_held_where_none_is_wanted(
    dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    await office.publish(mailbox("mbx_a", "imap", dovecot.imap, interval_minutes=720))
    await stack.start("fetcher", POSTROOM_FETCHER_WAITS="0")
    assert (await office.receive("mbx_a")).state == "idle"
    assert await office.bus.last("WORK", IDLE) is None


async def idling(peer: Peer, *, answer: bytes) -> None:
    """An empty mailbox; `answer` is what comes to IDLE."""
    await peer.say(b"* OK ready\r\n")
    while True:
        tag, _, rest = (await peer.hear()).partition(b" ")
        if rest == b"CAPABILITY":
            await peer.say(b"* CAPABILITY IMAP4rev1 UIDPLUS IDLE\r\n")
        if rest.startswith(b"EXAMINE"):
            await peer.say(b"* 0 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 1] x\r\n")
        if rest == b"IDLE":
            await peer.say(answer.replace(b"TAG", tag))
            await peer.hear()
            return
        await peer.say(tag + b" OK done\r\n")


BAD = (
    b"",  # and then nothing
    b"TAG NO not today\r\n",
    b"TAG OK at once\r\n",
    b"+ idling\r\n* BYE tired\r\n",
    b"+ idling\r\n* 4294967296 EXISTS\r\n* 1 EXISTS\r\n",  # never ends after DONE
    b"+ idling\r\n" + b"* 0 RECENT\r\n" * 150_000,
    b"+ idling\r\n* 1 EXISTS {99999999}\r\n",
    b"TAG2 OK another's\r\n",
)


async def test_servers_that_idle_badly_cost_nothing_but_their_hints(
    stack: Stack, office: Office
) -> None:
    async with AsyncExitStack() as servers:
        for number, answer in enumerate(BAD):
            talk = partial(idling, answer=answer)
            server = await servers.enter_async_context(Hostile(talk))
            await office.publish(
                mailbox(f"mbx_{number}", "imap", server.port, interval_minutes=720)
            )
        await stack.start("fetcher", POSTROOM_FETCHER_COMMAND_SECONDS="1")
        for number in range(len(BAD)):
            assert (await office.receive(f"mbx_{number}")).state == "idle"

        async def over() -> bool:
            info = await office.bus.ask("$JS.API.CONSUMER.INFO.WORK.fetcher-idle")
            return bool(
                info["num_ack_pending"] + info["num_pending"] == 0
                and info["delivered"]["consumer_seq"] >= len(BAD)
            )

        await eventually(over, what="nobody waits any more")
        # The mailboxes are as well as before: each can be checked by hand.
        for number in range(len(BAD)):
            assert (await office.receive(f"mbx_{number}")).state == "idle"
