"""What the fetcher decides: cursor, portions, pauses, sender, ids, secrets."""

import base64
from datetime import UTC, datetime

import msgspec
import pytest

from postroom_contract.documents import FetchSource, MailboxDocument
from postroom_fetcher.domain import cursor as cursors
from postroom_fetcher.domain.cursor import Cursor, Entry
from postroom_fetcher.domain.intake import envelope, mail_id
from postroom_fetcher.domain.pauses import next_check
from postroom_fetcher.domain.plan import (
    GIVE_UP,
    PORTION_BYTES,
    PORTION_MAILS,
    Listed,
    plan,
    portions,
    size_limit,
)
from postroom_fetcher.domain.secret import mismatches
from postroom_fetcher.domain.sender import NOBODY, is_history, sender_of
from postroom_runtime.errors import RefusedError
from postroom_runtime.sealing import (
    SealedSecret,
    new_private_key,
    open_sealed,
    parse_private_keys,
    parse_public_key,
    public_key_of,
    seal,
)

SOURCE = FetchSource(host="h", port=993, tls="implicit", login="l", sealed_password="x")
MAILBOX = MailboxDocument(
    id="mbx_a", account="acc", name="A", kind="system", source="imap", active=True, version=1,
    fetch=SOURCE,
)  # fmt: skip


def entry(key: str, state: str = "stored") -> Entry:
    return Entry(key=key, mail=f"msg_{key}", sha256="s", size=1, state=state)  # type: ignore[arg-type]  # a literal


def test_the_cursor_moves_behind_what_was_dealt_with() -> None:
    first = cursors.moved(cursors.begun(Cursor(), "o", "77"), ["3", "5", "9"], "imap")
    assert (first.uid, first.moved_to, first.uidvalidity) == (0, 0, "77")
    then = cursors.advanced(
        first, [entry("3"), entry("5", "skipped")], "imap", settles=True, writer="w"
    )
    assert (then.uid, then.serial, then.to_settle) == (5, 1, ("3",))
    assert not cursors.is_new(then, "5", "imap")
    assert cursors.is_new(then, "6", "imap")
    kept = cursors.advanced(then, [entry("6")], "imap", settles=False, writer="w")
    assert kept.to_settle == ()


def test_another_uidvalidity_deletes_nothing_and_begins_anew() -> None:
    old = Cursor(origin="o", uidvalidity="77", uid=5, to_settle=("3",), serial=4)
    assert cursors.begun(old, "o", "77") is old
    new = cursors.moved(cursors.begun(old, "o", "78"), ["2", "12"], "imap")
    assert (new.uid, new.to_settle, new.moved_to, new.serial) == (0, (), 12, 4)
    assert cursors.may_be_known(new, "12", "imap")
    assert not cursors.may_be_known(new, "13", "imap")


def test_another_server_is_another_era_even_with_the_same_numbers() -> None:
    old = Cursor(origin="o", uidvalidity="1", uid=500, to_settle=("3",), serial=4)
    new = cursors.begun(old, "p", "1")
    assert (new.uid, new.to_settle, new.uidvalidity) == (0, (), "1/1")
    assert cursors.begun(new, "p", "1") is new
    assert mail_id("imap", "m", "1", "3") != mail_id("imap", "m", new.uidvalidity, "3")
    pop3 = cursors.begun(Cursor(origin="o", known=("x",), serial=4), "p", "")
    assert (pop3.known, pop3.uidvalidity) == ((), "/1")
    pop3 = cursors.moved(pop3, ["a", "b"], "pop3")
    assert cursors.may_be_known(pop3, "a", "pop3")
    pop3 = cursors.advanced(pop3, [entry("a")], "pop3", settles=False, writer="w")
    assert [cursors.may_be_known(pop3, key, "pop3") for key in "abc"] == [False, True, False]
    assert mail_id("pop3", "m", "", "a") != mail_id("pop3", "m", pop3.uidvalidity, "a")


def test_pop3_knows_what_is_still_there() -> None:
    cursor = cursors.advanced(
        Cursor(), [entry("a"), entry("b"), entry("c", "skipped")], "pop3",
        settles=True, writer="w",
    )  # fmt: skip
    cursor = cursors.listed(cursor, ["b", "c", "d"], "pop3")
    assert cursor.to_settle == ("b",)
    assert [cursors.is_new(cursor, key, "pop3") for key in "abcd"] == [True, False, False, True]


def test_faults_are_counted_until_something_comes() -> None:
    cursor = cursors.faulted(cursors.faulted(Cursor(), "w"), "w")
    assert (cursor.faults, cursor.serial) == (2, 2)
    assert cursors.advanced(cursor, [entry("1")], "imap", settles=False, writer="w").faults == 0


def test_a_cursor_survives_its_encoding() -> None:
    cursor = Cursor(serial=3, known=("a",), last=(entry("x"),), to_settle=("y",))
    assert msgspec.json.decode(msgspec.json.encode(cursor), type=Cursor) == cursor


def test_too_large_mails_do_not_count() -> None:
    new = [Listed("1", 10), Listed("2", 5_000), Listed("3", 10), Listed("4", 10)]
    found = plan(new, limit=2_048, max_messages=2, faults=0)
    assert found.found == 4
    assert [(one.key, bool(reason)) for one, reason in found.steps] == [
        ("1", False), ("2", True), ("3", False),
    ]  # fmt: skip


def test_a_mail_that_always_fails_is_left_there() -> None:
    new = [Listed("1", 10), Listed("2", 10)]
    assert [bool(r) for _, r in plan(new, limit=99, max_messages=0, faults=GIVE_UP - 1).steps] == [
        False, False,
    ]  # fmt: skip
    assert [bool(r) for _, r in plan(new, limit=99, max_messages=0, faults=GIVE_UP).steps] == [
        True, False,
    ]  # fmt: skip


def test_portions_have_limits_and_keep_the_order() -> None:
    steps = [(Listed(str(n), PORTION_BYTES // 3), "") for n in range(5)]
    assert [len(p) for p in portions(steps, careful=False)] == [3, 2]
    assert [len(p) for p in portions(steps, careful=True)] == [1, 3, 1]
    small = [(Listed(str(n), 1), "") for n in range(PORTION_MAILS + 1)]
    assert [len(p) for p in portions(small, careful=False)] == [PORTION_MAILS, 1]
    huge = [(Listed("1", 10**9), "too large"), (Listed("2", 1), "")]
    assert [len(p) for p in portions(huge, careful=False)] == [2]
    assert list(portions([], careful=True)) == []


def test_the_smallest_limit_counts() -> None:
    assert size_limit(MAILBOX, SOURCE) == 25 * 1024 * 1024
    asked = msgspec.structs.replace(SOURCE, max_message_kb=10)
    assert size_limit(MAILBOX, asked) == 10_240
    assert size_limit(msgspec.structs.replace(MAILBOX, max_message_bytes=5), asked) == 5


@pytest.mark.parametrize(
    ("state", "failures", "interval", "pause"),
    [
        ("idle", 0, 5, 300),
        ("idle", 0, 0, None),
        ("auth_failed", 1, 0, None),
        ("auth_failed", 1, 1, 300),
        ("auth_failed", 3, 1, 3_600),
        ("auth_failed", 99, 1, 43_200),
        ("auth_failed", 1, 1_440, 86_400),
        ("unreachable", 1, 60, 60),
        ("unreachable", 99, 1, 1_800),
        ("refused", 1, 1, 43_200),
    ],
)
def test_pauses(state: str, failures: int, interval: int, pause: float | None) -> None:
    found = next_check(state, failures, interval, 0.5)  # type: ignore[arg-type]  # a literal
    assert found == (pytest.approx(pause) if pause is not None else None)
    if pause:
        assert next_check(state, failures, interval, 0.0) == pytest.approx(pause * 0.9)  # type: ignore[arg-type]  # a literal
        assert next_check(state, failures, interval, 1.0) == pytest.approx(pause * 1.1)  # type: ignore[arg-type]  # a literal


@pytest.mark.parametrize(
    ("raw", "sender"),
    [
        (b"Return-Path: <a@b.example>\r\nFrom: c@d.example\r\n\r\n", "a@b.example"),
        (b"Return-Path: <>\r\nFrom: c@d.example\r\n\r\n", ""),
        (b"Return-Path: < >\r\nFrom: c@d.example\r\n\r\n", ""),
        (b"Return-Path:\r\nFrom: C <c@d.example>\r\n\r\n", "c@d.example"),
        (b"Return-Path: <nonsense>\r\nFrom: c@d.example\r\n\r\n", "c@d.example"),
        (b"From: x@y.example, c@d.example\r\n\r\n", "x@y.example"),
        (b"From: nobody\r\n\r\n", NOBODY),
        (b"", NOBODY),
        (b"\xff\x00" * 500, NOBODY),
        (b"Subject: x\r\n\r\nFrom: a@b.example\r\n", NOBODY),
    ],
)
def test_who_sent_it(raw: bytes, sender: str) -> None:
    assert sender_of(raw) == sender


@pytest.mark.parametrize(
    ("head", "old"),
    [
        (b"Received: from a by b; Fri, 20 Nov 2026 10:00:00 +0000\r\n", False),
        (b"Received: from a by b; Tue, 3 Feb 2009 10:00:00 +0000\r\n", True),
        (b"Received: by b;\r\n\tTue, 3 Feb 2009 10:00:00 +0000 (UTC)\r\n", True),
        (b"Received: by b; 3 Feb 2009 10:00:00\r\n", True),
        (b"Received: by b; Tue, 3 Feb 2099 10:00:00 +0000\r\n", False),
        (b"Received: by b; Tue, 99 Feb 99999 10:00:00 +9999\r\n", False),
        (b"Received: by b; yesterday\r\n", False),
        # The sender's clock proves nothing.
        (b"Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n", False),
        (b"", False),
    ],
)
def test_what_is_an_old_mail(head: bytes, old: bool) -> None:
    now = datetime(2026, 11, 25, 12, tzinfo=UTC)
    assert is_history(head + b"\r\nhello\r\n", now) is old


def test_ids_depend_on_the_message_alone() -> None:
    assert mail_id("imap", "m", "7", "1") == mail_id("imap", "m", "7", "1")
    different = {
        mail_id("imap", "m", "7", "1"),
        mail_id("imap", "m", "8", "1"),
        mail_id("imap", "m", "7", "2"),
        mail_id("imap", "n", "7", "1"),
        mail_id("pop3", "m", "7", "1"),
    }
    assert len(different) == 5


def test_the_envelope_of_a_mailbox_without_an_address_names_its_login() -> None:
    found = envelope(
        b"From: a@b.example\r\n\r\n", MAILBOX, None, id_="msg_1", protocol="imap", login="l",
        transaction="txn_1", received_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    assert (found.recipient, found.role, found.sender) == ("l", "mail", "a@b.example")


SECRET = SealedSecret(
    password="a canary", mailbox="mbx_a", login="l", host="h", port=993, tls="implicit", verify=True
)


def test_a_secret_is_for_what_it_was_sealed_with() -> None:
    assert mismatches(SECRET, MAILBOX) == ()
    for name, value in {
        "mailbox": "mbx_b", "login": "x", "host": "x", "port": 1, "tls": "none", "verify": False,
    }.items():  # fmt: skip
        changed = msgspec.structs.replace(SECRET, **{name: value})
        assert len(mismatches(changed, MAILBOX)) == 1


def test_sealed_by_the_public_key_opened_by_any_of_the_private_ones() -> None:
    old, new = new_private_key(), new_private_key()
    text = seal(parse_public_key(public_key_of(old)), SECRET)
    assert SECRET.password.encode() not in base64.b64decode(text)
    assert open_sealed(parse_private_keys(f"{new}\n{old}\n"), text) == SECRET
    for wrong in (parse_private_keys(new),):
        with pytest.raises(RefusedError, match="again"):
            open_sealed(wrong, text)
    for broken in ("", "!!", text[:-8], "A" * 200):
        with pytest.raises(RefusedError):
            open_sealed(parse_private_keys(old), broken)
    for keys in ("", "zz", "ab"):
        with pytest.raises(ValueError, match="key"):
            parse_private_keys(keys)
