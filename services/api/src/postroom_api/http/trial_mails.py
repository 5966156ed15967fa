"""Sending a mail to a mailbox to see it arrive.

Laws: only to an address that belongs to the mailbox, so that nobody is mailed from here who has
not asked; and a few a minute.
"""

from typing import Final

import msgspec

from postroom_api.domain import trial_mail
from postroom_api.domain.letters import Letter, message_id, serial
from postroom_api.domain.mailbox_settings import Mailbox
from postroom_api.domain.operations import Operation
from postroom_api.domain.trial_mail import TrialMail, Way
from postroom_api.domain.values import Principal
from postroom_api.http.attempts import Attempts
from postroom_api.http.office import Office
from postroom_api.http.problems import ProblemError
from postroom_api.letters import Letters
from postroom_api.postgres.operations import Operations
from postroom_api.postgres.trial_mails import TrialMails as Rows
from postroom_mail.address import Address, AddressError, parse_address
from postroom_mail.text import one_line
from postroom_runtime.clock import Clock

TEXT: Final = (
    "This mail was sent from Postroom to see whether mail for {to} arrives.\n\n"
    "Whoever reads it in the message log knows: it does.\n"
)


class TrialMails:
    """Begins them, and says how far they are."""

    def __init__(
        self, office: Office, operations: Operations, rows: Rows, letters: Letters, clock: Clock
    ) -> None:
        self._office = office
        self._operations = operations
        self._rows = rows
        self._letters = letters
        self._clock = clock
        self._attempts = Attempts()

    async def begin(self, who: Principal, mailbox: str) -> Operation:
        """Send one; 409 when the mailbox has no address that one could send to."""
        box = await self._office.changeable(who, mailbox)
        to = address_of(box)
        if to is None:
            words = "It is not known which address this mailbox has: its login is none."
            if box.source.type == "smtp":
                words = "This mailbox has no address yet, so it accepts nothing."
            raise ProblemError(409, "conflict", words)
        if not self._attempts.allowed(mailbox):
            raise ProblemError(429, "too_many_attempts", "Too many test mails. Wait a minute.")
        operation, now = self._clock.new_id("opr"), self._clock.now()
        letter = Letter(
            id=operation,
            account=who.account,
            scope=box.id,
            to=to,
            subject=f"Test mail for {one_line(box.name, 60)} ({operation[-6:]})",
            text=TEXT.format(to=to.canonical),
            written_at=now,
        )
        mail = TrialMail(
            to=to.canonical,
            subject=letter.subject,
            message_id=message_id(letter, self._letters.base_url),
            serial=serial(letter),
        )
        begun = await self._operations.begin(who, operation, trial_mail.KIND, box.id, now, mail)
        await self._letters.send(letter)
        return await self.now(who, begun)

    async def now(self, who: Principal, operation: Operation) -> Operation:
        """Return it as far as it is; its end is written down once it is seen."""
        if operation.state != "running":
            return operation
        mail = msgspec.convert(operation.result, TrialMail)
        sent, arrival = await self._rows.found(
            who, mail.serial, operation.about, mail.message_id, operation.created_at
        )
        now = self._clock.now()
        way = trial_mail.way(mail, sent, arrival, begun_at=operation.created_at, now=now)
        if way.state == "running":
            return msgspec.structs.replace(operation, result=msgspec.to_builtins(way))
        await self._operations.end(who, operation.id, way, well=way.state == "done", now=now)
        return await self._operations.one(who, operation.id) or operation

    async def nudge(self, who: Principal, operation: Operation) -> None:
        """Have a mailbox looked at that a mail was delivered for."""
        way = way_of(operation)
        if way is None or not way.left:
            return
        box = await self._office.mailbox(who, operation.about)
        if box.source.type != "smtp" and box.active and box.state != "sign_in_again":
            await self._office.receive_now(who, box.id)


def address_of(box: Mailbox) -> Address | None:
    """Return the address to which a test is sent, or None."""
    for text in (*box.source.addresses, box.source.login):
        try:
            return parse_address(text)
        except AddressError:
            continue
    return None


def way_of(operation: Operation) -> Way | None:
    """Return how far a test mail is, or None when the operation is none."""
    if operation.kind != trial_mail.KIND:
        return None
    return msgspec.convert(operation.result, Way)
