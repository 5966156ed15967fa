"""What is held for a mailbox goes with it."""

import asyncio
from typing import Final

import structlog

from postroom_fetcher.ports import Forgets, Mailboxes
from postroom_runtime.errors import UnavailableError

PAUSE: Final = 2.0


class Forgetting:
    """Deletes what is held for mailboxes that are no more; repeating is harmless."""

    def __init__(self, mailboxes: Mailboxes, *holders: Forgets) -> None:
        self._mailboxes = mailboxes
        self._holders = holders
        self._gone: set[str] = set()
        self._wake = asyncio.Event()

    def on_change(self, mailbox: str) -> None:
        """Look at a mailbox whose document has changed."""
        if self._mailboxes.mailbox(mailbox) is None:
            self._gone.add(mailbox)
            self._wake.set()

    async def run(self) -> None:
        """Forget for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            gone, self._gone = self._gone, set()
            # Between two documents a mailbox may be there again.
            gone = {one for one in gone if self._mailboxes.mailbox(one) is None}
            try:
                for holder in self._holders:
                    await holder.forget(sorted(gone))
            except UnavailableError as error:
                structlog.get_logger().warning(
                    "held things wait to be forgotten", reason=str(error)
                )
                self._gone |= gone
                self._wake.set()
                await asyncio.sleep(PAUSE)
