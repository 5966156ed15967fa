"""One folder of a mailbox, during one check: list, fetch, keep, and settle what is kept.

Laws:
1. Messages are dealt with in the server's order; the cursor never passes one that is neither
   stored, nor left there with a reason, nor gone from the server.
2. Deleted, moved or marked on the server is only what the committed cursor, or the ledger that
   follows it, says is stored.
"""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import date

import msgspec
import structlog

from postroom_contract.codec import envelope_to_header
from postroom_contract.documents import AddressDocument, FetchSource, MailboxDocument
from postroom_contract.events import SkippedMail
from postroom_contract.ids import short_hash
from postroom_contract.probing import CheckProgress
from postroom_fetcher.domain import cursor as cursors
from postroom_fetcher.domain import intake, plan
from postroom_fetcher.domain.after import After
from postroom_fetcher.domain.arrangement import Arrangement, steps
from postroom_fetcher.domain.cursor import Cursor, Entry
from postroom_fetcher.domain.plan import Listed, Step
from postroom_fetcher.domain.sender import title_of
from postroom_fetcher.handlers.keeping import Keeping, Kept, Sent
from postroom_fetcher.handlers.room import Room
from postroom_fetcher.ports import (
    Arranged,
    FolderError,
    ForbiddenError,
    Intake,
    Live,
    Protocol,
    ServerError,
    Session,
)
from postroom_runtime.clock import Clock

SHOWN = 100


class Tally(msgspec.Struct):
    """What a check has come to so far; true also when it breaks off."""

    found: int = 0
    stored: int = 0
    skipped: list[SkippedMail] = msgspec.field(default_factory=list)
    transaction: str = ""
    tells: bool = False
    """Whether the server would tell of new mail."""


class Means(msgspec.Struct, frozen=True):
    """What every check works with."""

    intake: Intake
    arranged: Arranged
    live: Live
    clock: Clock
    room: Room

    def tell(self, mailbox: MailboxDocument, tally: Tally) -> None:
        """Tell who looks on how far it is."""
        told = CheckProgress(
            mailbox=mailbox.id, found=tally.found, stored=tally.stored, at=self.clock.now()
        )
        self.live.tell(mailbox.account, mailbox.id, told)


class Entered(msgspec.Struct, frozen=True, kw_only=True):
    """A mailbox whose session is open, and what is known of it."""

    mailbox: MailboxDocument
    source: FetchSource
    address: AddressDocument | None
    protocol: Protocol
    session: Session
    tally: Tally
    wanted: Sequence[Arrangement]
    """What rules want done to mails there."""
    fetched: Sequence[str]
    """All folders that this check fetches from."""


class _Portion(msgspec.Struct, frozen=True):
    """One portion as the server handed it out."""

    kept: list[Kept]
    stuck: bool
    """Behind these comes one that is still listed, but was not handed out."""
    sent: Sent | None
    held: AsyncExitStack
    """The room it takes, and what `sent` needs; to be closed when it is stored or given up."""


class FolderCheck:
    """One folder, from the open session on."""

    def __init__(self, means: Means, entered: Entered, keeping: Keeping, folder: str) -> None:
        self._means = means
        self._with = entered
        self.mailbox = entered.mailbox
        self.source = entered.source
        self.protocol: Protocol = entered.protocol
        self.session = entered.session
        self.tally = entered.tally
        self.keeping = keeping
        self.folder = folder
        self._after = After.of(entered.source)
        self._deleted: list[str] = []
        self._log = structlog.get_logger().bind(mailbox=entered.mailbox.id)
        self._limit = plan.size_limit(entered.mailbox, entered.source)

    def mail_id(self, key: str) -> str:
        """Return the id that this message always gets."""
        validity = self.keeping.cursor.uidvalidity
        return intake.mail_id(self.protocol, self.mailbox.id, validity, key, self.folder)

    async def run(self, since: date | None) -> None:
        """Do all of it in this folder."""
        present = await self._list(everything=since is not None)
        await self._arrange()
        if since is not None:
            await self._again(present, since)
        self.tally.tells = self.tally.tells or self.session.tells
        cursor = self.keeping.cursor
        new = [one for one in present if cursors.is_new(cursor, one.key, self.protocol)]
        await self._settle(cursor.to_settle)
        faults = cursor.faults
        left = max(self.source.max_messages - self.tally.stored, 0)
        if self.source.max_messages and not left:
            return
        planned = plan.plan(new, limit=self._limit, max_messages=left, faults=faults)
        self.tally.found += planned.found
        self._means.tell(self.mailbox, self.tally)
        await self._portions(plan.portions(planned.steps, careful=faults > 0))
        await self._delete_old({one.key for one in present})
        if self._after.mark_read:
            # Whoever marks a mail as unread later means it.
            await self.keeping.flush()

    async def finished(self) -> None:
        """Tell the ledger what is deleted now that the server has said goodbye."""
        if self._deleted:
            await self.keeping.deleted(self._deleted)

    async def _settle(self, keys: Sequence[str]) -> None:
        """Do on the server what is to be done about mails that are stored."""
        if not keys:
            return
        if self._after.mark_read:
            await self.session.flag(keys, "read")
        if self._after.move_to:
            (folder,) = await self.session.chosen([self._after.move_to])
            if folder != self.folder:
                await self.session.move(keys, folder)
        elif self._after.delete_at_once:
            await self._delete(keys)
        if self.protocol == "imap":
            self.keeping.settled(set(keys))

    async def _arrange(self) -> None:
        """Do in this folder what rules want; what its server refuses is given up, and logged."""
        todo = steps(self._with.wanted, self.folder, self.keeping.cursor.uidvalidity)
        if not todo.done:
            return
        for flag, keys in todo.flags.items():
            await self.session.flag(keys, flag)
        for name, keys in todo.moves.items():
            try:
                (folder,) = await self.session.chosen([name])
                if folder not in self._with.fetched:
                    await self.session.move(keys, folder)
                else:  # it would come in again
                    self._log.warning("not moved to where mail is fetched from", folder=folder)
            except FolderError as error:
                self._log.warning("not moved as a rule wants", reason=str(error))
        await self._means.arranged.done(todo.done)

    async def _delete(self, keys: Sequence[str]) -> None:
        await self.session.delete(keys)
        if self.protocol == "imap":
            await self.keeping.deleted(keys)
        else:  # it is not sure before the end
            self._deleted += keys

    async def _again(self, present: Sequence[Listed], since: date) -> None:
        """Fetch what came from a day on, was dealt with once, and is not here.

        POP3 tells no dates: all that is not here.
        """
        # The server's day may be another than ours.
        days = (self._means.clock.now().date() - since).days + 1
        if days < 0:
            return
        newer = await self.session.newer(days)
        cursor = self.keeping.cursor
        old = [
            one
            for one in present
            if (newer is None or one.key in newer)
            and not cursors.is_new(cursor, one.key, self.protocol)
        ]
        have = await self.keeping.have([one.key for one in old])
        missing = [one for one in old if one.key not in have]
        planned = plan.plan(missing, limit=self._limit, max_messages=0, faults=0)
        self.tally.found += planned.found
        self._means.tell(self.mailbox, self.tally)
        await self._portions(plan.portions(planned.steps, careful=False), blame=False)

    async def _delete_old(self, present: Collection[str]) -> None:
        """Delete what has been stored for long enough, and is still there."""
        if not self._after.delete_days:
            return
        due = [
            key
            for key in await self.keeping.stored_before(self._after.delete_days)
            if key in present
        ]
        if due:
            await self._delete(due)

    async def _portions(self, portions: Iterator[list[Step]], *, blame: bool = True) -> None:
        """Have a portion at hand while the one before it is stored.

        `blame`: what cannot be had counts as a fault of the next new message.

        The session does one thing at a time: what was stored is settled between two portions.
        """
        stored: list[str] = []
        stuck = False
        ahead = self._ahead(portions)
        try:
            while ahead is not None:
                try:
                    portion = await ahead
                except ServerError:
                    if blame:
                        await self.keeping.fault()
                    raise
                async with portion.held:
                    await self._settle(stored)
                    stuck = portion.stuck
                    ahead = None if stuck else self._ahead(portions)
                    stored = await self._store(portion)
        finally:
            if ahead is not None:
                await _given_up(ahead)
        await self._settle(stored)
        if stuck:
            if blame:
                await self.keeping.fault()
            raise ServerError("the server lists a message but does not hand it out")

    def _ahead(self, portions: Iterator[list[Step]]) -> "asyncio.Task[_Portion] | None":
        """Begin to get the next portion, if there is one."""
        steps = next(portions, None)
        return asyncio.create_task(self._get(steps)) if steps else None

    async def _list(self, *, everything: bool) -> list[Listed]:
        validity = await self.session.folder(self.folder)
        before = self.keeping.cursor
        cursor = cursors.begun(before, _origin(self.protocol, self.source), validity)
        present = await self.session.listing(0 if everything else self._from(cursor))
        keys = [one.key for one in present]
        if cursor is not before and before.serial:
            self._log.info("messages are numbered anew; known contents are not stored again")
            cursor = cursors.moved(cursor, keys, self.protocol)
        self.keeping.cursor = cursor = cursors.listed(cursor, keys, self.protocol)
        if before.serial == 0 and self.source.first_import_days is not None:
            cursor = await self._begin_late(keys, self.source.first_import_days)
        return present

    def _from(self, cursor: Cursor) -> int:
        """Return behind which UID to list: all that may have to be fetched or settled."""
        if self.protocol == "pop3" or self._after.delete_days:
            return 0
        return min([cursor.uid, *(int(key) - 1 for key in cursor.to_settle)])

    async def _begin_late(self, keys: Sequence[str], days: int) -> Cursor:
        """Pass over what the first import shall leave out, in one commit of its own."""
        newer = await self.session.newer(days) if days and keys else set()
        if newer is None:
            raise ForbiddenError("this server tells no dates: import everything or only new mail")
        passed = cursors.passed_over(keys, newer, self.protocol)
        await self.keeping.pass_over(passed)
        return self.keeping.cursor

    async def _get(self, steps: list[Step]) -> "_Portion":
        """Fetch a portion, up to a message that is stuck, and send it to the broker."""
        wanted = [listed for listed, reason in steps if not reason]
        async with AsyncExitStack() as held:
            room = self._means.room.taken(sum(one.size for one in wanted))
            await held.enter_async_context(room)
            mails = await self.session.fetch(wanted, self._limit) if wanted else {}
            # What the server could not hand out is not asked for again, not even for its name.
            left = [one for one, reason in steps if reason and one.size > self._limit]
            heads = await self.session.heads(left) if left else {}
            stuck = await self._still_there({one.key for one in wanted if one.key not in mails})
            kept: list[Kept] = []
            for listed, reason in steps:
                if listed.key in stuck:
                    break
                if reason:
                    title = title_of(heads.get(listed.key, b""))
                    kept.append(Kept(self._skipped(listed, reason, title)))
                elif listed.key in mails:
                    kept.append(self._kept(listed, mails.pop(listed.key)))
            sent: Sent | None = None
            if not self._may_be_known(kept):
                sent = await held.enter_async_context(self.keeping.ahead(kept))
            return _Portion(kept, bool(stuck), sent, held.pop_all())

    async def _store(self, portion: "_Portion") -> list[str]:
        """Keep one portion; return the keys of what is stored."""
        kept = portion.kept
        if kept:
            if portion.sent is None:
                kept = await self._known_before(kept)
            await self.keeping.keep(kept, portion.sent)
            self._count(kept)
        return [one.entry.key for one in kept if one.entry.state == "stored"]

    async def _still_there(self, keys: set[str]) -> set[str]:
        """Return those that the server still lists, though it did not hand them out."""
        if not keys:
            return set()
        after = min(map(int, keys)) - 1 if self.protocol == "imap" else 0
        return keys & {one.key for one in await self.session.listing(after)}

    def _skipped(self, listed: Listed, reason: str, title: str) -> Entry:
        return Entry(
            key=listed.key, mail=self.mail_id(listed.key), sha256="", size=listed.size,
            state="skipped", reason=reason, title=title,
        )  # fmt: skip

    def _count(self, kept: Sequence[Kept]) -> None:
        self.tally.stored += sum(one.mail is not None for one in kept)
        for one in kept:
            if one.entry.state == "skipped" and len(self.tally.skipped) < SHOWN:
                self.tally.skipped.append(
                    SkippedMail(
                        key=one.entry.key,
                        size=one.entry.size,
                        reason=one.entry.reason,
                        title=one.entry.title,
                    )
                )
        self._means.tell(self.mailbox, self.tally)

    def _kept(self, listed: Listed, raw: bytes) -> Kept:
        """Return a mail as it is stored."""
        id_ = self.mail_id(listed.key)
        envelope = intake.envelope(
            raw,
            self.mailbox,
            self._with.address,
            id_=id_,
            protocol=self.protocol,
            login=self.source.login,
            transaction=self.tally.transaction,
            received_at=self._means.clock.now(),
        )
        publication = self._means.intake.mail(envelope_to_header(envelope), id_, self.mailbox, raw)
        entry = Entry(
            key=listed.key, mail=id_, sha256=envelope.sha256, size=len(raw), state="stored"
        )
        return Kept(entry, publication)

    def _may_be_known(self, kept: Sequence[Kept]) -> bool:
        """Return whether an earlier UIDVALIDITY may have brought one of these."""
        cursor = self.keeping.cursor
        return any(cursors.may_be_known(cursor, k.entry.key, self.protocol) for k in kept)

    async def _known_before(self, kept: Sequence[Kept]) -> list[Kept]:
        """Return the same without the mails that an earlier UIDVALIDITY had brought already."""
        cursor = self.keeping.cursor
        candidates = {
            k.entry.key for k in kept if cursors.may_be_known(cursor, k.entry.key, self.protocol)
        }
        hashes = [k.entry.sha256 for k in kept if k.entry.key in candidates]
        if not hashes:
            return list(kept)
        spare = dict(await self.keeping.spare(hashes))
        result: list[Kept] = []
        for k in kept:
            known = k.mail is not None and k.entry.key in candidates
            if known and spare.get(k.entry.sha256, 0) > 0:
                spare[k.entry.sha256] -= 1
                reason = "known by its content from before the numbers changed"
                result.append(Kept(msgspec.structs.replace(k.entry, reason=reason)))
            else:
                result.append(k)
        return result


async def _given_up(ahead: asyncio.Task[_Portion]) -> None:
    """Let go of a portion that nobody will store."""
    ahead.cancel()
    (portion,) = await asyncio.gather(ahead, return_exceptions=True)
    if isinstance(portion, _Portion):
        await portion.held.aclose()


def _origin(protocol: Protocol, source: FetchSource) -> str:
    return short_hash(protocol, source.host.lower(), source.login)
