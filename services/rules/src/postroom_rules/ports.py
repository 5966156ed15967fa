"""What deciding needs from outside."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from postroom_contract.commands import Command
from postroom_contract.events import MailSorted
from postroom_mail.values import Mail
from postroom_rules.domain.plan import Plan

ReadMail = Callable[[bytes, str], Awaitable[Mail]]
"""Reads a mail, with the charset of what names none; RefusedError when it goes beyond limits."""


class Rulesets(Protocol):
    """The rules in force."""

    def of(self, account: str, mailbox: str) -> Plan:
        """Return a mailbox's ruleset; UnavailableError while it is not known for sure."""

    def charset(self, mailbox: str) -> str:
        """Return what its mail is read in that names no charset; empty = nothing was chosen."""


class Decisions(Protocol):
    """Where decisions are recorded, once each."""

    async def recorded(self, account: str, mailbox: str, mail: str) -> MailSorted | None:
        """Return the decision already taken on a mail, or None."""

    async def record(self, event: MailSorted) -> MailSorted:
        """Record the decision, unless there is one: return the one that is recorded."""

    async def issue(self, command: Command) -> None:
        """Send a command; repeating it is harmless."""
