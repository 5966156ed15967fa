"""A mail comes in, a decision goes out.

Law: one mail has one decision. It is recorded before its commands go out, and whoever finds it
recorded issues its commands and evaluates nothing.
"""

import time
from datetime import UTC, tzinfo

from postroom_contract.codec import ENVELOPE_HEADER, envelope_from_header
from postroom_contract.commands import ReleaseMail
from postroom_contract.events import MailSorted
from postroom_contract.ids import derived_id
from postroom_contract.mail import Envelope, Pointer, Role
from postroom_contract.ruling import ExampleKnown, StoredMail, Trial, TryMail
from postroom_contract.textless import without_text
from postroom_mail.build import LOOP_HEADER
from postroom_mail.tokens import TokenKeys, marker_valid
from postroom_mail.values import Mail
from postroom_rules.domain.consequences import consequences, own_events, released
from postroom_rules.domain.decide import RULED_ROLES, decide
from postroom_rules.domain.facts import Facts, facts_of, summary_of
from postroom_rules.domain.plan import Plan, Ticks
from postroom_rules.domain.spam_tokens import MailAndTokens
from postroom_rules.ports import Decisions, Forums, Ratings, ReadMail, Rulesets
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
        ratings: Ratings,
        forums: Forums,
        zone: tzinfo = UTC,
        ticks: Ticks = time.monotonic,
    ) -> None:
        self._ratings = ratings
        self._forums = forums
        self.ticks = ticks
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
        for told in own_events(event, event.decision.actions):
            await self._decisions.tell(told)

    async def release(self, command: ReleaseMail) -> None:
        """Do what was withheld while a mail was in quarantine, by its recorded decision."""
        mail = command.mail
        event = await self._decisions.recorded(command.account, mail.mailbox, mail.id)
        if event is None:
            raise RefusedError("the decision on the mail is no longer recorded")
        for one in released(event):
            await self._decisions.issue(one)
        for told in own_events(event, event.decision.withheld):
            await self._decisions.tell(told)

    async def _decide(self, delivered: Delivered, envelope: Envelope) -> MailSorted:
        ruleset = self._rulesets.of(envelope.account, envelope.mailbox)
        charset = self._rulesets.charset(envelope.mailbox)
        read = await self._read(
            delivered.data,
            charset,
            tokens=await self._wants_tokens(envelope.account, envelope.role),
        )
        mail, facts = read.mail, await self._facts(read, envelope, delivered.data, ruleset)
        event = MailSorted(
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
            decision=decide(facts, ruleset, ticks=self.ticks),
            charset=charset,
            authentication=envelope.authentication,
        )
        return event if facts.quotable else without_text(event)

    async def trial(self, question: TryMail) -> Trial:
        """Return what the rules in force would decide, without doing anything."""
        read = await self._read(
            question.raw,
            self._rulesets.charset(question.mailbox),
            tokens=await self._wants_tokens(question.account, "mail"),
        )
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
        ruleset = self._rulesets.of(question.account, question.mailbox)
        facts = await self._facts(read, envelope, question.raw, ruleset)
        decision = decide(facts, ruleset, full=True, ticks=self.ticks)
        return Trial(summary=summary_of(read.mail, facts), decision=decision)

    async def known_then(
        self, envelope: Envelope, raw: bytes, known: StoredMail | ExampleKnown
    ) -> Facts:
        """Return the facts of a mail that came, with the rating and all that was recorded."""
        return self.known_of(await self.read_alone(raw, known.charset), envelope, known)

    async def read_alone(self, raw: bytes, charset: str) -> Mail:
        """Return a mail; RefusedError when it goes beyond limits."""
        return (await self._read(raw, charset, tokens=False)).mail

    def known_of(self, mail: Mail, envelope: Envelope, known: StoredMail | ExampleKnown) -> Facts:
        """Return the facts of a mail that was read, with what was recorded and nothing else."""
        return facts_of(
            mail,
            envelope,
            own_marker=self._is_ours(mail),
            zone=self._zone,
            rating=known.rating,
            forums=known.forums,
            quotable=self._rulesets.indexes_text(envelope.mailbox),
        )

    async def _facts(
        self, read: MailAndTokens, envelope: Envelope, raw: bytes, ruleset: Plan
    ) -> Facts:
        ruled = envelope.role in RULED_ROLES
        asked = ruled and ruleset.asks_outside
        return facts_of(
            read.mail,
            envelope,
            own_marker=self._is_ours(read.mail),
            zone=self._zone,
            rating=await self._ratings.rate(read, envelope, raw) if ruled else None,
            forums=await self._forums.facts(envelope.account, read.mail) if asked else None,
            quotable=self._rulesets.indexes_text(envelope.mailbox),
        )

    async def _wants_tokens(self, account: str, role: Role) -> bool:
        return role in RULED_ROLES and await self._ratings.wants_tokens(account)

    def _is_ours(self, mail: Mail) -> bool:
        """Return whether the mail carries our loop header for its own Message-ID."""
        message_id = mail.message_id or ""
        return any(
            marker_valid(self._keys, message_id, value) for value in mail.header(LOOP_HEADER)
        )
