"""Where fetched mails and the cursor go: one batch, fenced.

Laws:
1. A batch and its cursor are stored together or not at all, and only while the cursor is the one
   that was read: a worker that was thought dead stores nothing.
2. No answer means "not known": the cursor is read again and says what happened.
3. The ledger has been told of a batch before the next one goes in.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence

import msgspec

from postroom_contract.documents import MailboxDocument
from postroom_fetcher.domain import cursor as cursors
from postroom_fetcher.domain.cursor import Cursor, Entry
from postroom_fetcher.domain.folders import INBOX
from postroom_fetcher.ports import Intake, OvertakenError, Place, Protocol, Seen
from postroom_runtime.batches import FRESH_SECONDS
from postroom_runtime.clock import Clock
from postroom_runtime.errors import UnavailableError
from postroom_runtime.messages import FullError, KnownError, Publication

TRIES = 12
PAUSE = 0.5


class Sent(msgspec.Struct):
    """Mails that are with the broker already, but not stored; good for one commit."""

    begun: object | None
    at: float

    def take(self) -> object | None:
        """Return it once, and only while it is fresh."""
        begun, self.begun = self.begun, None
        return begun if time.monotonic() - self.at < FRESH_SECONDS else None


class Kept(msgspec.Struct, frozen=True):
    """What was done about one message, and the mail to store if there is one."""

    entry: Entry
    mail: Publication | None = None


class Keeping:
    """The cursor of one folder of a mailbox, during one check."""

    def __init__(
        self,
        intake: Intake,
        seen: Seen,
        clock: Clock,
        mailbox: MailboxDocument,
        protocol: Protocol,
        folder: str = INBOX,
        *,
        settles: bool,
    ) -> None:
        self._intake = intake
        self._seen = seen
        self._clock = clock
        self._mailbox = mailbox
        self._protocol: Protocol = protocol
        self._folder = folder
        self._settles = settles
        self.cursor = Cursor()
        self._sequence = 0
        self._unsaid = False

    async def begin(self) -> None:
        """Read the cursor; where the broker has lost it, the ledger's copy goes on."""
        place = await self._intake.place(self._mailbox, self._folder)
        self.cursor, self._sequence = place.cursor, place.sequence
        if place.sequence:
            await self._seen.follow(self._mailbox, self._folder, place.cursor)
        else:
            self.cursor = await self._seen.recover(self._mailbox.id, self._folder) or Cursor()

    @contextlib.asynccontextmanager
    async def ahead(self, kept: Sequence[Kept]) -> AsyncIterator[Sent]:
        """Send the mails of a batch while the one before it is being stored."""
        async with self._intake.ahead(_mails(kept)) as begun:
            yield Sent(begun, time.monotonic())

    async def keep(self, kept: Sequence[Kept], sent: Sent | None = None) -> None:
        """Store the mails and go on behind these messages; OvertakenError: somebody else did.

        `sent`: what `ahead` gave for exactly these.
        """
        try:
            await self._commit(_mails(kept), self._advanced(kept), sent)
        except KnownError:
            # The broker has one of them already (its cursor was lost), and does not say which.
            for one in kept:
                try:
                    await self._commit(_mails([one]), self._advanced([one]))
                except KnownError:
                    await self._commit([], self._advanced([one]))

    async def pass_over(self, keys: Sequence[str]) -> None:
        """Go on behind these without fetching them; not seen, so the ledger hears nothing."""
        await self._commit(
            [], cursors.behind(self.cursor, keys, self._protocol, writer=self._writer())
        )

    def settled(self, keys: Collection[str]) -> None:
        """Remember that all is done about these; the next batch says so, or `flush`."""
        self.cursor = cursors.settled(self.cursor, keys)
        self._unsaid = True

    async def flush(self) -> None:
        """Say now what was settled, so that it is not done again."""
        if self._unsaid:
            new = msgspec.structs.replace(
                self.cursor, serial=self.cursor.serial + 1, writer=self._writer(), last=()
            )
            await self._commit([], new)

    async def fault(self) -> None:
        """Remember that the next message could not be had."""
        await self._commit([], cursors.faulted(self.cursor, self._writer()))

    async def deleted(self, keys: Sequence[str]) -> None:
        """Tell the ledger that these are deleted on the server."""
        await self._seen.deleted(self._mailbox.id, self._folder, self.cursor.uidvalidity, keys)

    async def have(self, keys: Sequence[str]) -> set[str]:
        """Return which of these the ledger knows as stored."""
        validity = self.cursor.uidvalidity
        return await self._seen.have(self._mailbox.id, self._folder, validity, keys)

    async def stored_before(self, days: int) -> list[str]:
        """Return keys of what the ledger knows as stored for more than so many days."""
        validity = self.cursor.uidvalidity
        return await self._seen.stored_before(self._mailbox.id, self._folder, validity, days)

    async def spare(self, hashes: Sequence[str]) -> Mapping[str, int]:
        """Return how many more mails of each content other UIDVALIDITYs had than this one has."""
        validity = self.cursor.uidvalidity
        return await self._seen.spare(self._mailbox.id, self._folder, validity, hashes)

    def _advanced(self, kept: Sequence[Kept]) -> Cursor:
        return cursors.advanced(
            self.cursor,
            [one.entry for one in kept],
            self._protocol,
            settles=self._settles,
            writer=self._writer(),
        )

    def _writer(self) -> str:
        return self._clock.new_id("txn")

    async def _commit(
        self, mails: Sequence[Publication], new: Cursor, sent: Sent | None = None
    ) -> None:
        for number in range(TRIES):
            place = await self._attempt(mails, new, sent.take() if sent else None)
            if place is not None:
                self.cursor, self._sequence = place.cursor, place.sequence
                self._unsaid = False
                await self._seen.follow(self._mailbox, self._folder, self.cursor)
                return
            # A pause of the machine's, not of the schedule's: unscaled.
            await asyncio.sleep(PAUSE * min(number + 1, 6))
        raise UnavailableError("the broker does not say whether mails are stored")

    async def _attempt(
        self, mails: Sequence[Publication], new: Cursor, begun: object | None
    ) -> Place | None:
        """Return the new place, or None when it is not known; then it may be tried again."""
        overtaken = False
        try:
            sequence = await self._intake.commit(
                self._mailbox, self._folder, mails, new, self._sequence, begun
            )
            return Place(new, sequence)
        except FullError:
            raise
        except OvertakenError:
            overtaken = True
        except UnavailableError:
            pass
        try:
            place = await self._intake.place(self._mailbox, self._folder)
        except UnavailableError:
            if overtaken:
                raise
            return None
        if place.cursor.writer == new.writer:
            return place
        if overtaken or place.sequence != self._sequence:
            raise OvertakenError("another worker has fetched from this mailbox meanwhile")
        return None


def _mails(kept: Sequence[Kept]) -> list[Publication]:
    return [one.mail for one in kept if one.mail is not None]
