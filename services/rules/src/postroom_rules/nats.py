"""Decisions on the broker: EVENTS holds one per mail, by the subject that names the mail."""

from typing import Final

from postroom_contract import commands, events, subjects
from postroom_contract.codec import decode, encode
from postroom_contract.events import MailSorted
from postroom_contract.forum import AskFacts
from postroom_contract.mail import MailFacts
from postroom_mail.values import Mail
from postroom_rules.domain.facts import references_of
from postroom_runtime.bus import Bus
from postroom_runtime.errors import UnavailableError
from postroom_runtime.messages import AnsweredError, ConflictError, Publication

FACTS_SECONDS: Final = 0.5


class NatsForums:
    """Asks the forum-bridge; a mail does not wait longer than FACTS_SECONDS for it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def facts(self, account: str, mail: Mail) -> MailFacts | None:
        """Return what the forums know of a mail; None where they did not answer in time."""
        author = mail.from_[0].address if mail.from_ else ""
        question = AskFacts(account=account, author=author, references=references_of(mail))
        subject = subjects.rpc("forum-bridge", "facts")
        try:
            return await self._bus.request(subject, question, MailFacts, FACTS_SECONDS)
        except (UnavailableError, AnsweredError):
            return None


class NatsDecisions:
    """Records with "expected: nothing on this subject", so that two writers make one decision."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def recorded(self, account: str, mailbox: str, mail: str) -> MailSorted | None:
        """Return the decision already taken on a mail, or None."""
        subject = subjects.event(account, mailbox, "mail.sorted", mail)
        found = await self._bus.last("EVENTS", subject)
        return decode(found.data, MailSorted) if found else None

    async def record(self, event: MailSorted) -> MailSorted:
        """Record the decision, unless there is one: return the one that is recorded."""
        publication = Publication(events.subject_of(event), encode(event), event.id)
        try:
            await self._bus.publish(publication, first=True)
        except ConflictError as error:
            recorded = await self.recorded(event.account, event.mailbox, event.about)
            if recorded is None:
                raise UnavailableError("a decision is recorded but cannot be read") from error
            return recorded
        return event

    async def tell(self, event: events.RuleFired) -> None:
        """Publish an event; repeating it is harmless."""
        await self._bus.publish(Publication(events.subject_of(event), encode(event), event.id))

    async def issue(self, command: commands.Command) -> None:
        """Send a command; repeating it is harmless."""
        subject = commands.subject_of(command)
        await self._bus.publish(Publication(subject, encode(command), command.id))
