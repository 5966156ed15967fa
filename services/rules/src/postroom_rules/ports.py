"""What deciding needs from outside."""

from typing import Protocol

from postroom_contract.commands import Command
from postroom_contract.events import MailSorted, RuleFired
from postroom_contract.mail import Envelope, MailFacts
from postroom_contract.rules import Rating
from postroom_mail.values import Mail
from postroom_rules.domain.plan import Plan
from postroom_rules.domain.spam_tokens import MailAndTokens


class ReadMail(Protocol):
    """Reads mails."""

    async def __call__(self, raw: bytes, charset: str, *, tokens: bool) -> MailAndTokens:
        """Return a mail and, where asked for, what the spam filter sees of it.

        `charset` is of what names none. RefusedError when the mail goes beyond limits.
        """


class Rulesets(Protocol):
    """The rules in force."""

    def of(self, account: str, mailbox: str) -> Plan:
        """Return a mailbox's ruleset; UnavailableError while it is not known for sure."""

    def charset(self, mailbox: str) -> str:
        """Return what its mail is read in that names no charset; empty = nothing was chosen."""

    def indexes_text(self, mailbox: str) -> bool:
        """Return whether its mail's text may stand in events."""


class Ratings(Protocol):
    """What is asked about a mail before the rules are tried on it."""

    async def wants_tokens(self, account: str) -> bool:
        """Whether the account's filter has learnt enough to say anything."""

    async def rate(self, read: MailAndTokens, envelope: Envelope, raw: bytes) -> Rating:
        """Return a mail's rating; UnavailableError while it cannot be known."""


class Forums(Protocol):
    """What the forums know."""

    async def facts(self, account: str, mail: Mail) -> MailFacts | None:
        """Return what they know of a mail; None where they did not answer in time."""


class Decisions(Protocol):
    """Where decisions are recorded, once each."""

    async def recorded(self, account: str, mailbox: str, mail: str) -> MailSorted | None:
        """Return the decision already taken on a mail, or None."""

    async def record(self, event: MailSorted) -> MailSorted:
        """Record the decision, unless there is one: return the one that is recorded."""

    async def tell(self, event: RuleFired) -> None:
        """Publish an event; repeating it is harmless."""

    async def issue(self, command: Command) -> None:
        """Send a command; repeating it is harmless."""
