"""The fetcher's books: what each server has shown, and what became of it."""

from datetime import UTC, datetime, timedelta

import pytest

from postroom_contract import subjects
from postroom_contract.ledger import Ledger, ListStored, ReadLedger, StoredMails
from postroom_runtime.messages import AnsweredError
from support.dovecot import Dovecot
from support.fetching import ACCOUNT, Office, letter, mailbox
from support.stack import Stack

pytestmark = pytest.mark.peer


async def read(office: Office, mailbox_: str, **more: object) -> Ledger:
    question = ReadLedger(account=ACCOUNT, mailbox=mailbox_, **more)  # type: ignore[arg-type]  # a test's own words
    return await office.bus.request(subjects.rpc("fetcher", "ledger"), question, Ledger, 10)


async def stored(office: Office, **question: object) -> list[str]:
    asked = ListStored(account=ACCOUNT, **question)  # type: ignore[arg-type]  # a test's own words
    answer = await office.bus.request(subjects.rpc("fetcher", "stored"), asked, StoredMails, 10)
    return [one.id for one in answer.mails]


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
async def test_every_message_seen_is_accounted_for(
    protocol: str, dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    big = [letter(n, size=3_000) for n in range(10, 13)]
    dovecot.put(letter(1), big[0], letter(2), big[1], letter(3), big[2])
    port = getattr(dovecot, protocol)
    await office.publish(mailbox("mbx_a", protocol, port, max_message_kb=2, delete_after=True))
    await stack.start("fetcher")
    assert await read(office, "mbx_a") == Ledger()
    told = await office.receive("mbx_a")
    assert told.stored == 3
    ledger = await read(office, "mbx_a", limit=2)
    assert (ledger.seen, ledger.stored, ledger.left) == (6, 3, 3)
    assert (ledger.recognised, ledger.deleted) == (0, 3)
    assert ledger.checked_at is not None
    rest = await read(office, "mbx_a", limit=2, cursor=ledger.next_cursor)
    lying = [*ledger.lying, *rest.lying]
    assert {one.reason for one in lying} == {"larger than 2 KB"}
    assert len({one.key for one in lying}) == 3
    # POP3 servers count as they like; it is their figure.
    assert all(one.size > 2_048 for one in lying)
    assert rest.next_cursor is None
    ids = sorted(envelope.id for envelope, _ in await office.mails())
    assert await stored(office, mailbox="mbx_a") == ids
    assert await stored(office, mailbox="mbx_a", after=ids[0]) == ids[1:]
    now = datetime.now(tz=UTC)
    assert await stored(office, since=now - timedelta(hours=1)) == ids
    assert await stored(office, since=now + timedelta(hours=1)) == []
    with pytest.raises(AnsweredError, match="cursor"):
        await read(office, "mbx_a", cursor="tomorrow")


async def test_what_is_numbered_anew_is_recognised(
    dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    dovecot.put(letter(1), letter(2))
    await office.publish(mailbox("mbx_a", "imap", dovecot.imap))
    await stack.start("fetcher")
    await office.receive("mbx_a")
    dovecot.stop()
    dovecot.renumber()
    dovecot.start()
    dovecot.put(letter(3))
    assert (await office.receive("mbx_a")).stored == 1
    ledger = await read(office, "mbx_a")
    assert (ledger.seen, ledger.stored, ledger.recognised) == (5, 3, 2)
