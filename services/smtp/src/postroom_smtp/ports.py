"""What the handlers need from outside."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from postroom_contract.documents import AddressDocument, DomainDocument, SubmissionDocument
from postroom_contract.mail import ArcResult, Authentication, Pointer, Signature, SpfResult
from postroom_runtime.errors import PostroomError
from postroom_runtime.messages import Found, Publication, Stored
from postroom_smtp.domain.admission import Target
from postroom_smtp.domain.delivery import HopReply
from postroom_smtp.domain.intake import Transaction
from postroom_smtp.domain.knock import Knock


class NoSuchNameError(PostroomError):
    """The DNS says that there is no such name."""


class DnsTroubleError(PostroomError):
    """The DNS does not say; trying again later may help."""


class PolicyTroubleError(PostroomError):
    """A domain's policy (MTA-STS) cannot be had; trying again later may help."""


class Names(Protocol):
    """The DNS. Empty answers: the name is there, but has none of these.

    Each raises NoSuchNameError and DnsTroubleError.
    """

    async def txt(self, name: str) -> tuple[bytes, ...]:
        """Return the texts of a name, each joined (RFC 7208 §3.3)."""

    async def addresses(self, name: str, family: int) -> tuple[str, ...]:
        """Return the addresses of a name, of family 4 or 6."""

    async def mx(self, name: str) -> tuple[tuple[int, str], ...]:
        """Return preference and name of each mail server."""

    async def ptr(self, name: str) -> tuple[str, ...]:
        """Return the names behind a reverse name."""


class Senders(Protocol):
    """SPF."""

    async def spf(self, client: str, sender: str, helo: str) -> SpfResult:
        """Return the result for MAIL FROM, or for HELO where that is empty (RFC 7208 §2.4)."""


class Checked(msgspec.Struct, frozen=True):
    """What the signatures and the chain of a mail are worth, the topmost signature first."""

    dkim: tuple[Signature, ...]
    arc: ArcResult


class Signatures(Protocol):
    """DKIM and ARC."""

    async def check(self, raw: bytes, keys: Mapping[str, bytes | None]) -> Checked:
        """Return what they are worth. Keys by name; None: the DNS does not say.

        RefusedError: they took too much. UnavailableError: they cannot be looked at now.
        """


class Organisations(Protocol):
    """To whom domains belong."""

    def organisation(self, domain: str) -> str:
        """Return the organisational domain (RFC 7489 §3.2)."""


class Knocking(Protocol):
    """A look at other people's SMTP servers."""

    async def knock(self, host: str, addresses: Sequence[str]) -> Knock:
        """Return what is found at the first address that answers. Never raises."""


class Directory(Protocol):
    """Which addresses and domains are ours. Answers come from memory."""

    def address(self, canonical: str) -> AddressDocument | None:
        """Return the address's document; UnavailableError when it cannot be read."""

    def has_domain(self, canonical: str) -> bool:
        """Return whether we take mail for addresses of this domain."""

    def domain(self, canonical: str) -> DomainDocument | None:
        """Return a domain of ours; UnavailableError when it cannot be read."""

    def submission(self, login: str) -> SubmissionDocument | None:
        """Return who signs in with this; UnavailableError when it cannot be read."""

    def is_suppressed(self, account: str, canonical: str) -> bool:
        """Return whether nothing of an account is sent to this address."""

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


class Judges(Protocol):
    """The rules, before a mail is taken."""

    async def rejection(
        self, transaction: Transaction, target: Target, found: Authentication | None
    ) -> str | None:
        """Return the words with which this recipient's rules refuse it.

        None: they do not, or they did not answer in time.
        """


class Hop(Protocol):
    """One conversation with the next hop. It connects when first needed, and again when lost."""

    async def send(self, sender: str, recipient: str, mail: bytes) -> HopReply:
        """Hand over one copy. Never raises for what the network or the next hop does."""

    async def close(self) -> None:
        """Say goodbye, shortly."""


class Relay(Protocol):
    """The next hop."""

    def destination(self, domain: str) -> str:
        """Return what is connected to for a domain: what shares its slots."""

    def hop(self, domain: str) -> Hop:
        """Return a conversation for one chunk to one domain."""


class Ways(Protocol):
    """Which copies need not leave, and which must not."""

    def inward(self, address: str) -> Relay | None:
        """Return our own door for an address that it takes mail for, else None.

        UnavailableError as long as we have not heard which addresses are ours.
        """

    def is_suppressed(self, account: str, address: str) -> bool:
        """Return whether nothing of an account is sent to this address."""


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

    def untold(self, number: int) -> None:
        """Count refusals that no event tells of."""

    def slowed(self, now: int) -> None:
        """Say how many destinations have asked for less and have fewer slots."""

    def connections(self, now: int) -> None:
        """Say how many peers are connected."""
