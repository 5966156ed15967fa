"""Mails and cursor in one batch on the real broker, under the fetcher's own permissions."""

from contextlib import AsyncExitStack

import pytest

from postroom_contract import subjects
from postroom_contract.documents import MailboxDocument
from postroom_fetcher.domain.cursor import Cursor
from postroom_fetcher.nats import NatsIntake
from postroom_fetcher.ports import OvertakenError
from postroom_runtime.bus import OPEN_AHEAD
from postroom_runtime.messages import KnownError
from support.buses import connected
from support.fetching import Office
from support.servers import Nats

MAILBOX = MailboxDocument(
    id="mbx_a", account="acc", name="A", kind="system", source="imap", active=True, version=1
)


async def test_a_message_is_done_only_when_it_is_stored_and_only_by_who_read_the_last(
    nats_server: Nats,
) -> None:
    async with connected(nats_server, "fetcher") as bus, connected(nats_server, "operator") as all_:
        intake = NatsIntake(bus)

        def mail(number: int):
            return intake.mail("", f"msg_{number}", MAILBOX, b"raw %d" % number)

        assert (await intake.place(MAILBOX, "INBOX")).sequence == 0
        first = await intake.commit(MAILBOX, "INBOX", [mail(1), mail(2)], Cursor(serial=1), 0)
        place = await intake.place(MAILBOX, "INBOX")
        assert (place.sequence, place.cursor.serial) == (first, 1)
        for stale in (0, first - 1, first + 7):
            with pytest.raises(OvertakenError):
                await intake.commit(MAILBOX, "INBOX", [mail(3), mail(4)], Cursor(serial=2), stale)
            with pytest.raises(OvertakenError):
                await intake.commit(MAILBOX, "INBOX", [], Cursor(serial=2), stale)
        with pytest.raises(KnownError):
            await intake.commit(MAILBOX, "INBOX", [mail(2), mail(3)], Cursor(serial=2), first)
        second = await intake.commit(MAILBOX, "INBOX", [], Cursor(serial=2), first)
        third = await intake.commit(MAILBOX, "INBOX", [mail(3)], Cursor(serial=3), second)
        stream = f"INTAKE_{subjects.intake_shard(MAILBOX.id)}"
        found = await Office(all_).everything([stream])
        assert [one.data for one in found[:-1]] == [b"raw 1", b"raw 2", b"raw 3"]
        assert found[-1].sequence == third


async def test_mails_sent_ahead_are_stored_with_their_cursor_or_never(nats_server: Nats) -> None:
    async with connected(nats_server, "fetcher") as bus, connected(nats_server, "operator") as all_:
        intake = NatsIntake(bus)

        def mails(*numbers: int):
            return [intake.mail("", f"msg_{n}", MAILBOX, b"raw %d" % n) for n in numbers]

        async def stored() -> list[bytes]:
            stream = f"INTAKE_{subjects.intake_shard(MAILBOX.id)}"
            found = await Office(all_).everything([stream])
            return [one.data for one in found if ".intake." in one.subject]

        async with intake.ahead(mails(1, 2)) as one, intake.ahead(mails(3, 4)) as two:
            assert one is not None
            assert two is not None
            assert await stored() == []
            first = await intake.commit(MAILBOX, "INBOX", mails(1, 2), Cursor(serial=1), 0, one)
            assert await stored() == [b"raw 1", b"raw 2"]
            with pytest.raises(OvertakenError):
                await intake.commit(MAILBOX, "INBOX", mails(3, 4), Cursor(serial=2), first + 1, two)
        async with intake.ahead(mails(2, 5)) as known:
            with pytest.raises(KnownError):
                await intake.commit(MAILBOX, "INBOX", mails(2, 5), Cursor(serial=2), first, known)
        # Nothing of what was refused stands in the way.
        second = await intake.commit(MAILBOX, "INBOX", mails(3, 4, 5), Cursor(serial=2), first)
        assert await stored() == [b"raw %d" % n for n in range(1, 6)]
        assert (await intake.place(MAILBOX, "INBOX")).sequence == second


async def test_only_a_few_are_sent_ahead(nats_server: Nats) -> None:
    async with connected(nats_server, "fetcher") as bus, AsyncExitStack() as stack:
        intake = NatsIntake(bus)
        given = [
            await stack.enter_async_context(
                intake.ahead([intake.mail("", f"msg_{n}", MAILBOX, b"raw")])
            )
            for n in range(OPEN_AHEAD + 1)
        ]
        assert [one is None for one in given] == [False] * OPEN_AHEAD + [True]
