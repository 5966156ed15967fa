"""What the api asks of rules, as request and answer: nothing here changes anything."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

import msgspec

from postroom_contract.documents import RuleDocument
from postroom_contract.forum import Request
from postroom_contract.mail import Authentication, MailFacts, MailSummary, Pointer
from postroom_contract.rules import Action, Condition, ConditionTrace, Decision, Rating

AT_ONCE = 50
"""Mails of one question at most."""
EXAMPLES = 20
"""Mails that are kept as examples of a rule at most."""


class RuleProblem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a rule; `pointer` is a JSON pointer into condition and actions."""

    pointer: str
    detail: str


class RuleProblems(msgspec.Struct, frozen=True, kw_only=True):
    """Empty = the rule can be saved."""

    problems: tuple[RuleProblem, ...]


class CheckRule(Request[RuleProblems], frozen=True, kw_only=True):
    """Ask whether a rule can be run."""

    service: ClassVar[str] = "rules"
    verb: ClassVar[str] = "check"
    answer: ClassVar[type] = RuleProblems
    condition: Condition
    actions: tuple[Action, ...]


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What would be decided, and on what."""

    summary: MailSummary
    decision: Decision


class TryMail(Request[Trial], frozen=True, kw_only=True):
    """Ask what the rules in force would say of a mail, had it come to this mailbox.

    `raw` is the mail as it would arrive (base64 in JSON), `recipient` the envelope recipient.
    """

    service: ClassVar[str] = "rules"
    verb: ClassVar[str] = "try"
    answer: ClassVar[type] = Trial
    source: Literal["smtp", "imap", "pop3"] = "smtp"
    """How the mailbox gets its mail."""
    authentication: Authentication | None = None
    mailbox: str
    recipient: str
    sender: str
    raw: bytes


FindingKind = Literal["unreachable", "contradiction", "duplicate", "no_effect", "loop", "example"]
"""`example` is of the api: a mail that is kept with the rule came out otherwise than it should."""


class RuleFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What is provably wrong with a rule as it stands among the others."""

    rule: str
    kind: FindingKind
    words: str
    other: str | None = None
    """The rule that is the reason."""


class RuleFindings(msgspec.Struct, frozen=True, kw_only=True):
    """Empty = nothing was found, which proves nothing."""

    findings: tuple[RuleFinding, ...]


class AnalyseRules(Request[RuleFindings], frozen=True, kw_only=True):
    """Ask what is wrong with rules as they stand together.

    `rules` are the active ones of one mailbox and of its account, each scope's in its order.
    """

    service: ClassVar[str] = "rules"
    verb: ClassVar[str] = "analyse"
    answer: ClassVar[type] = RuleFindings
    rules: tuple[RuleDocument, ...]
    own: tuple[str, ...] = ()
    """The addresses whose mail the rules are for."""


class StoredMail(msgspec.Struct, frozen=True, kw_only=True):
    """A mail that came, with what was known of it then besides its envelope."""

    id: str
    mailbox: str
    raw: Pointer
    rating: Rating | None = None
    forums: MailFacts | None = None
    charset: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule makes of a mail."""

    matched: bool
    """False too where a rule before it stops."""
    done: tuple[str, ...] = ()
    """What it would do, as sentences."""


class MailOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a draft and the rule in force make of one mail."""

    mail: str
    gone: bool = False
    """Its bytes are there no longer."""
    draft: Outcome = Outcome(matched=False)
    live: Outcome | None = None
    """None: no rule of this id is in force."""


class MailOutcomes(msgspec.Struct, frozen=True, kw_only=True):
    """In the order of the question."""

    mails: tuple[MailOutcome, ...]


class BacktestRule(Request[MailOutcomes], frozen=True, kw_only=True):
    """Ask what a draft would do to mails that came, in the place of the rule of its id.

    One that is new, or not in force, stands behind the others of its scope and layer.
    """

    service: ClassVar[str] = "rules"
    verb: ClassVar[str] = "backtest"
    answer: ClassVar[type] = MailOutcomes
    draft: RuleDocument
    mails: Annotated[tuple[StoredMail, ...], msgspec.Meta(max_length=AT_ONCE)]


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What today's rules decide."""

    decision: Decision | None
    """None: the mail's bytes are there no longer."""


class ReplayMail(Request[Replayed], frozen=True, kw_only=True):
    """Ask what today's rules decide about a mail that came, with what was known of it then."""

    service: ClassVar[str] = "rules"
    verb: ClassVar[str] = "replay"
    answer: ClassVar[type] = Replayed
    mail: StoredMail


class ExampleKnown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was known of an example besides its envelope; of a mail that never came, little."""

    authentication: Authentication | None = None
    rating: Rating | None = None
    forums: MailFacts | None = None
    charset: str = ""


class ExampleMail(msgspec.Struct, frozen=True, kw_only=True):
    """A mail that a rule is tried on."""

    raw: bytes
    recipient: str
    sender: str | None = None
    """The envelope's; None: it is taken to be the author's address."""
    received_at: datetime
    known: ExampleKnown = ExampleKnown()


class TriedMail(msgspec.Struct, frozen=True, kw_only=True):
    """What came of trying a condition on a mail."""

    matched: bool = False
    conditions: tuple[ConditionTrace, ...] = ()
    problem: str = ""
    """Why it could not be tried; empty: it was."""
    subject: str = ""
    sender: str = ""
    """The envelope's, as it was taken to be."""


class TriedMails(msgspec.Struct, frozen=True, kw_only=True):
    """In the order of the question."""

    mails: tuple[TriedMail, ...]


class TryRule(Request[TriedMails], frozen=True, kw_only=True):
    """Ask whether a condition alone fits mails, whatever other rules would do before it.

    Nobody is asked about the mails: rating and what forums say are as `known`, or not known.
    """

    service: ClassVar[str] = "rules"
    verb: ClassVar[str] = "try_rule"
    answer: ClassVar[type] = TriedMails
    condition: Condition
    mails: Annotated[tuple[ExampleMail, ...], msgspec.Meta(max_length=EXAMPLES)]


REQUESTS: tuple[type[Request[object]], ...] = (
    CheckRule,
    TryMail,
    AnalyseRules,
    BacktestRule,
    ReplayMail,
    TryRule,
)  # type: ignore[assignment]  # a Request[X] is a Request[object] for our use
