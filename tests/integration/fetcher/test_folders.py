"""Several folders, and what becomes of a mail on its server once it is stored."""

import asyncpg
import msgspec
import pytest

from postroom_contract.documents import MailboxDocument
from support import imap_user
from support.dovecot import Dovecot
from support.fetching import Office, letter, mailbox
from support.stack import Stack

pytestmark = pytest.mark.peer
SPAM = """
namespace inbox {
  inbox = yes
  mailbox Spam {
    special_use = \\Junk
    auto = create
  }
}
"""


def document(dovecot: Dovecot, version: int = 1, **settings: object) -> MailboxDocument:
    return mailbox("mbx_a", "imap", dovecot.imap, version=version, **settings)


async def contents(office: Office) -> list[bytes]:
    return sorted(found.data for _, found in await office.mails())


async def age(stack: Stack, days: int) -> None:
    """Let what was stored have been stored so many days ago."""
    connection = await asyncpg.connect(stack.database.super_url)
    await connection.execute('UPDATE "fetch".seen SET at = at - make_interval(days => $1)', days)
    await connection.close()


async def test_each_folder_is_fetched_from_and_has_its_own_numbers(
    dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    dovecot.configure(SPAM)
    dovecot.put(letter(1), letter(2))
    # The same mail in two folders is two mails: it lies there twice.
    imap_user.append(dovecot, "Lists.K&APY-ln & dev".replace(" & ", " &- "), letter(2), letter(3))
    imap_user.append(dovecot, "Spam", letter(4))
    folders = ("INBOX", "Lists.Köln & dev", "\\Junk")
    await office.publish(document(dovecot, folders=folders))
    await stack.start("fetcher")
    told = await office.receive("mbx_a")
    assert (told.state, told.found, told.stored, told.error) == ("idle", 5, 5, None)
    wanted = sorted([letter(1), letter(2), letter(2), letter(3), letter(4)])
    assert await contents(office) == wanted
    assert (await office.receive("mbx_a")).found == 0
    imap_user.append(dovecot, "Spam", letter(5))
    assert (await office.receive("mbx_a")).stored == 1
    assert len({envelope.id for envelope, _ in await office.mails()}) == 6


async def test_a_folder_that_is_gone_keeps_no_other_from_being_fetched(
    dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    dovecot.put(letter(1))
    imap_user.append(dovecot, "Later", letter(2))
    await office.publish(document(dovecot, folders=("Nowhere", "INBOX", "Later")))
    await stack.start("fetcher")
    told = await office.receive("mbx_a")
    assert (told.state, told.stored) == ("trouble", 2)
    assert told.error is not None
    assert "Nowhere" in told.error
    await office.publish(document(dovecot, version=2, folders=("\\Archive",)))
    told = await office.receive("mbx_a")
    assert told.error == "the server names no folder for the use \\Archive"


async def test_stored_mails_are_marked_as_read_once(
    dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    dovecot.put(letter(1), letter(2))
    await office.publish(document(dovecot, mark_read=True))
    await stack.start("fetcher")
    assert (await office.receive("mbx_a")).stored == 2
    flags = imap_user.folder(dovecot, "INBOX")
    assert set(flags) == {letter(1), letter(2)}
    assert all(rb"\Seen" in one for one in flags.values())
    # Whoever marks a mail as unread means it.
    imap_user.unread(dovecot, "INBOX")
    dovecot.put(letter(3))
    assert (await office.receive("mbx_a")).stored == 1
    assert (await office.receive("mbx_a")).stored == 0
    flags = imap_user.folder(dovecot, "INBOX")
    seen = {raw: rb"\Seen" in one for raw, one in flags.items()}
    assert seen == {letter(1): False, letter(2): False, letter(3): True}


async def test_stored_mails_are_moved(dovecot: Dovecot, stack: Stack, office: Office) -> None:
    dovecot.put(letter(1), letter(2), letter(3, size=3_000))
    where = {"move_to": "Fertig & gelöst", "mark_read": True, "max_message_kb": 2}
    await office.publish(document(dovecot, **where))
    await stack.start("fetcher")
    told = await office.receive("mbx_a")
    assert (told.error, told.stored, len(told.skipped)) == (None, 2, 1)
    moved = imap_user.folder(dovecot, "Fertig &- gel&APY-st")
    assert set(moved) == {letter(1), letter(2)}
    assert all(rb"\Seen" in one for one in moved.values())
    assert list(imap_user.folder(dovecot, "INBOX")) == [letter(3, size=3_000)]
    # What is stored is never moved into what is fetched from: it would come again and again.
    loop = document(dovecot, version=2, move_to="Later", folders=("INBOX", "Later"))
    await office.publish(loop)
    told = await office.receive("mbx_a")
    assert (told.state, told.stored) == ("refused", 0)


async def test_mails_are_deleted_some_days_after_they_were_stored(
    dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    big = letter(9, size=3_000)
    dovecot.put(letter(1), big)
    await office.publish(
        document(dovecot, delete_after=True, delete_after_days=3, max_message_kb=2)
    )
    await stack.start("fetcher")
    assert (await office.receive("mbx_a")).stored == 1
    await age(stack, 2)
    dovecot.put(letter(2))
    assert (await office.receive("mbx_a")).stored == 1
    assert len(dovecot.files()) == 3
    await age(stack, 2)
    told = await office.receive("mbx_a")
    assert (told.stored, told.error) == (0, None)
    # What was never stored stays, and so does what was stored two days ago.
    assert sorted(dovecot.contents()) == sorted([letter(2), big])


async def test_pop3_deletes_some_days_later_too(
    dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    dovecot.put(letter(1))
    await office.publish(
        mailbox("mbx_p", "pop3", dovecot.pop3, delete_after=True, delete_after_days=3)
    )
    await stack.start("fetcher")
    assert (await office.receive("mbx_p")).stored == 1
    await age(stack, 4)
    dovecot.put(letter(2))
    assert (await office.receive("mbx_p")).stored == 1
    assert dovecot.contents() == [letter(2)]


async def test_pop3_neither_moves_nor_marks(dovecot: Dovecot, stack: Stack, office: Office) -> None:
    dovecot.put(letter(1))
    made = mailbox("mbx_p", "pop3", dovecot.pop3, mark_read=True)
    await office.publish(made)
    await stack.start("fetcher")
    told = await office.receive("mbx_p")
    assert (told.state, told.stored) == ("refused", 1)
    source = msgspec.structs.replace(made.fetch, mark_read=False)  # type: ignore[type-var]  # it has one
    await office.publish(msgspec.structs.replace(made, fetch=source, version=2))
    assert (await office.receive("mbx_p")).state == "idle"
