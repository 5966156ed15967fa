"""The chain: by interval, by hand, after changes, after losses; and the password that stays here."""

import asyncio

import msgspec
import pytest

from postroom_contract import subjects
from postroom_contract.documents import MailboxDocument
from support.dovecot import Dovecot
from support.fetching import ACCOUNT, Office, letter, mailbox
from support.hostile import Hostile, Peer, imap_until_selected, pop3_until_signed_in
from support.stack import Stack
from support.waiting import eventually

QUICK = {"POSTROOM_TIME_SCALE": "0.01"}
"""A minute is 0.6 s."""


async def empty_imap(peer: Peer) -> None:
    await imap_until_selected(peer, 0)
    await peer.tagged()


async def stuck_imap(peer: Peer) -> None:
    """It takes the sign-in and then says nothing more."""
    await imap_until_selected(peer)
    await peer.hear()
    await peer.hear()


def changed(document: MailboxDocument, **values: object) -> MailboxDocument:
    assert document.fetch is not None
    source = msgspec.structs.replace(document.fetch, **values)
    return msgspec.structs.replace(document, fetch=source, version=document.version + 1)


async def test_a_mailbox_is_checked_again_and_again(stack: Stack, office: Office) -> None:
    async with Hostile(empty_imap) as server:
        document = mailbox("mbx_a", "imap", server.port, interval_minutes=1)
        await office.publish(document)
        await stack.start("fetcher", **QUICK)
        third = await office.next_check("mbx_a", 2)
        assert (third.state, third.found) == ("idle", 0)
        # By hand only, from now on: the schedule that is there comes to nothing.
        await office.publish(changed(document, interval_minutes=0))
        poll = subjects.work_poll(ACCOUNT, "mbx_a")

        async def quiet() -> bool:
            state = await office.bus.ask("$JS.API.STREAM.INFO.WORK")
            return int(state["state"]["messages"]) == 0

        await eventually(quiet, what="neither job nor schedule is left")
        assert await office.bus.last("WORK", poll) is None
        assert (await office.receive("mbx_a")).next_check_at is None


async def test_receive_now_is_refused_while_a_check_runs(stack: Stack, office: Office) -> None:
    async with Hostile(stuck_imap) as server:
        await office.publish(mailbox("mbx_a", "imap", server.port, interval_minutes=60))
        await stack.start("fetcher")
        assert await office.receive_now("mbx_a")
        await eventually(lambda: server.connections == 1)
        assert not await office.receive_now("mbx_a")
        # Its schedule went with it: nothing can fire into the running check.
        assert await office.bus.last("WORK", subjects.work_schedule(ACCOUNT, "mbx_a")) is None


async def test_a_mailbox_asked_for_before_it_is_known_is_checked(
    stack: Stack, office: Office
) -> None:
    """The job overtakes the document: made and asked for in one breath."""
    async with Hostile(empty_imap) as server:
        await office.publish()
        await stack.start("fetcher")
        assert await office.receive_now("mbx_new")
        poll = subjects.work_poll(ACCOUNT, "mbx_new")

        async def refused() -> bool:
            info = await office.bus.ask("$JS.API.CONSUMER.INFO.WORK.fetcher-poll")
            return int(info["delivered"]["consumer_seq"]) > 0

        await eventually(refused, what="the job came to a fetcher that knows no such mailbox")
        await office.publish(mailbox("mbx_new", "imap", server.port))
        assert (await office.next_check("mbx_new", 0)).state == "idle"
        await eventually(lambda: _gone(office, poll), what="the job is done")


async def _gone(office: Office, subject: str) -> bool:
    return await office.bus.last("WORK", subject) is None


async def test_work_emptied_or_made_anew_is_filled_again(stack: Stack, office: Office) -> None:
    async with Hostile(empty_imap) as server:
        names = [f"mbx_{n}" for n in range(5)]
        await office.publish(
            *(mailbox(one, "imap", server.port, interval_minutes=60) for one in names)
        )
        await stack.start("fetcher", **QUICK)
        for one in names:
            await office.next_check(one, 0)
        await office.bus.ask("$JS.API.STREAM.DELETE.WORK")
        await stack.nats.provision()
        for one in names:
            await office.next_check(one, 1)


@pytest.mark.parametrize("how", ["changed", "deleted", "inactive"])
async def test_a_changed_or_deleted_mailbox_stops_its_running_check(
    how: str, stack: Stack, office: Office
) -> None:
    async with Hostile(stuck_imap) as old, Hostile(empty_imap) as new:
        document = mailbox("mbx_a", "imap", old.port)
        await office.publish(document)
        (fetcher,) = await stack.start("fetcher")
        assert await office.receive_now("mbx_a")
        await eventually(lambda: old.connections == 1)
        after = {
            "changed": mailbox("mbx_a", "imap", new.port, version=2),
            "deleted": msgspec.structs.replace(document, deleted=True, version=2),
            "inactive": msgspec.structs.replace(document, active=False, version=2),
        }[how]
        await office.publish(after)
        if how == "changed":
            assert (await office.next_check("mbx_a", 0, 10)).state == "idle"
        await eventually(lambda: not old.talking, 10, what="the old conversation has ended")
        poll = subjects.work_poll(ACCOUNT, "mbx_a")

        async def done() -> bool:
            return await office.bus.last("WORK", poll) is None

        await eventually(done, 10, what="the job is done")
        assert new.connections == (1 if how == "changed" else 0)
        assert "rror" not in fetcher.log.replace("error=None", "")


async def test_a_stopped_fetcher_gives_its_job_back_at_once(stack: Stack, office: Office) -> None:
    async with Hostile(stuck_imap) as server:
        await office.publish(mailbox("mbx_a", "imap", server.port))
        (first,) = await stack.start("fetcher")
        assert await office.receive_now("mbx_a")
        await eventually(lambda: server.connections == 1)
        await stack.start("fetcher")
        assert await asyncio.to_thread(first.terminate) == 0
        await eventually(lambda: server.connections == 2, 8, what="the other one is at it")


BOTH = ["imap", "pop3"]


async def listen(peer: Peer) -> None:
    await peer.say(b"* OK ready\r\n")
    while True:
        await peer.hear()


@pytest.mark.parametrize("protocol", BOTH)
@pytest.mark.parametrize(
    "change",
    [
        {"host": "127.0.0.1"},
        {"login": "mallory"},
        {"tls": "starttls"},
        {"verify": False},
        {"port": 0},
        {"swapped": True},
        {"sealed_password": "AAAA"},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_password_never_goes_where_it_was_not_given_for(
    protocol: str, change: dict[str, object], stack: Stack, office: Office
) -> None:
    async with Hostile(listen) as right, Hostile(listen) as fake:
        document = mailbox("mbx_a", protocol, right.port)
        other = mailbox("mbx_b", protocol, right.port)
        if change.pop("swapped", False):
            assert other.fetch is not None
            change["sealed_password"] = other.fetch.sealed_password
        if "port" in change or "host" in change:
            change["port"] = fake.port
        await office.publish(changed(document, **change))
        await stack.start("fetcher")
        found = await office.receive("mbx_a")
        assert found.state == "refused"
        assert "again" in (found.error or "")
        assert (right.connections, fake.connections) == (0, 0)


async def test_mail_goes_on_while_another_server_hangs(
    dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    dovecot.put(letter(1))
    async with Hostile(stuck_imap) as server:
        await office.publish(
            mailbox("mbx_a", "imap", server.port), mailbox("mbx_b", "imap", dovecot.imap)
        )
        await stack.start("fetcher", POSTROOM_FETCHER_COMMAND_SECONDS="3")
        assert await office.receive_now("mbx_a")
        await eventually(lambda: server.connections == 1)
        assert (await office.receive("mbx_b")).stored == 1
        hung = await office.next_check("mbx_a", 0)
        assert (hung.state, hung.stored) == ("trouble", 0)
        assert "within 3 s" in (hung.error or "")


async def test_one_broken_mail_never_blocks_a_mailbox(stack: Stack, office: Office) -> None:
    async def talk(peer: Peer) -> None:
        await pop3_until_signed_in(peer)
        answers = {b"LIST": b"+OK\r\n1 5\r\n2 5\r\n.\r\n", b"UIDL": b"+OK\r\n1 bad\r\n2 good\r\n.\r\n",
                   b"RETR 2": b"+OK\r\nhello\r\n.\r\n", b"QUIT": b"+OK\r\n"}  # fmt: skip
        while True:
            await peer.say(answers.get(await peer.hear(), b"-ERR cannot\r\n"))

    async with Hostile(talk) as server:
        await office.publish(mailbox("mbx_a", "pop3", server.port, interval_minutes=1))
        await stack.start("fetcher", POSTROOM_TIME_SCALE="0.0001")
        for number in range(5):
            assert (await office.next_check("mbx_a", number)).state == "trouble"
        sixth = await office.next_check("mbx_a", 5)
        assert (sixth.state, sixth.stored) == ("idle", 1)
        assert [one.key for one in sixth.skipped] == ["bad"]
    assert [found.data for _, found in await office.mails()] == [b"hello\r\n"]
