"""Mail to our own addresses: it goes in by our own port, like everybody's.

Law: only what is known to be ours; an address that another server knows better is the relay's.
"""

from postroom_mail.address import AddressError, parse_address
from postroom_runtime.errors import UnavailableError
from postroom_smtp.domain.replies import RefusalError
from postroom_smtp.handlers.receiving import Receiving
from postroom_smtp.ports import Directory, Relay

_ANY = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104 - what one listens on is not where one connects to


class OwnDoor:
    """Our listener as a next hop."""

    def __init__(self, directory: Directory, receiving: Receiving, door: Relay) -> None:
        self._directory = directory
        self._receiving = receiving
        self._door = door

    def inward(self, address: str) -> Relay | None:
        """Return our own door for an address that it takes mail for, else None.

        UnavailableError as long as we have not heard which addresses are ours.
        """
        if not self._directory.was_read():
            # Not NotYetError: that would use up deliveries, and the reading may take its time.
            raise UnavailableError("which addresses are ours is not known yet")
        try:
            self._receiving.admit(parse_address(address))
        except (AddressError, RefusalError):
            return None
        return self._door

    def is_suppressed(self, account: str, address: str) -> bool:
        """Return whether nothing of an account is sent to this address."""
        try:
            return self._directory.is_suppressed(account, parse_address(address).canonical)
        except AddressError:
            return False


def reachable(host: str) -> str:
    """Return the address on which a listener of `host` is reached from this machine."""
    return _ANY.get(host, host)
