"""Work on a mailbox ends when it must, whatever it does about being cancelled."""

import asyncio

import pytest

from postroom_contract.documents import AddressDocument, MailboxDocument
from postroom_fetcher.handlers.guarding import ChangedError, Guard
from postroom_runtime.errors import UnavailableError


def mailbox(version: int = 1, *, active: bool = True) -> MailboxDocument:
    return MailboxDocument(
        id="mbx_a", account="acc", name="A", kind="system", source="imap",
        active=active, version=version,
    )  # fmt: skip


class Configured:
    """Port Mailboxes."""

    def __init__(self) -> None:
        self.now: MailboxDocument | None = mailbox()

    def mailbox(self, id_: str) -> MailboxDocument | None:
        return self.now if id_ == "mbx_a" else None

    def address(self, mailbox: str) -> AddressDocument | None:
        raise NotImplementedError

    def polled(self) -> list[MailboxDocument]:
        raise NotImplementedError

    def knows(self) -> bool:
        return True


@pytest.fixture
def configured() -> Configured:
    return Configured()


async def begun(guard: Guard) -> tuple[asyncio.Task[None], asyncio.Event]:
    """Work that does not end by itself, and whether it has ended."""
    started, over = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            over.set()

    task = asyncio.create_task(guard.run(mailbox(), work()))
    await started.wait()
    return task, over


async def test_a_change_that_matters_ends_it_and_no_other(configured: Configured) -> None:
    guard = Guard(configured)
    task, over = await begun(guard)
    configured.now = mailbox(version=2)
    guard.on_change("mbx_a")
    guard.on_change("mbx_b")
    await asyncio.sleep(0)
    assert not over.is_set()
    configured.now = mailbox(version=3, active=False)
    guard.on_change("mbx_a")
    with pytest.raises(ChangedError):
        await task
    assert over.is_set()


async def test_stopping_ends_all_and_lets_nothing_begin(configured: Configured) -> None:
    guard = Guard(configured)
    first, second = await begun(guard), await begun(guard)
    guard.stop()
    for task, over in (first, second):
        with pytest.raises(UnavailableError):
            await task
        assert over.is_set()

    async def never() -> None:
        raise AssertionError

    with pytest.raises(UnavailableError):
        await guard.run(mailbox(), never())


async def test_a_cancellation_that_gets_lost_is_said_again(
    configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postroom_fetcher.handlers.guarding.INSIST_SECONDS", 0.01)
    guard = Guard(configured)
    lost = 0
    started = asyncio.Event()

    async def deaf() -> None:
        nonlocal lost
        started.set()
        while lost < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost += 1
        await asyncio.Event().wait()

    task = asyncio.create_task(guard.run(mailbox(), deaf()))
    await started.wait()
    configured.now = None
    guard.on_change("mbx_a")
    async with asyncio.timeout(10):
        with pytest.raises(ChangedError):
            await task
    assert lost == 3


async def test_its_own_errors_and_its_end_come_through(configured: Configured) -> None:
    guard = Guard(configured)

    async def fails() -> None:
        raise ValueError("x")

    async def ends() -> None:
        await asyncio.sleep(0)

    with pytest.raises(ValueError, match="x"):
        await guard.run(mailbox(), fails())
    await guard.run(mailbox(), ends())
