"""Mail to owners and administrators about a mailbox's trouble, once, and once that it is over.

Law: ids derive from the notice, so that whoever sends it again (two replicas, a crash before the
note) sends the same mail: smtp delivers it once. Without a relay it is captured like all mail.
"""

from urllib.parse import urlsplit

import structlog

from postroom_api.domain.notices import ADVICE
from postroom_api.postgres.notices import Notice, Notices
from postroom_contract import commands, subjects
from postroom_contract.codec import encode
from postroom_contract.commands import DeliverChunk, OutboxMail, Recipient, Template
from postroom_contract.ids import derived_id
from postroom_mail.address import AddressError, parse_address
from postroom_mail.build import (
    date_header,
    header,
    mailbox_header,
    message_ids_header,
    text_body,
)
from postroom_mail.text import one_line
from postroom_mail.values import Mailbox
from postroom_runtime.bus import Bus
from postroom_runtime.clock import Clock
from postroom_runtime.errors import UnavailableError
from postroom_runtime.messages import Publication

LOOK_SECONDS = 10.0


class Notifier:
    """Looks for unsent notices."""

    def __init__(self, notices: Notices, bus: Bus, clock: Clock, base_url: str) -> None:
        self._notices = notices
        self._bus = bus
        self._clock = clock
        self._base_url = base_url
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
        outbox = derived_id("out", notice.id)
        for address in addresses:
            mine = f"{outbox} {address.canonical}"
            mail = self._mail(notice, derived_id("out", mine), address.canonical)
            where = subjects.outbox(notice.account, mail.id)
            await self._bus.publish(Publication(where, encode(mail), mail.id))
            chunk = _chunk(notice, mail.id, address.canonical, address.domain)
            await self._bus.publish(
                Publication(commands.subject_of(chunk), encode(chunk), chunk.id)
            )

    def _mail(self, notice: Notice, outbox: str, to: str) -> OutboxMail:
        host = urlsplit(self._base_url).hostname or "localhost"
        subject = subject_of(notice)
        message_id = f"{outbox}@{host if '.' in host else 'postroom.local'}"
        url = f"{self._base_url}/mailboxes/{notice.mailbox}"
        mime, body = text_body(text_of(notice, url))
        lines = (
            mailbox_header(
                "From", Mailbox("Postroom", f"postroom@{message_id.rpartition('@')[2]}")
            ),
            mailbox_header("To", Mailbox("", to)),
            header("Subject", subject),
            date_header(notice.created_at),
            message_ids_header("Message-ID", [message_id]),
            header("Auto-Submitted", "auto-generated"),
            *mime,
            b"\r\n",
            body,
        )
        return OutboxMail(
            id=outbox,
            account=notice.account,
            scope=notice.mailbox,
            origin=notice.id,
            message_id=message_id,
            subject=subject,
            template=Template((b"".join(lines),), ()),
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


def _chunk(notice: Notice, outbox: str, address: str, domain: str) -> DeliverChunk:
    chunk = derived_id("chk", outbox)
    return DeliverChunk(
        id=derived_id("cmd", chunk, "1"),
        account=notice.account,
        correlation=notice.id,
        causation=notice.id,
        chunk=chunk,
        scope=notice.mailbox,
        origin=notice.id,
        outbox=outbox,
        domain=domain,
        attempt=1,
        recipients=(
            Recipient(
                serial=commands.lone_serial(chunk),
                address=address,
                sender="",
                places={},
            ),
        ),
    )
