"""Mails and cursor in one batch on the real broker, under the fetcher's own permissions."""

import pytest

from postroom_contract import subjects
from postroom_contract.documents import MailboxDocument
from postroom_fetcher.domain.cursor import Cursor
from postroom_fetcher.nats import NatsIntake
from postroom_fetcher.ports import OvertakenError
from postroom_runtime.messages import KnownError
from support.buses import connected
from support.fetching import Office
from support.servers import Nats

MAILBOX = MailboxDocument(
    id="mbx_a", account="acc", name="A", kind="system", source="imap", active=True, version=1
)


async def test_all_or_nothing_and_only_by_who_read_the_last(nats_server: Nats) -> None:
    async with connected(nats_server, "fetcher") as bus, connected(nats_server, "operator") as all_:
        intake = NatsIntake(bus)

        def mail(number: int):
            return intake.mail("", f"msg_{number}", MAILBOX, b"raw %d" % number)

        assert (await intake.place(MAILBOX)).sequence == 0
        first = await intake.commit(MAILBOX, [mail(1), mail(2)], Cursor(serial=1), 0)
        place = await intake.place(MAILBOX)
        assert (place.sequence, place.cursor.serial) == (first, 1)
        for stale in (0, first - 1, first + 7):
            with pytest.raises(OvertakenError):
                await intake.commit(MAILBOX, [mail(3), mail(4)], Cursor(serial=2), stale)
            with pytest.raises(OvertakenError):
                await intake.commit(MAILBOX, [], Cursor(serial=2), stale)
        with pytest.raises(KnownError):
            await intake.commit(MAILBOX, [mail(2), mail(3)], Cursor(serial=2), first)
        second = await intake.commit(MAILBOX, [], Cursor(serial=2), first)
        third = await intake.commit(MAILBOX, [mail(3)], Cursor(serial=3), second)
        stream = f"INTAKE_{subjects.intake_shard(MAILBOX.id)}"
        found = await Office(all_).everything([stream])
        assert [one.data for one in found[:-1]] == [b"raw 1", b"raw 2", b"raw 3"]
        assert found[-1].sequence == third
