"""Mailboxes and their addresses as the configuration bucket has them. Port: Mailboxes."""

import structlog

from postroom_contract.documents import AddressDocument, MailboxDocument, mailbox_key
from postroom_runtime.configuration import Configuration
from postroom_runtime.errors import UnavailableError

FAMILIES = ("mailbox", "address")


class ConfiguredMailboxes:
    """Answers from memory."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._addresses: dict[str, dict[str, str]] = {}
        """Mailbox → key of an address's document → address."""
        configuration.on_change(self._on_change)

    def mailbox(self, id_: str) -> MailboxDocument | None:
        """Return the mailbox, or None when there is none that can be read."""
        return self._read(mailbox_key(id_))

    def address(self, mailbox: str) -> AddressDocument | None:
        """Return its first address by the alphabet, if it has one."""
        of_it = self._addresses.get(mailbox, {})
        for key, _ in sorted(of_it.items(), key=lambda item: item[1]):
            document = self._address(key)
            if document is not None and document.mailbox == mailbox:
                return document
        return None

    def polled(self) -> list[MailboxDocument]:
        """Return the active mailboxes that are to be fetched from by interval."""
        keys = self._configuration.keys("mailbox")
        found = (self._read(key) for key in keys)
        return [
            one
            for one in found
            if one is not None
            and one.active
            and one.source != "smtp"
            and one.fetch is not None
            and one.fetch.interval_minutes > 0
        ]

    def knows(self) -> bool:
        """Return whether "not found" means "does not exist"."""
        return self._configuration.knows()

    def _read(self, key: str) -> MailboxDocument | None:
        try:
            return self._configuration.get(key, MailboxDocument)
        except UnavailableError as error:
            # One document that we do not understand must not hold up the other mailboxes.
            structlog.get_logger().warning("mailbox left out", reason=str(error))
            return None

    def _address(self, key: str) -> AddressDocument | None:
        try:
            return self._configuration.get(key, AddressDocument)
        except UnavailableError:
            return None  # the mailbox is known by its login, then

    def _on_change(self, key: str) -> None:
        if not key.startswith("address."):
            return
        document = self._address(key)
        if document is not None:
            self._addresses.setdefault(document.mailbox, {})[key] = document.address
