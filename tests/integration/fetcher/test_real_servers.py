"""Mail in a real Dovecot arrives over IMAP and over POP3, exactly once."""

import pytest

from support.dovecot import USER, Dovecot
from support.fetching import Office, letter, mailbox
from support.stack import Stack

pytestmark = pytest.mark.peer
BOTH = ["imap", "pop3"]


def port_of(dovecot: Dovecot, protocol: str, *, implicit: bool = False) -> int:
    return int(getattr(dovecot, protocol + ("s" if implicit else "")))


@pytest.mark.parametrize("protocol", BOTH)
async def test_mail_arrives_once_with_its_envelope(
    protocol: str, dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    sent = [letter(n) for n in range(3)]
    bounce = b"Return-Path: <>\r\nSubject: failed\r\n\r\nno\r\n"
    nameless = b"Subject: no id, no date, no sender\r\n\r\nhello\r\n"
    dovecot.put(*sent, bounce, nameless)
    await office.publish(
        mailbox("mbx_a", protocol, port_of(dovecot, protocol)), address="help@ours.example"
    )
    await stack.start("fetcher")
    first = await office.receive("mbx_a")
    assert (first.state, first.found, first.stored, first.error) == ("idle", 5, 5, None)
    again = await office.receive("mbx_a")
    assert (again.found, again.stored) == (0, 0)
    mails = await office.mails()
    assert [found.data for _, found in mails] == [*sent, bounce, nameless]
    assert len({envelope.id for envelope, _ in mails}) == 5
    envelope = mails[0][0]
    assert envelope.sender == "sender0@theirs.example"
    assert (envelope.recipient, envelope.source, envelope.role) == (
        "help@ours.example",
        protocol,
        "mail",
    )
    assert [one.sender for one, _ in mails[3:]] == ["", "unknown@sender.invalid"]
    dovecot.put(letter(9))
    later = await office.receive("mbx_a")
    assert (later.found, later.stored) == (1, 1)
    assert len(dovecot.files()) == 6


@pytest.mark.parametrize("protocol", BOTH)
async def test_tls_in_all_its_forms(
    protocol: str, dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    dovecot.put(letter(1))
    plain, implicit = port_of(dovecot, protocol), port_of(dovecot, protocol, implicit=True)
    await office.publish(
        mailbox("mbx_a", protocol, implicit, tls="implicit", ca=dovecot.ca),
        mailbox("mbx_b", protocol, plain, tls="starttls", ca=dovecot.ca),
        mailbox("mbx_c", protocol, implicit, tls="implicit"),
        mailbox("mbx_d", protocol, plain, tls="starttls", ca=dovecot.ca, host="127.0.0.1"),
        mailbox("mbx_e", protocol, implicit, tls="implicit", verify=False),
    )
    await stack.start("fetcher")
    for good in ("mbx_a", "mbx_b", "mbx_e"):
        assert (await office.receive(good)).stored == 1
    for bad in ("mbx_c", "mbx_d"):
        found = await office.receive(bad)
        assert (found.state, found.stored) == ("unreachable", 0)
        assert "TLS" in (found.error or "")
    assert len(await office.mails()) == 3


@pytest.mark.parametrize("protocol", BOTH)
async def test_a_wrong_password_is_said_in_the_servers_words(
    protocol: str, dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    await office.publish(
        mailbox("mbx_a", protocol, port_of(dovecot, protocol), password="wrong", interval_minutes=1)
    )
    await stack.start("fetcher")
    found = await office.receive("mbx_a")
    assert found.state == "auth_failed"
    assert "uthentication failed" in (found.error or "")
    assert found.next_check_at is not None
    assert (found.next_check_at - found.time).total_seconds() > 200


async def test_apop_sends_no_password(dovecot: Dovecot, stack: Stack, office: Office) -> None:
    dovecot.put(letter(1))
    await office.publish(mailbox("mbx_a", "pop3", dovecot.pop3, apop=True))
    await stack.start("fetcher")
    assert (await office.receive("mbx_a")).stored == 1


@pytest.mark.parametrize("protocol", BOTH)
async def test_too_large_mail_stays_and_is_named_once(
    protocol: str, dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    dovecot.put(letter(1), letter(2, size=5_000), letter(3), letter(4))
    await office.publish(
        mailbox(
            "mbx_a", protocol, port_of(dovecot, protocol), max_message_kb=2, max_messages=2,
            delete_after=True,
        )
    )  # fmt: skip
    await stack.start("fetcher")
    first = await office.receive("mbx_a")
    # It does not use up the two mails of a connection.
    assert (first.found, first.stored) == (4, 2)
    assert [(one.size > 2_048, "2 KB" in one.reason) for one in first.skipped] == [(True, True)]
    assert [one.title for one in first.skipped] == ["number 2 — Someone <from2@theirs.example>"]
    second = await office.receive("mbx_a")
    assert (second.found, second.stored, second.skipped) == (1, 1, ())
    assert (await office.receive("mbx_a")).found == 0
    assert [b"number 2" in raw for raw in dovecot.contents()] == [True]
    assert len(await office.mails()) == 3


async def test_a_change_of_uidvalidity_neither_loses_nor_repeats(
    dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    twin = letter(7)
    dovecot.put(letter(1), twin, twin, letter(2))
    await office.publish(mailbox("mbx_a", "imap", dovecot.imap))
    await stack.start("fetcher")
    assert (await office.receive("mbx_a")).stored == 4
    dovecot.stop()
    dovecot.put(letter(3), twin)
    dovecot.renumber()
    dovecot.start()
    found = await office.receive("mbx_a")
    assert (found.found, found.stored) == (6, 2)
    assert (await office.receive("mbx_a")).found == 0
    assert sum(found.data == twin for _, found in await office.mails()) == 3


async def test_progress_never_depends_on_the_seen_flag(
    dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    dovecot.put(letter(1), letter(2))
    folder = dovecot.maildir()
    first = min((folder / "new").iterdir())
    first.rename(folder / "cur" / f"{first.name}:2,S")
    await office.publish(mailbox("mbx_a", "imap", dovecot.imap))
    await stack.start("fetcher")
    assert (await office.receive("mbx_a")).stored == 2
    assert sorted(path.name.endswith("S") for path in dovecot.files()) == [False, True]


async def test_mail_without_message_id_is_taken_and_so_is_its_twin(
    dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    bare = b"From: a@example.net\r\n\r\nhello\r\n"
    dovecot.put(bare, bare, b"no header at all", b"\r\n", b"\x00\xff" * 50)
    await office.publish(mailbox("mbx_a", "imap", dovecot.imap))
    await stack.start("fetcher")
    told = await office.receive("mbx_a")
    assert (told.state, told.stored) == ("idle", 5)
    assert [found.data for _, found in await office.mails()].count(bare) == 2


async def test_one_mail_to_two_of_our_mailboxes_arrives_in_both(
    dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    dovecot.put(letter(1))
    await office.publish(
        mailbox("mbx_a", "imap", dovecot.imap), mailbox("mbx_b", "pop3", dovecot.pop3)
    )
    await stack.start("fetcher")
    assert (await office.receive("mbx_a")).stored == 1
    assert (await office.receive("mbx_b")).stored == 1
    assert {envelope.mailbox for envelope, _ in await office.mails()} == {"mbx_a", "mbx_b"}
    assert (await office.mails())[0][0].recipient == USER


async def test_another_server_with_the_same_numbers_loses_nothing(
    dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    other = "bob@example.org"
    dovecot.add_user(other)
    dovecot.put(letter(1), letter(2))
    dovecot.put(letter(3), letter(2), user=other)
    for user in (USER, other):
        dovecot.set_validity(1_700_000_000, user)
    await office.publish(mailbox("mbx_a", "imap", dovecot.imap))
    await stack.start("fetcher")
    assert (await office.receive("mbx_a")).stored == 2
    for version, (protocol, port) in enumerate(
        [("imap", dovecot.imap), ("pop3", dovecot.pop3), ("imap", dovecot.imap)], 2
    ):
        await office.publish(mailbox("mbx_a", protocol, port, login=other, version=version))
        found = await office.receive("mbx_a")
        # The one that is new; the other's content is here already.
        assert (found.found, found.stored) == (2, 1 if version == 2 else 0)
        assert (await office.receive("mbx_a")).found == 0
    assert sorted(found.data for _, found in await office.mails()) == [
        letter(1), letter(2), letter(3),
    ]  # fmt: skip
