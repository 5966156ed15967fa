"""A mail that a rule sends on, and a broker in memory."""

from datetime import UTC, datetime

from postroom_contract.commands import ForwardMail, MailReference
from postroom_contract.mail import Envelope, Pointer
from postroom_runtime.messages import Found

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def envelope(name: str) -> Envelope:
    return Envelope(
        id=name, account="acc_1", mailbox="mbx_1", role="mail", recipient="a@example.org",
        sender="x@example.net", received_at=NOW, sha256="", size=1, source="smtp", transaction="t",
    )  # fmt: skip


class Memory:
    def __init__(self, stored: Found | None) -> None:
        self.stored = stored
        self.published = []

    async def get(self, where: Pointer) -> Found | None:
        return self.stored

    async def publish(self, what):
        self.published.append(what)


def command(to: str = "boss@example.com") -> ForwardMail:
    mail = MailReference(
        id="msg_1", mailbox="mbx_1", raw=Pointer("INTAKE_0", 7), envelope_sender="x@example.net"
    )
    return ForwardMail(
        id="cmd_1", account="acc_1", correlation="msg_1", causation="evt_1", mail=mail,
        message_id="m@x", subject="Hi", to=to,
    )  # fmt: skip
