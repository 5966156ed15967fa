"""What rules want done that needs a memory: automatic answers, tickets, webhooks.

Law: every effect has its row first and what it tells second; ids derive from the mail and the rule,
so that a command that comes again tells the same again, and nobody hears it twice.
"""

import base64
import secrets
from typing import Final

import msgspec
import structlog

from postroom_api.domain.letters import Letter, message_id
from postroom_api.domain.tickets import mark_of, marks_in, without_marks
from postroom_api.domain.webhooks import body_of
from postroom_api.letters import Letters
from postroom_api.postgres.worker_effects import EffectRows, Wanted
from postroom_api.ticket_news import TicketNews
from postroom_contract import subjects
from postroom_contract.codec import decode
from postroom_contract.commands import (
    AnswerMail,
    Command,
    MailReference,
    Redo,
    TellWebhook,
    TicketMail,
)
from postroom_contract.events import MailSorted
from postroom_contract.ids import derived_id
from postroom_mail.address import Address, AddressError, parse_address
from postroom_mail.text import one_line
from postroom_mail.values import Mailbox
from postroom_runtime.bus import Bus
from postroom_runtime.clock import Clock
from postroom_runtime.consume import Delivered, original_of
from postroom_runtime.errors import RefusedError
from postroom_runtime.postgres import json_for_postgres

MAX_SUBJECT: Final = 250
_RECEIVED: Final = (
    "We have received your message; its number is {number}.\n\n"
    "To add something, answer this mail and leave {mark} in its subject.\n"
)


class Effects:
    """Handles the api's commands."""

    def __init__(
        self, rows: EffectRows, letters: Letters, news: TicketNews, bus: Bus, clock: Clock
    ) -> None:
        self._news = news
        self._rows = rows
        self._letters = letters
        self._bus = bus
        self._clock = clock
        self._log = structlog.get_logger()

    async def on_command(self, delivered: Delivered) -> None:
        """Do what a command says."""
        command: Command = decode(delivered.data, Command)  # type: ignore[arg-type]  # a union is a type to msgspec
        match command:
            case AnswerMail():
                await self._answer(command)
            case TicketMail():
                await self._ticket(command)
            case TellWebhook():
                await self._webhook(command)
            case Redo():
                await self.on_command((await original_of(self._bus, command))[1])
            case _:
                raise RefusedError(f"the api does not know the command {type(command).__name__}")

    async def _event(self, account: str, mail: MailReference) -> MailSorted:
        subject = subjects.event(account, mail.mailbox, "mail.sorted", mail.id)
        found = await self._bus.last("EVENTS", subject)
        if found is None:
            raise RefusedError("the decision on the mail is no longer recorded")
        return decode(found.data, MailSorted)

    async def _answer(self, command: AnswerMail) -> None:
        event, what = await self._event(command.account, command.mail), command.what
        to = _sender(event)
        if to is None:
            return
        if not await self._rows.may_answer(
            event.account, what.rule, to.canonical.casefold(), event.about, event.time, what.days
        ):
            self._log.info("answered not long ago", rule=what.rule, mail=event.about)
            return
        name = derived_id("out", "answer", event.about, what.rule)
        await self._letters.send(_reply(event, name, to, what.subject, what.text))

    async def _ticket(self, command: TicketMail) -> None:
        event, what = await self._event(command.account, command.mail), command.what
        name = derived_id("out", "ticket", event.about)
        to = _sender(event) if what.acknowledge else None
        letter = _reply(event, name, to, "", "") if to else None
        ours = message_id(letter, self._letters.base_url) if letter else None
        ticket, did = await self._rows.file(_wanted(event, what.queue, ours))
        if letter is not None and did == "opened":
            mark = mark_of(ticket.number, ticket.token)
            text = _RECEIVED.format(number=ticket.number, mark=mark)
            subject = f"{mark} {ticket.subject}"[:MAX_SUBJECT]
            await self._letters.send(_reply(event, name, to, subject, text))  # type: ignore[arg-type]  # there is a letter
        await self._news.tell(ticket, event.account, did, event.about, event.correlation, event.id)

    async def _webhook(self, command: TellWebhook) -> None:
        event, what = await self._event(command.account, command.mail), command.what
        name = derived_id("whc", event.about, what.rule, what.webhook)
        body = json_for_postgres(msgspec.json.encode(body_of(event, what.rule)))
        now = self._clock.now()
        if not await self._rows.call(name, event.account, what.webhook, event.about, body, now):
            self._log.info("a webhook is gone, or off", webhook=what.webhook, mail=event.about)


def _sender(event: MailSorted) -> Address | None:
    """Return where an answer goes: the envelope sender (RFC 3834 §4)."""
    try:
        return parse_address(event.envelope_sender)
    except AddressError:
        return None


def _reply(event: MailSorted, name: str, to: Address, subject: str, text: str) -> Letter:
    """Return an answer by a program to a mail, from the address that it came to."""
    known_as = event.summary.message_id
    return Letter(
        id=name,
        account=event.account,
        scope=event.mailbox,
        to=to,
        subject=one_line(subject)[:MAX_SUBJECT],
        text=text,
        written_at=event.time,
        author=Mailbox("", event.recipient),
        answers=known_as or "",
        references=(*event.summary.references, *([known_as] if known_as else [])),
    )


def _wanted(event: MailSorted, queue: str, ours: str | None) -> Wanted:
    sender = event.summary.sender
    name = derived_id("tkt", event.about)
    return Wanted(
        id=name,
        account=event.account,
        mailbox=event.mailbox,
        queue=queue.replace("\x00", ""),
        subject=without_marks(event.summary.subject).replace("\x00", "") or "(no subject)",
        requester=(sender.address if sender else event.envelope_sender).replace("\x00", ""),
        token=_new_token(),
        mail=event.about,
        message_ids=tuple(one for one in (event.summary.message_id, ours) if one),
        marks=tuple(marks_in(event.summary.subject)),
        references=event.summary.references,
        at=event.time,
    )


def _new_token() -> str:
    """Return what nobody can guess who has not had our mail: 40 bits; the ticket's row keeps it."""
    return base64.b32encode(secrets.token_bytes(5)).decode().lower()
