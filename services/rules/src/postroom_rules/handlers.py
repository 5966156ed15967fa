"""A mail comes in, a decision goes out.

Law: one mail has one decision. It is recorded before its commands go out, and whoever finds it
recorded issues its commands and evaluates nothing.
"""

import time
from datetime import UTC, tzinfo

from postroom_contract.codec import ENVELOPE_HEADER, envelope_from_header
from postroom_contract.events import MailSorted
from postroom_contract.ids import derived_id
from postroom_contract.mail import Envelope, Pointer
from postroom_contract.ruling import Trial, TryMail
from postroom_mail.build import LOOP_HEADER
from postroom_mail.tokens import TokenKeys, marker_valid
from postroom_mail.values import Mail
from postroom_rules.domain.consequences import consequences
from postroom_rules.domain.decide import decide
from postroom_rules.domain.facts import Facts, facts_of, summary_of
from postroom_rules.domain.plan import Ticks
from postroom_rules.ports import Decisions, ReadMail, Rulesets
from postroom_runtime.clock import Clock
from postroom_runtime.consume import Delivered
from postroom_runtime.errors import RefusedError


class SortMail:
    """Handles INTAKE."""

    def __init__(
        self,
        rulesets: Rulesets,
        decisions: Decisions,
        read: ReadMail,
        keys: TokenKeys,
        clock: Clock,
        zone: tzinfo = UTC,
        ticks: Ticks = time.monotonic,
    ) -> None:
        self._ticks = ticks
        self._zone = zone
        self._read = read
        self._rulesets = rulesets
        self._decisions = decisions
        self._keys = keys
        self._clock = clock

    async def on_mail(self, delivered: Delivered) -> None:
        """Decide once, then issue the commands of what is recorded."""
        header = delivered.headers.get(ENVELOPE_HEADER)
        if header is None:
            raise RefusedError("a message in INTAKE without an envelope")
        envelope = envelope_from_header(header)
        event: MailSorted | None = None
        if delivered.deliveries > 1:
            event = await self._decisions.recorded(envelope.account, envelope.mailbox, envelope.id)
        if event is None:
            event = await self._decisions.record(await self._decide(delivered, envelope))
        for command in consequences(event):
            await self._decisions.issue(command)

    async def _decide(self, delivered: Delivered, envelope: Envelope) -> MailSorted:
        ruleset = self._rulesets.of(envelope.account, envelope.mailbox)
        charset = self._rulesets.charset(envelope.mailbox)
        mail = await self._read(delivered.data, charset)
        facts = self._facts(mail, envelope)
        return MailSorted(
            id=derived_id("evt", "mail.sorted", envelope.id),
            time=self._clock.now(),
            account=envelope.account,
            scope=envelope.mailbox,
            about=envelope.id,
            source="rules",
            correlation=envelope.id,
            causation=envelope.id,
            mailbox=envelope.mailbox,
            role=envelope.role,
            forum=envelope.forum,
            token=envelope.token,
            recipient=envelope.recipient,
            envelope_sender=envelope.sender,
            received_at=envelope.received_at,
            client=envelope.client,
            helo=envelope.helo,
            tls=envelope.tls,
            submitter=envelope.submitter,
            size=envelope.size,
            raw=Pointer(delivered.stream, delivered.sequence),
            summary=summary_of(mail, facts),
            decision=decide(facts, ruleset, ticks=self._ticks),
            charset=charset,
            authentication=envelope.authentication,
        )

    async def trial(self, question: TryMail) -> Trial:
        """Return what the rules in force would decide, without doing anything."""
        mail = await self._read(question.raw, self._rulesets.charset(question.mailbox))
        envelope = Envelope(
            id="msg_trial",
            account=question.account,
            mailbox=question.mailbox,
            role="mail",
            recipient=question.recipient,
            sender=question.sender,
            received_at=self._clock.now(),
            sha256="",
            size=len(question.raw),
            source=question.source,
            authentication=question.authentication,
            transaction="txn_trial",
        )
        facts = self._facts(mail, envelope)
        ruleset = self._rulesets.of(question.account, question.mailbox)
        decision = decide(facts, ruleset, full=True, ticks=self._ticks)
        return Trial(summary=summary_of(mail, facts), decision=decision)

    def _facts(self, mail: Mail, envelope: Envelope) -> Facts:
        return facts_of(mail, envelope, own_marker=self._is_ours(mail), zone=self._zone)

    def _is_ours(self, mail: Mail) -> bool:
        """Return whether the mail carries our loop header for its own Message-ID."""
        message_id = mail.message_id or ""
        return any(
            marker_valid(self._keys, message_id, value) for value in mail.header(LOOP_HEADER)
        )
