"""Rules flag and move mails on the server that they were fetched from."""

import pytest

from postroom_contract import subjects
from postroom_contract.codec import encode
from postroom_contract.commands import ArrangeMail, MailReference, Redo, SetAside, subject_of
from postroom_contract.mail import Envelope, Pointer
from postroom_contract.rules import ServerFlag
from postroom_runtime.messages import Publication
from support import imap_user
from support.buses import connected
from support.dovecot import Dovecot
from support.fetching import ACCOUNT, Office, letter, mailbox
from support.stack import Stack
from support.waiting import eventually

pytestmark = pytest.mark.peer


def command(
    envelope: Envelope, *flags: ServerFlag, move_to: str = "", id_: str = "cmd_1"
) -> ArrangeMail:
    return ArrangeMail(
        id=id_, account=ACCOUNT, correlation=envelope.id, causation="evt_1", flags=flags,
        move_to=move_to,
        mail=MailReference(
            id=envelope.id, mailbox=envelope.mailbox, raw=Pointer("INTAKE_0", 1),
            envelope_sender="",
        ),
    )  # fmt: skip


async def issue(office: Office, *commands: ArrangeMail) -> None:
    for one in commands:
        await office.bus.publish(Publication(subject_of(one), encode(one), None))


async def settled(office: Office, stack: Stack) -> None:
    """Wait until no command is left with the fetcher."""

    async def idle() -> bool:
        found = await office.bus.ask("$JS.API.CONSUMER.INFO.COMMANDS.fetcher-commands")
        return found["num_pending"] == found["num_ack_pending"] == 0

    await eventually(idle, 30, what="the commands are done")


async def test_mails_are_flagged_and_moved_with_the_next_check_once(
    dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    dovecot.put(letter(1), letter(2), letter(3), letter(4))
    # By hand only: the command itself brings the check.
    await office.publish(mailbox("mbx_a", "imap", dovecot.imap))
    await stack.start("fetcher")
    assert (await office.receive("mbx_a")).stored == 4
    mails = {found.data: envelope for envelope, found in await office.mails()}
    one, two, three = (mails[letter(number)] for number in (1, 2, 3))
    wanted = [
        command(one, "read", "starred", id_="cmd_a"),
        command(two, "read", move_to="Bills", id_="cmd_b"),
        # A folder that mail is fetched from: it would come in again.
        command(three, move_to="INBOX", id_="cmd_c"),
    ]
    await issue(office, *wanted)

    async def moved() -> bool:
        return letter(2) in imap_user.folder(dovecot, "Bills")

    await eventually(moved, 30, what="the mail is moved")
    await settled(office, stack)
    inbox = imap_user.folder(dovecot, "INBOX")
    assert sorted(inbox) == sorted([letter(1), letter(3), letter(4)])
    assert {rb"\Seen", rb"\Flagged"} <= set(inbox[letter(1)].split())
    assert rb"\Seen" not in inbox[letter(3)] + inbox[letter(4)]
    assert rb"\Seen" in imap_user.folder(dovecot, "Bills")[letter(2)]
    # A command that comes again finds its mail as its owner has left it since.
    imap_user.unread(dovecot, "INBOX")
    await issue(office, *wanted)
    await settled(office, stack)
    assert (await office.receive("mbx_a")).found == 0
    assert rb"\Seen" not in imap_user.folder(dovecot, "INBOX")[letter(1)]


async def test_a_move_that_the_server_refuses_blocks_nothing(
    dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    dovecot.put(letter(1))
    await office.publish(mailbox("mbx_a", "imap", dovecot.imap))
    await stack.start("fetcher")
    await office.receive("mbx_a")
    ((envelope, _),) = await office.mails()
    await issue(
        office,
        command(envelope, "starred", move_to="\\Nowhere", id_="cmd_a"),
        command(envelope, move_to="INBOX/../../etc", id_="cmd_b"),
    )

    async def starred() -> bool:
        return rb"\Flagged" in imap_user.folder(dovecot, "INBOX").get(letter(1), b"")

    await eventually(starred, 30, what="the mail is starred")
    await settled(office, stack)
    dovecot.put(letter(2))
    # The check that the last command brought may be heard of first.
    assert (await office.receive("mbx_a")).state == "idle"

    async def fetched() -> bool:
        return len(await office.mails()) == 2

    await eventually(fetched, 30, what="the next mail is in")


async def test_what_was_set_aside_is_done_when_it_is_asked_for_again(
    dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    dovecot.put(letter(1))
    await office.publish(mailbox("mbx_a", "imap", dovecot.imap))
    await stack.start("fetcher")
    await office.receive("mbx_a")
    ((envelope, _),) = await office.mails()
    wanted = command(envelope, "starred")
    entry = SetAside(
        id="dead_1", account=ACCOUNT, service="fetcher", consumer="fetcher-commands",
        subject=subject_of(wanted), reason="the database was away", deliveries=10,
        original=Pointer("COMMANDS", 1), message_id=wanted.id, payload=encode(wanted),
    )  # fmt: skip
    async with connected(stack.nats, "fetcher") as bus:
        kept = await bus.publish(
            Publication(subjects.dead(ACCOUNT, "fetcher"), encode(entry), entry.id)
        )
    redo = Redo(
        id="cmd_redo", account=ACCOUNT, correlation="r", causation="r", service="fetcher",
        dead=entry.id, original=Pointer(kept.stream, kept.sequence),
    )  # fmt: skip
    await office.bus.publish(Publication(subject_of(redo), encode(redo), redo.id))

    async def starred() -> bool:
        return rb"\Flagged" in imap_user.folder(dovecot, "INBOX").get(letter(1), b"")

    await eventually(starred, 30, what="the mail is starred")
