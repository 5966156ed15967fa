"""Mail to owners and administrators about a mailbox's trouble, once, and once that it is over.

Law: ids derive from the notice, so that whoever sends it again (two replicas, a crash before the
note) sends the same mail: smtp delivers it once. Without a relay it is captured like all mail.
"""

import structlog

from postroom_api.domain.letters import Letter
from postroom_api.domain.notices import ADVICE
from postroom_api.letters import Letters
from postroom_api.postgres.notices import Notice, Notices
from postroom_mail.address import AddressError, parse_address
from postroom_mail.text import one_line
from postroom_runtime.clock import Clock
from postroom_runtime.errors import UnavailableError

LOOK_SECONDS = 10.0


class Notifier:
    """Looks for unsent notices."""

    def __init__(self, notices: Notices, letters: Letters, clock: Clock) -> None:
        self._notices = notices
        self._letters = letters
        self._clock = clock
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Send for ever."""
        while True:
            await self._clock.pause(LOOK_SECONDS)
            try:
                for notice in await self._notices.unsent():
                    await self._send(notice)
                    await self._notices.sent(notice.id, self._clock.now())
            except UnavailableError as error:
                self._log.warning("notices wait", reason=str(error))

    async def _send(self, notice: Notice) -> None:
        addresses = []
        for text in notice.to:
            try:
                addresses.append(parse_address(text))
            except AddressError:
                self._log.warning("nobody can be told at this address", address=text)
        url = f"{self._letters.base_url}/mailboxes/{notice.mailbox}"
        for address in addresses:
            await self._letters.send(
                Letter(
                    id=notice.id,
                    account=notice.account,
                    scope=notice.mailbox,
                    to=address,
                    subject=subject_of(notice),
                    text=text_of(notice, url),
                    written_at=notice.created_at,
                )
            )


def subject_of(notice: Notice) -> str:
    """Return the notice's subject."""
    name = one_line(notice.mailbox_name, 100)
    if notice.kind == "recovered":
        return f"Mailbox {name} works again"
    return f"Mailbox {name} does not get its mail"


def text_of(notice: Notice, url: str) -> str:
    """Return the notice's text."""
    if notice.kind == "recovered":
        return f"The mailbox is checked again and gets its mail.\n\n{url}\n"
    words = one_line(notice.words, 400) or "It said nothing."
    return f"The server's words: {words}\n\n{ADVICE.get(notice.state, '')}\n\n{url}\n"
