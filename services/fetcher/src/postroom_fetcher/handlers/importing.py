"""Mail that somebody has as files goes the way of fetched mail.

Laws:
1. A content is stored once in a mailbox, however often and from wherever it comes: a mail has the
   same id each time, and the ledger says what is there.
2. What is answered as stored is stored. The ledger is told afterwards: without its word the mail
   is sent again, under the same id.
"""

import hashlib
from collections.abc import Iterator, Sequence

import msgspec

from postroom_contract.codec import envelope_to_header
from postroom_contract.documents import MailboxDocument
from postroom_contract.ids import derived_id
from postroom_contract.importing import MOST_BYTES, MOST_MAILS, Outcome, TakeMails, Taken
from postroom_contract.streams import MAX_MESSAGE_BYTES
from postroom_fetcher.domain import intake
from postroom_fetcher.domain.cursor import Entry
from postroom_fetcher.domain.sender import arrived
from postroom_fetcher.ports import Imports, Intake, Mailboxes
from postroom_runtime.clock import Clock
from postroom_runtime.errors import RefusedError, UnavailableError
from postroom_runtime.messages import FullError, Publication

NOBODY = "unknown@recipient.invalid"
"""RFC 2606 §2."""


class Importing:
    """Answers `TakeMails`."""

    def __init__(
        self, mailboxes: Mailboxes, intake_: Intake, imports: Imports, clock: Clock
    ) -> None:
        self._mailboxes = mailboxes
        self._intake = intake_
        self._imports = imports
        self._clock = clock

    async def take(self, question: TakeMails) -> Taken:
        """Store what is new; RefusedError for too much or a mailbox that is not there."""
        if len(question.mails) > MOST_MAILS or sum(map(len, question.mails)) > MOST_BYTES:
            raise RefusedError(f"more than {MOST_MAILS} mails or {MOST_BYTES} bytes at once")
        mailbox = self._mailboxes.mailbox(question.mailbox)
        if mailbox is None and not self._mailboxes.knows():
            raise UnavailableError("the configuration is not in step yet")
        if mailbox is None or mailbox.account != question.account:
            raise RefusedError("there is no such mailbox")
        digests = [hashlib.sha256(raw).hexdigest() for raw in question.mails]
        known = await self._imports.contents(mailbox.id, digests)
        steps = list(_steps(mailbox, question.mails, digests, known))
        new = [step for step in steps if step.outcome.state == "stored"]
        if new:
            transaction = self._clock.new_id("txn")
            mails = [self._publication(mailbox, step, question, transaction) for step in new]
            try:
                await self._intake.take(mails)
            except FullError as error:
                raise UnavailableError("our own store is full: nothing can be received") from error
            await self._imports.imported(mailbox, [step.entry for step in new])
        return Taken(outcomes=tuple(step.outcome for step in steps))

    def _publication(
        self, mailbox: MailboxDocument, step: "_Step", question: TakeMails, transaction: str
    ) -> Publication:
        address = self._mailboxes.address(mailbox.id)
        now = self._clock.now()
        when = arrived(step.raw)
        envelope = intake.envelope(
            step.raw,
            mailbox,
            address,
            id_=step.entry.mail,
            protocol="import",
            login=mailbox.fetch.login if mailbox.fetch else NOBODY,
            transaction=transaction,
            received_at=when if when is not None and when < now else now,
        )
        envelope = msgspec.structs.replace(envelope, history=not question.aloud)
        return self._intake.mail(envelope_to_header(envelope), envelope.id, mailbox, step.raw)


class _Step(msgspec.Struct, frozen=True):
    raw: bytes
    entry: Entry
    outcome: Outcome


def _steps(
    mailbox: MailboxDocument, mails: Sequence[bytes], digests: Sequence[str], known: set[str]
) -> Iterator[_Step]:
    limit = min(mailbox.max_message_bytes or MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES)
    here = set(known)
    for raw, digest in zip(mails, digests, strict=True):
        id_ = derived_id("msg", mailbox.id, "import", digest)
        entry = Entry(key=digest, mail=id_, sha256=digest, size=len(raw), state="stored")
        if not raw.strip():
            outcome = Outcome(state="skipped", reason="empty")
        elif len(raw) > limit:
            outcome = Outcome(state="skipped", reason=f"larger than {limit // 1024} KB")
        elif digest in here:
            outcome = Outcome(state="known", mail=id_)
        else:
            outcome = Outcome(state="stored", mail=id_)
            here.add(digest)
        yield _Step(raw, entry, outcome)
