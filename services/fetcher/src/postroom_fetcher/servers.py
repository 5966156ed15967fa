"""The way to other people's servers, by protocol. Port: Servers."""

from postroom_contract.documents import FetchSource
from postroom_fetcher.aioimaplib_client import ImapSession
from postroom_fetcher.connecting import Patience
from postroom_fetcher.pop3 import Pop3Session
from postroom_fetcher.ports import Protocol, Session


class MailServers:
    """Opens sessions."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience

    async def open(
        self, protocol: Protocol, source: FetchSource, password: str, *, writable: bool
    ) -> Session:
        """Connect, encrypt as the source says and sign in; ServerError says what went wrong."""
        if protocol == "imap":
            return await ImapSession.open(source, password, self._patience, writable=writable)
        return await Pop3Session.open(source, password, self._patience)
