"""Mail from files: each content once in a mailbox, whatever is done twice."""

import pytest

from postroom_contract import subjects
from postroom_contract.importing import MOST_MAILS, TakeMails, Taken
from postroom_contract.ledger import Ledger, ReadLedger
from postroom_runtime.messages import AnsweredError
from support.dovecot import Dovecot
from support.fetching import ACCOUNT, Office, letter, mailbox
from support.stack import Stack

OLD = b"Received: from a by b; Tue, 3 Feb 2009 10:00:00 +0000\r\n" + letter(50)


async def take(office: Office, *mails: bytes, to: str = "mbx_a", account: str = ACCOUNT,
               aloud: bool = False) -> Taken:  # fmt: skip
    question = TakeMails(account=account, mailbox=to, mails=mails, aloud=aloud)
    return await office.bus.request(subjects.rpc("fetcher", "take"), question, Taken, 20)


async def states(office: Office, *mails: bytes, to: str = "mbx_a") -> list[str]:
    return [one.state for one in (await take(office, *mails, to=to)).outcomes]


async def test_each_content_is_stored_once(stack: Stack, office: Office) -> None:
    await office.publish(mailbox("mbx_a", "imap", 1), mailbox("mbx_b", "imap", 1))
    (first,) = await stack.start("fetcher")
    assert await states(office, letter(1), letter(2), letter(1), b"\r\n") == [
        "stored", "stored", "known", "skipped",
    ]  # fmt: skip
    first.kill9()
    await stack.start("fetcher")
    assert await states(office, letter(2), letter(3)) == ["known", "stored"]
    # Another mailbox is another place.
    assert await states(office, letter(1), to="mbx_b") == ["stored"]
    mails = await office.mails()
    here = [found.data for envelope, found in mails if envelope.mailbox == "mbx_a"]
    assert here == [letter(1), letter(2), letter(3)]
    question = ReadLedger(account=ACCOUNT, mailbox="mbx_a")
    ledger = await office.bus.request(subjects.rpc("fetcher", "ledger"), question, Ledger, 10)
    assert (ledger.seen, ledger.stored) == (3, 3)


async def test_an_old_mailbox_tells_nobody_and_its_mails_keep_their_dates(
    stack: Stack, office: Office
) -> None:
    await office.publish(mailbox("mbx_a", "imap", 1), address="help@ours.example")
    await stack.start("fetcher")
    await take(office, OLD, letter(2))
    await take(office, letter(3), aloud=True)
    old, quiet, aloud = [envelope for envelope, _ in await office.mails()]
    assert (old.received_at.year, old.source, old.recipient) == (
        2009,
        "import",
        "help@ours.example",
    )
    assert old.sender == "sender50@theirs.example"
    assert [one.history for one in (old, quiet, aloud)] == [True, True, False]


@pytest.mark.peer
async def test_what_was_fetched_is_known(dovecot: Dovecot, stack: Stack, office: Office) -> None:
    dovecot.put(letter(1))
    await office.publish(mailbox("mbx_a", "imap", dovecot.imap))
    await stack.start("fetcher")
    await office.receive("mbx_a")
    assert await states(office, letter(1), letter(2)) == ["known", "stored"]
    assert len(await office.mails()) == 2


async def test_too_much_and_too_large_and_nowhere(stack: Stack, office: Office) -> None:
    small = mailbox("mbx_a", "imap", 1)
    await office.publish(small)
    await stack.start("fetcher")
    with pytest.raises(AnsweredError, match="at once"):
        await take(office, *[b"x"] * (MOST_MAILS + 1))
    for account, to in ((ACCOUNT, "mbx_none"), ("acc_other", "mbx_a")):
        with pytest.raises(AnsweredError, match="no such mailbox"):
            await take(office, letter(1), account=account, to=to)
    assert await office.mails() == []
    large = letter(1, size=24 * 2**20)
    assert await states(office, large) == ["stored"]
