"""The broker: mails with their cursor, jobs with their schedules. Ports: Intake, Work, Live."""

import contextlib
import json
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from postroom_contract import events, subjects
from postroom_contract.codec import ENVELOPE_HEADER, decode, encode
from postroom_contract.documents import MailboxDocument
from postroom_contract.events import MailboxChecked
from postroom_contract.ids import short_hash
from postroom_contract.probing import CheckProgress, ProbeProgress
from postroom_contract.streams import INTAKE
from postroom_contract.work import PollJob
from postroom_fetcher.domain.cursor import Cursor
from postroom_fetcher.domain.folders import INBOX
from postroom_fetcher.ports import OvertakenError, Place
from postroom_runtime import schedules
from postroom_runtime.batches import Batch
from postroom_runtime.bus import Bus
from postroom_runtime.messages import EXPECT_SUBJECT_SEQUENCE, ConflictError, Publication


class NatsIntake:
    """Mails and cursors."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def place(self, mailbox: MailboxDocument, folder: str) -> Place:
        """Return the cursor; UnavailableError without an answer."""
        stream = INTAKE[subjects.intake_shard(mailbox.id)].name
        found = await self._bus.last(stream, _cursor(mailbox, folder))
        if found is None:
            return Place(Cursor(), 0)
        return Place(decode(found.data, Cursor), found.sequence)

    def ahead(self, mails: Sequence[Publication]) -> AbstractAsyncContextManager[object | None]:
        """Send mails that a commit will store, while another is under way."""
        return self._bus.ahead(mails)

    async def commit(
        self,
        mailbox: MailboxDocument,
        folder: str,
        mails: Sequence[Publication],
        cursor: Cursor,
        sequence: int,
        begun: object | None = None,
    ) -> int:
        """Store mails and cursor at once, if the cursor still lies at `sequence`."""
        assert begun is None or isinstance(begun, Batch)
        last = Publication(_cursor(mailbox, folder), encode(cursor), None)
        try:
            return await self._bus.publish_with_cursor(mails, last, sequence, begun)
        except ConflictError as error:
            raise OvertakenError(str(error)) from error

    async def take(self, mails: Sequence[Publication]) -> None:
        """Store mails that no cursor speaks of; each id once."""
        await self._bus.publish_all(mails)

    def mail(
        self, envelope_header: str, id_: str, mailbox: MailboxDocument, raw: bytes
    ) -> Publication:
        """Return the publication of one mail."""
        shard = subjects.intake_shard(mailbox.id)
        subject = subjects.intake(shard, mailbox.account, mailbox.id)
        return Publication(subject, raw, id_, {ENVELOPE_HEADER: envelope_header})


class NatsWork:
    """Jobs, schedules, and what is told about them."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def existing(self) -> set[str]:
        """Return the ids of the mailboxes that have a job or a schedule."""
        found: set[str] = set()
        offset = 0
        while True:
            question = {"subjects_filter": f"{subjects.ROOT}.work.*.*.*", "offset": offset}
            answer = await self._bus.ask("$JS.API.STREAM.INFO.WORK", json.dumps(question).encode())
            page = answer["state"].get("subjects") or {}
            found.update(one.rpartition(".")[2] for one in page if ".work.idle." not in one)
            offset += len(page)
            if not page or offset >= answer.get("total", 0):
                return found

    async def schedule(
        self, mailbox: MailboxDocument, when: datetime, *, failures: int, holding: bool
    ) -> bool:
        """Let a job come at `when`, instead of the schedule that is there."""
        poll = subjects.work_poll(mailbox.account, mailbox.id)
        job = Publication(poll, encode(PollJob(reason="interval", failures=failures)), None)
        made = schedules.at(when, subjects.work_schedule(mailbox.account, mailbox.id), job)
        if not holding:
            headers = {
                **made.headers,
                EXPECT_SUBJECT_SEQUENCE: "0",
                f"{EXPECT_SUBJECT_SEQUENCE}-Subject": poll,
            }
            made = Publication(made.subject, made.payload, None, headers)
        try:
            await self._bus.publish(made)
        except ConflictError:
            return False
        return True

    async def ask(self, mailbox: MailboxDocument) -> bool:
        """Let a job come now, instead of the schedule; False: there is one, perhaps under way."""
        try:
            await self._bus.publish(schedules.poll_now(mailbox.account, mailbox.id), first=True)
        except ConflictError:
            return False
        return True

    async def wait(self, mailbox: MailboxDocument) -> None:
        """Have somebody wait for the mailbox's mail, unless somebody does."""
        idle = subjects.work_idle(mailbox.account, mailbox.id)
        with contextlib.suppress(ConflictError):
            await self._bus.publish(Publication(idle, b"{}", None), first=True)

    async def tell(self, event: MailboxChecked) -> None:
        """Publish the event."""
        await self._bus.publish(Publication(events.subject_of(event), encode(event), event.id))


class NatsLive:
    """Core messages that nothing keeps."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def tell(self, account: str, about: str, progress: ProbeProgress | CheckProgress) -> None:
        """Tell how far something is, if the broker is there."""
        self._bus.mention(subjects.live(account, about), encode(progress))


def _cursor(mailbox: MailboxDocument, folder: str) -> str:
    shard = subjects.intake_shard(mailbox.id)
    token = "" if folder == INBOX else short_hash("folder", folder)
    return subjects.cursor(shard, mailbox.account, mailbox.id, token)
