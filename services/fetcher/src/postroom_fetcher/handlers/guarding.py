"""What ends work on a mailbox before it is done.

Law: work on a mailbox ends at once when its document changes in a way that matters or is deleted,
when we are told to stop, and when this process was frozen so long that another may have the job.
"""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from postroom_contract.documents import MailboxDocument
from postroom_fetcher.ports import Mailboxes
from postroom_runtime.errors import DroppedError, PostroomError, UnavailableError

FROZEN_SECONDS = 14.0
"""The broker gives a job to somebody else after 20."""
INSIST_SECONDS = 0.2
Ended = asyncio.Future[None]


class ChangedError(PostroomError):
    """The mailbox's document says something else by now."""


class Guard:
    """Runs work on mailboxes, and knows what runs."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes
        self._running: dict[str, list[tuple[MailboxDocument, Ended]]] = {}
        self._stopping = False

    def stop(self) -> None:
        """End everything, and let nothing begin; the jobs go back."""
        self._stopping = True
        self._end_all(UnavailableError("stopping"))

    def on_change(self, mailbox: str) -> None:
        """End the work on a mailbox whose document says something else by now."""
        for document, ended in self._running.get(mailbox, ()):
            if not _same(document, self._mailboxes.mailbox(mailbox)):
                _end(ended, ChangedError("the mailbox has changed"))

    async def watch(self) -> None:
        """Notice for ever when this process gets no time."""
        before = time.monotonic()
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            if now - before > FROZEN_SECONDS:
                self._end_all(DroppedError("this process was frozen"))
            before = now

    async def run(self, mailbox: MailboxDocument, work: Coroutine[Any, Any, None]) -> None:
        """Run until done; ChangedError, UnavailableError or DroppedError: it must not go on."""
        if self._stopping:
            work.close()
            raise UnavailableError("stopping")
        ended: Ended = asyncio.get_running_loop().create_future()
        mine = (mailbox, ended)
        self._running.setdefault(mailbox.id, []).append(mine)
        task = asyncio.create_task(work)
        try:
            await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                ended.result()
            await task
        finally:
            ended.cancel()
            await _cancelled(task)
            self._running[mailbox.id].remove(mine)
            if not self._running[mailbox.id]:
                del self._running[mailbox.id]

    def _end_all(self, error: PostroomError) -> None:
        for running in self._running.values():
            for _, ended in running:
                _end(ended, error)


async def _cancelled(task: asyncio.Task[None]) -> None:
    """Cancel until it has ended: before Python 3.12, `wait_for` may lose a cancellation."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=INSIST_SECONDS)
    if not task.cancelled():
        task.exception()


def _end(ended: Ended, error: PostroomError) -> None:
    if not ended.done():
        ended.set_exception(error)


def _same(before: MailboxDocument, now: MailboxDocument | None) -> bool:
    """Return whether what runs need not care about the change."""
    if now is None:
        return False
    fields = ("source", "active", "fetch", "max_message_bytes", "account")
    return all(getattr(before, name) == getattr(now, name) for name in fields)
