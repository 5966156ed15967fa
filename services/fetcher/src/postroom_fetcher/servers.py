"""The way to other people's servers, by protocol. Port: Servers."""

from typing import Final

import msgspec

from postroom_contract.documents import FetchSource
from postroom_contract.probing import StageName
from postroom_fetcher.aioimaplib_client import ImapSession
from postroom_fetcher.connecting import Way
from postroom_fetcher.domain.transcript import Transcript
from postroom_fetcher.pop3 import Pop3Session
from postroom_fetcher.ports import Protocol, Session, Watch

_BESIDES: Final = ("dns", "tcp", "tls")


class MailServers:
    """Opens sessions."""

    def __init__(self, way: Way) -> None:
        self._way = way

    def watched(self, watch: Watch) -> "MailServers":
        """Return the same, telling each stage on the way."""
        return MailServers(msgspec.structs.replace(self._way, watch=watch))

    def recorded(self, transcript: Transcript) -> "MailServers":
        """Return the same, writing down what is said."""
        before = self._way.watch

        def watch(stage: StageName, words: str) -> None:
            if stage in _BESIDES:
                transcript.noted(words)
            before(stage, words)

        return MailServers(msgspec.structs.replace(self._way, watch=watch, transcript=transcript))

    async def open(
        self, protocol: Protocol, source: FetchSource, password: str, *, writable: bool
    ) -> Session:
        """Connect, encrypt as the source says and sign in; ServerError says what went wrong."""
        if self._way.transcript is not None:
            self._way.transcript.hide(password)
        if protocol == "imap":
            return await ImapSession.open(source, password, self._way, writable=writable)
        return await Pop3Session.open(source, password, self._way)
