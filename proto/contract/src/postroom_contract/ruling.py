"""What the api asks of rules, as request and answer: nothing here changes anything."""

from typing import ClassVar, Literal

import msgspec

from postroom_contract.forum import Request
from postroom_contract.mail import Authentication, MailSummary
from postroom_contract.rules import Action, Condition, Decision


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


REQUESTS: tuple[type[Request[object]], ...] = (CheckRule, TryMail)  # type: ignore[assignment]  # a Request[X] is a Request[object] for our use
