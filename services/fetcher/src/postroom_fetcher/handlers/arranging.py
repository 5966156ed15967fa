"""What rules want done to mails on their servers: noted, and done with the mailbox's next check.

Law: what is wanted twice is done once; a check does all that is open, in one connection.
"""

import structlog

from postroom_contract.codec import decode
from postroom_contract.commands import ArrangeMail
from postroom_fetcher.ports import Arranged, Mailboxes, Work
from postroom_runtime.consume import Delivered
from postroom_runtime.errors import NotYetError

_PATIENCE = 8
"""Deliveries (some two minutes) after which what is noted waits for the next check by itself."""


class Arranging:
    """Handles `fetcher.arrange`."""

    def __init__(self, arranged: Arranged, mailboxes: Mailboxes, work: Work) -> None:
        self._arranged = arranged
        self._mailboxes = mailboxes
        self._work = work
        self._log = structlog.get_logger()

    async def on_command(self, delivered: Delivered) -> None:
        """Note it and ask for a check."""
        command = decode(delivered.data, ArrangeMail)
        mailbox = self._mailboxes.mailbox(command.mail.mailbox)
        if mailbox is None and not self._mailboxes.knows():
            raise NotYetError("the configuration is not in step yet", 2.0)
        if mailbox is None or mailbox.source != "imap":
            self._log.info("nothing to arrange", mailbox=command.mail.mailbox)
            return
        pause = min(2.0 ** (delivered.deliveries - 2), 60.0)
        open_ = await self._arranged.add(command)
        late = delivered.deliveries >= _PATIENCE
        if open_ is None and not late:
            # The ledger follows the intake: the rules may be faster.
            raise NotYetError("the mail is not in the ledger yet", pause)
        if not open_ or late or not mailbox.active:
            return
        if not await self._work.ask(mailbox):
            raise NotYetError("a check is under way", pause)
