"""What the handlers need from outside."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import ClassVar, Literal
from typing import Protocol as Port

import msgspec

from postroom_contract.commands import ArrangeMail
from postroom_contract.documents import AddressDocument, FetchSource, MailboxDocument
from postroom_contract.events import FetchState, MailboxChecked
from postroom_contract.probing import CheckProgress, ProbeProgress, StageName
from postroom_contract.rules import ServerFlag
from postroom_fetcher.domain.arrangement import Arrangement
from postroom_fetcher.domain.cursor import Cursor, Entry
from postroom_fetcher.domain.folders import INBOX
from postroom_fetcher.domain.oauth import Said, Tokens
from postroom_fetcher.domain.plan import Listed
from postroom_fetcher.domain.transcript import Transcript
from postroom_runtime.errors import PostroomError
from postroom_runtime.messages import Publication

Protocol = Literal["imap", "pop3"]


class ServerError(PostroomError):
    """The mail server is at fault; the text is fit for people and has no password in it."""

    state: ClassVar[FetchState] = "trouble"


class SignInError(ServerError):
    """It does not let us in; trying again soon may lock the owner out."""

    state = "auth_failed"


class UnreachableError(ServerError):
    """It cannot be reached, or not as securely as it must be; trying again later helps."""

    state = "unreachable"


class ForbiddenError(ServerError):
    """We do not even try: the settings must be changed first."""

    state = "refused"


class FolderError(ServerError):
    """One folder cannot be used; the connection is as good as before."""


class OvertakenError(PostroomError):
    """Another worker has moved this mailbox's cursor: what we hold is old."""


class Inbox(msgspec.Struct, frozen=True, kw_only=True):
    """What lies in the folder: size and server's time of each message. POP3 tells no times."""

    folders: tuple[str, ...] = ()
    messages: tuple[tuple[int, datetime | None], ...] = ()


class Session(Port):
    """A connection to a mail server, signed in. Any error means that it is of no more use.

    Each call ends within its deadline, with ServerError if need be.
    """

    tells: bool
    """Whether `news` can be asked for; known once the folder is open."""
    next_key: int | None
    """IMAP: UIDNEXT when the folder was opened, where the server says it."""

    async def chosen(self, wanted: Sequence[str]) -> list[str]:
        """Return the names of the folders meant, by name or special use; FolderError without."""

    async def folder(self, name: str = INBOX) -> str:
        """Open a folder; return its UIDVALIDITY (POP3: an empty text). FolderError: there is none.

        What is said of messages from then on is said of those in it.
        """

    async def look(self) -> Inbox:
        """Return what is there, without fetching any of it."""

    async def newer(self, days: int) -> set[str] | None:
        """Return the keys of messages that came within so many days; None: it cannot be told."""

    async def listing(self, after: int) -> list[Listed]:
        """Return the messages (IMAP: of a UID above `after`), each key once, in order."""

    async def fetch(self, wanted: Sequence[Listed], limit: int) -> dict[str, bytes]:
        """Return the mails by key. What has vanished is missing; none is larger than `limit`."""

    async def heads(self, wanted: Sequence[Listed]) -> dict[str, bytes]:
        """Return headers by key, without the bodies; what cannot be had is missing."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete these, at the latest with `finish`."""

    async def flag(self, keys: Sequence[str], flag: ServerFlag) -> None:
        """Set a flag of these. ForbiddenError by POP3."""

    async def move(self, keys: Sequence[str], folder: str) -> None:
        """Move these, and make the folder when there is none. ForbiddenError by POP3."""

    async def news(self, seconds: float) -> bool:
        """Wait until messages have come (True), at most so long (False); opened folder only."""

    async def finish(self) -> None:
        """Say goodbye; only when this returns, deletions are sure."""

    def close(self) -> None:
        """Cut the connection, whatever its state."""


Watch = Callable[[StageName, str], None]
"""Told of each stage that went well, with words for people."""


class Servers(Port):
    """The way to other people's mail servers."""

    def watched(self, watch: Watch) -> "Servers":
        """Return the same with somebody looking on."""

    def recorded(self, transcript: Transcript) -> "Servers":
        """Return the same, writing down what is said; no secret and no mail."""

    async def open(
        self, protocol: Protocol, source: FetchSource, password: str, *, writable: bool
    ) -> Session:
        """Connect, encrypt as the source says and sign in; ServerError says what went wrong."""


class TokenUrls(Port):
    """The way to providers of OAuth 2.0."""

    async def ask(self, source: FetchSource, form: bytes) -> Tokens | Said:
        """Return the answer to a form; ServerErrors say why there is none."""


class Held(Port):
    """What is stored of a grant, while nobody else may change it. All sealed to ourselves."""

    refresh: str
    access: str
    expires_at: datetime | None

    async def keep(self, refresh: str, access: str, expires_at: datetime) -> None:
        """Store what a provider gave."""


class Grants(Port):
    """Access tokens, and refresh tokens that took the place of the first."""

    def holding(self, mailbox: str, base: str) -> AbstractAsyncContextManager[Held]:
        """Give what is stored for a mailbox and its grant `base`, to one at a time.

        What was kept is durable when the block has been left.
        """

    async def forget(self, mailboxes: Sequence[str]) -> None:
        """Delete what is stored for these mailboxes."""


class Place(msgspec.Struct, frozen=True):
    """A cursor and where it lies; sequence 0: there is none yet."""

    cursor: Cursor
    sequence: int


class Intake(Port):
    """The broker's stream of mails, with the cursors in it."""

    async def place(self, mailbox: MailboxDocument, folder: str) -> Place:
        """Return the cursor; UnavailableError without an answer."""

    def ahead(self, mails: Sequence[Publication]) -> AbstractAsyncContextManager[object | None]:
        """Send mails while another commit is under way; nothing is stored before they have theirs.

        What it gives goes to `commit` within `FRESH_SECONDS`, or nowhere. None: not now.
        """

    async def commit(
        self,
        mailbox: MailboxDocument,
        folder: str,
        mails: Sequence[Publication],
        cursor: Cursor,
        sequence: int,
        begun: object | None = None,
    ) -> int:
        """Store mails and cursor at once, if the cursor still lies at `sequence`.

        `begun`: what `ahead` gave for these mails.

        Return where it lies now. OvertakenError: it does not. KnownError: one of the mails is
        there already. FullError: no room.
        """

    async def take(self, mails: Sequence[Publication]) -> None:
        """Store mails of one mailbox that no cursor speaks of; ids that are there stay as they are.

        FullError: no room. UnavailableError: not known, so take them again.
        """

    def mail(
        self, envelope_header: str, id_: str, mailbox: MailboxDocument, raw: bytes
    ) -> Publication:
        """Return the publication of one mail."""


class Seen(Port):
    """The ledger: per message what became of it. It follows the intake; repeating is harmless."""

    async def follow(self, mailbox: MailboxDocument, folder: str, cursor: Cursor) -> None:
        """Write down what the cursor's last batch did, and the cursor itself."""

    async def recover(self, mailbox: str, folder: str) -> Cursor | None:
        """Return the cursor as it was last written down."""

    async def spare(
        self, mailbox: str, folder: str, uidvalidity: str, hashes: Sequence[str]
    ) -> Mapping[str, int]:
        """Return how many more mails of each content other UIDVALIDITYs had than this one has."""

    async def have(
        self, mailbox: str, folder: str, uidvalidity: str, keys: Sequence[str]
    ) -> set[str]:
        """Return which of these are stored."""

    async def stored_before(
        self, mailbox: str, folder: str, uidvalidity: str, days: int
    ) -> list[str]:
        """Return keys of what was stored more than so many days ago; the oldest of very many."""

    async def deleted(
        self, mailbox: str, folder: str, uidvalidity: str, keys: Sequence[str]
    ) -> None:
        """Write down that these were deleted on the server."""


class Arranged(Port):
    """What rules want done to mails on their servers."""

    async def add(self, command: ArrangeMail) -> bool | None:
        """Note what is wanted; return whether it is open, None when the mail is not known (yet)."""

    async def open(self, mailbox: str) -> list[Arrangement]:
        """Return what is open of a mailbox, in order; of very much a part."""

    async def done(self, commands: Sequence[str]) -> None:
        """Write down that these need nothing more."""


class Log(Port):
    """The protocol log."""

    async def keep(self, mailbox: str, at: datetime, error: str, lines: Sequence[str]) -> None:
        """Keep a conversation in place of the last that ended alike."""


class Forgets(Port):
    """Something that is held for mailboxes."""

    async def forget(self, mailboxes: Sequence[str]) -> None:
        """Delete what is held for these mailboxes."""


class Imports(Port):
    """The ledger, for mail that came as files."""

    async def contents(self, mailbox: str, digests: Sequence[str]) -> set[str]:
        """Return which of these contents (SHA-256 in hex) the mailbox has."""

    async def imported(self, mailbox: MailboxDocument, entries: Sequence[Entry]) -> None:
        """Write down that these are stored."""


class Mailboxes(Port):
    """The configuration. Answers come from memory."""

    def mailbox(self, id_: str) -> MailboxDocument | None:
        """Return the mailbox, or None when there is none that can be read."""

    def address(self, mailbox: str) -> AddressDocument | None:
        """Return its first address, if it has one."""

    def polled(self) -> list[MailboxDocument]:
        """Return the active mailboxes that are to be fetched from by interval."""

    def knows(self) -> bool:
        """Return whether "not found" means "does not exist"."""


class Replicas(Port):
    """The fetchers that run."""

    def count(self) -> int:
        """Return how many there are, this one included; what has just changed may be missing."""


class Live(Port):
    """Whoever looks on. What is told here may be lost."""

    def tell(self, account: str, about: str, progress: ProbeProgress | CheckProgress) -> None:
        """Tell how far something is."""


class Work(Port):
    """The jobs and schedules on the broker, and what is told about them."""

    async def existing(self) -> set[str]:
        """Return the ids of the mailboxes that have a job or a schedule."""

    async def schedule(
        self, mailbox: MailboxDocument, when: datetime, *, failures: int, holding: bool
    ) -> bool:
        """Let a job come at `when`, instead of the schedule that is there.

        `holding`: we hold its job now. Otherwise False says that a job exists, and nothing is done.
        """

    async def ask(self, mailbox: MailboxDocument) -> bool:
        """Let a job come now, instead of the schedule; False: there is one, perhaps under way."""

    async def wait(self, mailbox: MailboxDocument) -> None:
        """Have somebody wait for the mailbox's mail, unless somebody does."""

    async def tell(self, event: MailboxChecked) -> None:
        """Publish the event."""
