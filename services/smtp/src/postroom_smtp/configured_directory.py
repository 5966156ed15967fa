"""What the configuration bucket has of addresses, domains, who signs in and who gets nothing."""

from postroom_contract.documents import (
    DOOR_KEY,
    AddressDocument,
    DomainDocument,
    DoorDocument,
    HoldDocument,
    SubmissionDocument,
    SuppressedDocument,
    address_key,
    domain_key,
    hold_key,
    submission_key,
    suppressed_key,
)
from postroom_runtime.configuration import Configuration

FAMILIES = ("address", "domain", "submission", "suppressed", "hold", "door")


class ConfiguredDirectory:
    """Answers from memory."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    def address(self, canonical: str) -> AddressDocument | None:
        """Return the address's document; UnavailableError when it cannot be read."""
        return self._configuration.get(address_key(canonical), AddressDocument)

    def has_domain(self, canonical: str) -> bool:
        """Return whether we take mail for addresses of this domain."""
        return self._configuration.get(domain_key(canonical), DomainDocument) is not None

    def domain(self, canonical: str) -> DomainDocument | None:
        """Return a domain of ours; UnavailableError when it cannot be read."""
        return self._configuration.get(domain_key(canonical), DomainDocument)

    def submission(self, login: str) -> SubmissionDocument | None:
        """Return who signs in with this; UnavailableError when it cannot be read."""
        return self._configuration.get(submission_key(login), SubmissionDocument)

    def is_suppressed(self, account: str, canonical: str) -> bool:
        """Return whether nothing of an account is sent to this address."""
        key = suppressed_key(account, canonical)
        return self._configuration.get(key, SuppressedDocument) is not None

    def holds(self, account: str, domain: str) -> bool:
        """Return whether an account sends nothing to this domain for now."""
        return self._configuration.get(hold_key(account, domain), HoldDocument) is not None

    def takes_sessions(self) -> bool:
        """Return whether the server is open, which is what it is until somebody closes it."""
        found = self._configuration.get(DOOR_KEY, DoorDocument)
        return found is None or found.open

    def knows(self) -> bool:
        """Return whether "not found" means "does not exist"."""
        return self._configuration.knows()

    def was_read(self) -> bool:
        """Return whether we have heard of all there is, however long ago."""
        return self._configuration.was_read
