"""A mail sent on by a rule becomes a rendered mail and a chunk, and goes the way of all others.

Law: its envelope sender is null, so that no failure of a forward can come back as mail and be
forwarded again; the header of FORWARDED_HEADER keeps two systems from playing ball with it.
A seal (ARC) tells the next what we found out about its sender.
"""

from collections.abc import Callable

from postroom_contract import commands, subjects
from postroom_contract.codec import ENVELOPE_HEADER, encode, envelope_from_header
from postroom_contract.commands import DeliverChunk, ForwardMail, OutboxMail, Recipient, Template
from postroom_contract.ids import derived_id
from postroom_contract.mail import Envelope
from postroom_mail.address import AddressError, parse_address
from postroom_mail.build import header
from postroom_mail.crlf import normalise
from postroom_mail.robot import FORWARDED_HEADER
from postroom_runtime.errors import RefusedError
from postroom_runtime.messages import Publication
from postroom_smtp.ports import Broker

Seal = Callable[[bytes, Envelope], bytes]
"""Returns what to put on top of a mail (clean) to vouch for what was found out when it came."""


class Forwarding:
    """Handles `smtp.forward`."""

    def __init__(self, broker: Broker, seal: Seal | None = None) -> None:
        self._broker = broker
        self._seal = seal

    async def forward(self, command: ForwardMail) -> None:
        """Render and hand on; RefusedError when the mail is gone or the address is none."""
        try:
            address = parse_address(command.to)
        except AddressError as error:
            raise RefusedError(f"cannot forward to {command.to!r}: {error}") from error
        envelope, raw = await self._raw(command)
        seal = self._seal(raw, envelope) if self._seal else b""
        outbox = derived_id("out", command.id)
        mail = OutboxMail(
            id=outbox,
            account=command.account,
            scope=command.mail.mailbox,
            origin=command.mail.id,
            message_id=command.message_id,
            subject=command.subject,
            template=Template((header(FORWARDED_HEADER, command.mail.id) + seal + raw,), ()),
        )
        where = subjects.outbox(command.account, outbox)
        await self._broker.publish(Publication(where, encode(mail), outbox))
        chunk = _chunk(command, outbox, address.canonical, address.domain)
        await self._broker.publish(Publication(commands.subject_of(chunk), encode(chunk), chunk.id))

    async def _raw(self, command: ForwardMail) -> tuple[Envelope, bytes]:
        found = await self._broker.get(command.mail.raw)
        if found is None:
            raise RefusedError(f"the raw mail {command.mail.id} is gone")
        envelope = envelope_from_header(found.headers.get(ENVELOPE_HEADER, ""))
        if envelope.id != command.mail.id:
            raise RefusedError(f"{command.mail.raw} holds another mail than {command.mail.id}")
        return envelope, normalise(found.data)


def _chunk(command: ForwardMail, outbox: str, address: str, domain: str) -> DeliverChunk:
    chunk = derived_id("chk", command.id)
    return DeliverChunk(
        id=derived_id("cmd", chunk, "1"),
        account=command.account,
        correlation=command.correlation,
        causation=command.id,
        chunk=chunk,
        scope=command.mail.mailbox,
        origin=command.mail.id,
        outbox=outbox,
        domain=domain,
        attempt=1,
        recipients=(
            Recipient(serial=commands.lone_serial(chunk), address=address, sender="", places={}),
        ),
    )
