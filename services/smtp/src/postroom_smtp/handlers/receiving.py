"""From the peer's RCPT and dot to the broker.

Laws:
1. 250 is said only after the broker has every recipient's copy on disk.
2. A store that has begun runs to its end, whatever becomes of the peer.
3. A mail is refused by rules only if every recipient's refuse it, and say so within 2 s.
4. The peer has its answer within `ANSWER_SECONDS` of the dot; what is not known then is 451, and
   the repeat is harmless by its ids.
"""

import asyncio
import hashlib
from typing import Final

import structlog

from postroom_contract import subjects
from postroom_contract.codec import ENVELOPE_HEADER, envelope_to_header
from postroom_contract.mail import Authentication
from postroom_mail.address import Address
from postroom_runtime.clock import Clock
from postroom_runtime.errors import UnavailableError
from postroom_runtime.messages import FullError, Publication
from postroom_smtp.domain import admission, intake, replies, signing_in
from postroom_smtp.domain.admission import Target
from postroom_smtp.domain.intake import Transaction
from postroom_smtp.domain.networks import Network, lies_in
from postroom_smtp.domain.replies import RefusalError, Reply
from postroom_smtp.domain.results import authentication_results, without_forged
from postroom_smtp.handlers.authenticating import Authenticating
from postroom_smtp.ports import Broker, Counts, Directory, Judges

ANSWER_SECONDS: Final = 9.5
_RULED: Final = frozenset({"mail", "post"})
"""Other roles have their own way, whatever people's rules say."""
_BLOCKING_BYTES: Final = 1024 * 1024
"""Above this, hashing would hold up the other sessions."""


class Receiving:
    """Admits recipients and stores mail."""

    def __init__(
        self,
        directory: Directory,
        broker: Broker,
        clock: Clock,
        counts: Counts,
        *,
        hostname: str,
        answer_seconds: float = ANSWER_SECONDS,
        authenticating: Authenticating | None = None,
        trusted: tuple[Network, ...] = (),
        judges: Judges | None = None,
    ) -> None:
        self._judges = judges
        self._authenticating = authenticating
        self._trusted = trusted
        """Networks whose mail is believed: nobody is asked about it."""
        self._directory = directory
        self._broker = broker
        self._clock = clock
        self._counts = counts
        self._hostname = hostname
        self._answer_seconds = answer_seconds
        self._log = structlog.get_logger()
        self._running: set[asyncio.Task[Reply]] = set()

    def new_session(self) -> str:
        """Return a name for a session, for the log and for "ref" in replies."""
        return self._clock.new_id("ses")

    def admit(self, address: Address) -> Target:
        """Return where mail for the address goes; RefusalError when it does not go anywhere."""
        asked = admission.question(address)
        try:
            exact = self._directory.address(asked.exact)
            base = None
            if exact is None and asked.base is not None:
                base = self._directory.address(asked.base)
        except UnavailableError:
            self._log.exception("an address document cannot be read")
            raise RefusalError(replies.NOT_IN_STEP) from None
        return admission.decide(
            asked,
            exact,
            base,
            domain_is_ours=self._directory.has_domain(asked.domain),
            knows=self._directory.knows(),
        )

    def account_of(self, recipient: str) -> str | None:
        """Return whose the domain of a recipient is, as they wrote it; None: nobody's."""
        domain = recipient.rpartition("@")[2].lower()
        try:
            found = self._directory.domain(domain)
        except UnavailableError:
            return None
        return found.account if found else None

    def sign_in(self, login: str, password: str) -> str:
        """Return the e-mail address of whoever this is; RefusalError otherwise."""
        try:
            found = self._directory.submission(login.strip().lower())
        except UnavailableError:
            self._log.exception("a submission document cannot be read")
            raise RefusalError(replies.CANNOT_SIGN_IN) from None
        return signing_in.verified(found, password, knows=self._directory.knows())

    async def store(self, transaction: Transaction) -> Reply:
        """Store the mail for each recipient and return what to tell the peer. Never raises."""
        task = asyncio.create_task(self._store(transaction))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        done, _ = await asyncio.wait({task}, timeout=self._answer_seconds)
        if done:
            return task.result()
        self._log.warning("no answer from the broker in time", session=transaction.session)
        self._counts.deferred("slow broker")
        return replies.later(_reference(transaction))

    async def finish(self) -> None:
        """Return when no store is running any more."""
        if self._running:
            await asyncio.wait(self._running)

    async def _store(self, transaction: Transaction) -> Reply:
        log = self._log.bind(session=transaction.session, client=transaction.client)
        try:
            found = await self._authenticated(transaction)
            words = await self._rejection(transaction, found)
            if words is not None:
                log.info("rejected by rules", reason=words)
                return replies.rejected(words)
            number = await self._publish(transaction, found)
        except FullError as error:
            log.warning("the broker has no room", reason=str(error))
            self._counts.deferred("full")
            return replies.FULL
        except UnavailableError as error:
            log.warning("mail deferred", reason=str(error))
            self._counts.deferred("broker unavailable")
            return replies.later(_reference(transaction))
        except Exception:  # the text may hold anything: it is for the log only
            log.exception("mail deferred by an error of ours")
            self._counts.deferred("internal error")
            return replies.later(_reference(transaction))
        self._counts.accepted(len(transaction.targets))
        return replies.stored(number)

    async def _rejection(
        self, transaction: Transaction, found: Authentication | None
    ) -> str | None:
        """Return why the mail is refused: only if each recipient's rules refuse it."""
        asked = all(one.rejects and one.role in _RULED for one in transaction.targets)
        if self._judges is None or not asked:
            return None
        answers = await asyncio.gather(
            *(self._judges.rejection(transaction, one, found) for one in transaction.targets)
        )
        return None if None in answers else answers[0]

    async def _publish(self, transaction: Transaction, found: Authentication | None) -> str:
        number = self._clock.new_id("txn")
        now = self._clock.now()
        raw = transaction.content
        if len(raw) > _BLOCKING_BYTES:
            digest = await asyncio.to_thread(_sha256, raw)
        else:
            digest = _sha256(raw)
        trace = intake.received_line(
            transaction, hostname=self._hostname, id_=number, received_at=now
        )
        payload = self._results(transaction, found) + trace + without_forged(raw, self._hostname)
        shard = subjects.intake_shard(transaction.targets[0].mailbox)
        envelopes = intake.envelopes(
            transaction,
            id_=number,
            sha256=digest,
            received_at=now,
            new_id=lambda: self._clock.new_id("msg"),
            authentication=found,
        )
        batch = [
            Publication(
                subjects.intake(shard, one.account, one.mailbox),
                payload,
                one.id,
                {ENVELOPE_HEADER: envelope_to_header(one)},
            )
            for one in envelopes
        ]
        await self._broker.publish_all(batch)
        self._log.info(
            "mail stored", transaction=number, mail=envelopes[0].id, recipients=len(envelopes)
        )
        return number

    async def _authenticated(self, transaction: Transaction) -> Authentication | None:
        """Return what is known of the sender; None: it is believed, or we do not ask."""
        believed = transaction.submitter or lies_in(transaction.client, self._trusted)
        if self._authenticating is None or believed:
            return None
        return await self._authenticating.of(
            transaction.content,
            client=transaction.client,
            helo=transaction.helo,
            sender=transaction.sender,
        )

    def _results(self, transaction: Transaction, found: Authentication | None) -> bytes:
        if found is None and not transaction.submitter:
            return b""
        return authentication_results(
            self._hostname,
            found,
            sender=transaction.sender,
            helo=transaction.helo,
            submitter=transaction.submitter,
        )


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _reference(transaction: Transaction) -> str:
    return transaction.session[-8:]
