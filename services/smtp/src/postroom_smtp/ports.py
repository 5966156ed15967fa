"""What the handlers need from outside."""

from collections.abc import Sequence
from typing import Protocol

from postroom_contract.documents import AddressDocument, SubmissionDocument
from postroom_contract.mail import Pointer
from postroom_runtime.messages import Found, Publication, Stored
from postroom_smtp.domain.delivery import HopReply


class Directory(Protocol):
    """Which addresses and domains are ours. Answers come from memory."""

    def address(self, canonical: str) -> AddressDocument | None:
        """Return the address's document; UnavailableError when it cannot be read."""

    def has_domain(self, canonical: str) -> bool:
        """Return whether we take mail for addresses of this domain."""

    def submission(self, login: str) -> SubmissionDocument | None:
        """Return who signs in with this; UnavailableError when it cannot be read."""

    def knows(self) -> bool:
        """Return whether "not found" means "does not exist"."""

    def was_read(self) -> bool:
        """Return whether we have heard of all there is, however long ago."""


class Broker(Protocol):
    """Durable storage; `postroom_runtime.bus.Bus` is one."""

    async def publish(self, what: Publication) -> Stored:
        """Return when it is stored; UnavailableError when nobody said so, FullError = no room."""

    async def publish_all(self, batch: Sequence[Publication]) -> list[Stored]:
        """Return when all are stored; errors as `publish`."""

    async def last(self, stream: str, subject: str) -> Found | None:
        """Return the newest message of a subject, or None; UnavailableError without an answer."""

    async def get(self, where: Pointer) -> Found | None:
        """Return the message at a sequence, or None; UnavailableError without an answer."""


class Hop(Protocol):
    """One conversation with the next hop. It connects when first needed, and again when lost."""

    async def send(self, sender: str, recipient: str, mail: bytes) -> HopReply:
        """Hand over one copy. Never raises for what the network or the next hop does."""

    async def close(self) -> None:
        """Say goodbye, shortly."""


class Relay(Protocol):
    """The next hop."""

    def hop(self) -> Hop:
        """Return a conversation for one chunk."""


class Ways(Protocol):
    """Which copies need not leave."""

    def inward(self, address: str) -> Relay | None:
        """Return our own door for an address that it takes mail for, else None.

        NotYetError as long as we have not heard which addresses are ours.
        """


class Counts(Protocol):
    """What is counted for the operator."""

    def accepted(self, recipients: int) -> None:
        """Count a stored transaction."""

    def refused(self, why: str) -> None:
        """Count a refusal by its reason."""

    def deferred(self, why: str) -> None:
        """Count a "come again later"."""

    def sent(self, state: str) -> None:
        """Count a copy by what became of it."""

    def connections(self, now: int) -> None:
        """Say how many peers are connected."""
