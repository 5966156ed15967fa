"""Cursor and mails are one, whatever the broker answers."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from postroom_contract.documents import MailboxDocument
from postroom_fetcher.domain.cursor import Cursor, Entry
from postroom_fetcher.handlers import keeping as module
from postroom_fetcher.handlers.keeping import Keeping, Kept
from postroom_fetcher.ports import OvertakenError, Place
from postroom_runtime.clock import Clock
from postroom_runtime.errors import UnavailableError
from postroom_runtime.messages import FullError, KnownError, Publication

MAILBOX = MailboxDocument(
    id="mbx_a", account="acc", name="A", kind="system", source="imap", active=True, version=1
)


class Broker:
    """Port Intake: atomic, fenced, with a memory for ids, and unwell on demand."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.current = Place(Cursor(), 0)
        self.known: set[str] = set()
        self.sent: list[list[str]] = []
        self.answers: list[str] = []
        """Of the next commits: ok, lost (stored, but no answer), never (not stored, no answer)."""

    async def place(self, mailbox: MailboxDocument, folder: str) -> Place:
        return self.current

    @asynccontextmanager
    async def ahead(self, mails: Sequence[Publication]) -> AsyncIterator[object | None]:
        self.sent.append([mail.id or "" for mail in mails])
        yield self.sent[-1]

    async def commit(
        self,
        mailbox: MailboxDocument,
        folder: str,
        mails: Sequence[Publication],
        cursor: Cursor,
        sequence: int,
        begun: object | None = None,
    ) -> int:
        if begun is not None:
            # A batch is good for one commit, whatever comes of it.
            assert begun in self.sent
            assert begun == [mail.id or "" for mail in mails]
            self.sent.remove(begun)
        answer = self.answers.pop(0) if self.answers else "ok"
        if answer == "never":
            raise UnavailableError("no answer")
        if answer == "full":
            raise FullError("full")
        if sequence != self.current.sequence:
            raise OvertakenError("wrong last sequence")
        ids = [mail.id or "" for mail in mails]
        if self.known & set(ids):
            raise KnownError("duplicate")
        self.mails += ids
        self.known |= set(ids)
        self.current = Place(cursor, sequence + len(ids) + 1)
        if answer == "lost":
            raise UnavailableError("no answer")
        return self.current.sequence


class Ledger:
    """Port Seen."""

    def __init__(self) -> None:
        self.followed: list[Cursor] = []
        self.copy: Cursor | None = None

    async def follow(self, mailbox: MailboxDocument, folder: str, cursor: Cursor) -> None:
        self.followed.append(cursor)

    async def recover(self, mailbox: str, folder: str) -> Cursor | None:
        return self.copy

    async def spare(
        self, mailbox: str, folder: str, uidvalidity: str, hashes: Sequence[str]
    ) -> dict[str, int]:
        return {}

    async def have(
        self, mailbox: str, folder: str, uidvalidity: str, keys: Sequence[str]
    ) -> set[str]:
        raise NotImplementedError

    async def stored_before(
        self, mailbox: str, folder: str, uidvalidity: str, days: int
    ) -> list[str]:
        raise NotImplementedError

    async def deleted(
        self, mailbox: str, folder: str, uidvalidity: str, keys: Sequence[str]
    ) -> None:
        raise NotImplementedError


def kept(*keys: int) -> list[Kept]:
    return [
        Kept(
            Entry(key=str(key), mail=f"msg_{key}", sha256="s", size=1, state="stored"),
            Publication("s", b"raw", f"msg_{key}"),
        )
        for key in keys
    ]


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
async def keeping(broker: Broker, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Keeping:
    monkeypatch.setattr(module, "PAUSE", 0.0)
    made = Keeping(broker, ledger, Clock(), MAILBOX, "imap", settles=False)
    await made.begin()
    return made


@pytest.mark.parametrize("answers", [["ok"], ["lost"], ["never"], ["never", "never", "lost"]])
async def test_stored_once_whatever_is_heard(
    answers: list[str], keeping: Keeping, broker: Broker, ledger: Ledger
) -> None:
    broker.answers = answers
    await keeping.keep(kept(1, 2))
    await keeping.keep(kept(3))
    assert broker.mails == ["msg_1", "msg_2", "msg_3"]
    assert keeping.cursor.uid == broker.current.cursor.uid == 3
    assert [cursor.uid for cursor in ledger.followed] == [2, 3]


@pytest.mark.parametrize("answers", [["ok"], ["lost"], ["never"], ["never", "never", "lost"]])
async def test_what_was_sent_ahead_is_stored_once(
    answers: list[str], keeping: Keeping, broker: Broker
) -> None:
    broker.answers = answers
    async with keeping.ahead(kept(1, 2)) as first, keeping.ahead(kept(3)) as second:
        assert broker.mails == []
        await keeping.keep(kept(1, 2), first)
        await keeping.keep(kept(3), second)
    assert broker.mails == ["msg_1", "msg_2", "msg_3"]
    assert broker.sent == []


async def test_what_was_sent_too_long_ago_is_sent_again(
    keeping: Keeping, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker has forgotten that batch by now."""
    monkeypatch.setattr(module, "FRESH_SECONDS", 0.0)
    async with keeping.ahead(kept(1)) as sent:
        await keeping.keep(kept(1), sent)
    assert (broker.mails, broker.sent) == (["msg_1"], [["msg_1"]])


async def test_a_worker_thought_dead_stores_nothing(
    keeping: Keeping, broker: Broker, ledger: Ledger
) -> None:
    other = Keeping(broker, ledger, Clock(), MAILBOX, "imap", settles=False)
    await other.begin()
    await other.keep(kept(1, 2))
    with pytest.raises(OvertakenError):
        await keeping.keep(kept(1, 2, 3))
    with pytest.raises(OvertakenError):
        await keeping.fault()
    assert broker.mails == ["msg_1", "msg_2"]


async def test_overtaken_while_no_answer_came(keeping: Keeping, broker: Broker) -> None:
    other = Keeping(broker, Ledger(), Clock(), MAILBOX, "imap", settles=False)
    await other.begin()
    await other.keep(kept(1))
    broker.answers = ["never"]
    with pytest.raises(OvertakenError):
        await keeping.keep(kept(1))
    assert broker.mails == ["msg_1"]


async def test_a_lost_cursor_stores_no_mail_twice(keeping: Keeping, broker: Broker) -> None:
    broker.known = {"msg_2"}
    broker.mails = ["msg_2"]
    await keeping.keep(kept(1, 2, 3))
    assert broker.mails == ["msg_2", "msg_1", "msg_3"]
    assert keeping.cursor.uid == 3


async def test_the_ledgers_copy_goes_on_where_the_broker_lost_the_cursor(
    broker: Broker, ledger: Ledger
) -> None:
    ledger.copy = Cursor(serial=9, uid=44, uidvalidity="7")
    made = Keeping(broker, ledger, Clock(), MAILBOX, "imap", settles=False)
    await made.begin()
    assert made.cursor.uid == 44
    await made.keep(kept(45))
    assert broker.current.cursor.serial == 10


async def test_no_room_and_no_answer_at_all_are_said(keeping: Keeping, broker: Broker) -> None:
    broker.answers = ["full"]
    with pytest.raises(FullError):
        await keeping.keep(kept(1))
    broker.answers = ["never"] * 50
    with pytest.raises(UnavailableError):
        await keeping.keep(kept(1))
    assert broker.mails == []
