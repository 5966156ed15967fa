"""IMAP (RFC 3501) through aioimaplib, hardened. Port: Session.

Laws:
- The mailbox is opened read-only unless mails are to be deleted; bodies are peeked at, so flags
  stay as they are, and no decision depends on one.
- A UID range never covers a message that was not asked for.
"""

import asyncio
import contextlib
import re
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from aioimaplib import aioimaplib as base

from postroom_contract.documents import FetchSource
from postroom_contract.rules import ServerFlag
from postroom_fetcher.aioimaplib_protocol import HardenedCommand, HardenedProtocol, Sink
from postroom_fetcher.connecting import Way, plain, reach, tls_context, tls_words
from postroom_fetcher.domain import oauth
from postroom_fetcher.domain.folders import INBOX, Folder, chosen, encoded, folder_in
from postroom_fetcher.domain.imap_wire import (
    LINE_BYTES,
    Budget,
    Response,
    WireError,
    fetched,
    internal_date,
    number_of,
)
from postroom_fetcher.domain.plan import Listed
from postroom_fetcher.domain.providers import provider_of
from postroom_fetcher.ports import (
    FolderError,
    ForbiddenError,
    Inbox,
    ServerError,
    SignInError,
    UnreachableError,
)

_FLAGS: Final[dict[ServerFlag, str]] = {"read": r"(\Seen)", "starred": r"(\Flagged)"}
_AT_ONCE: Final = 200
_MANY: Final = 5_000_000
"""Messages of a folder that we believe."""
_MANY_FOLDERS: Final = Budget(responses=20_000, total=4_000_000)
_MARGIN: Final = 1_000_000
_VALIDITY: Final = re.compile(rb"\* OK \[UIDVALIDITY ([0-9]{1,20})\]", re.IGNORECASE)
_NEXT: Final = re.compile(rb"\* OK \[UIDNEXT ([0-9]{1,20})\]", re.IGNORECASE)
_EXISTS: Final = re.compile(rb"\* ([0-9]{1,10}) EXISTS", re.IGNORECASE)
_TRY_CREATE: Final = re.compile(r"\[TRYCREATE\]", re.IGNORECASE)
_NOT_NOW: Final = re.compile(r"\[(UNAVAILABLE|INUSE|SERVERBUG|LIMIT|CONTACTADMIN)\]", re.IGNORECASE)
"""RFC 5530: the server's trouble, not the password's."""


class HardenedClient(base.IMAP4):  # type: ignore[misc]  # the library has no types
    """One connection, opened by `connect`. Inherited commands raise NotImplementedError."""

    protocol: HardenedProtocol

    def __init__(self, source: FetchSource, way: Way) -> None:
        self._source = source
        self._way = way
        self._patience = way.patience
        super().__init__(source.host, source.port, asyncio.get_running_loop())

    def create_client(
        self,
        host: str,  # noqa: ARG002 - the base's signature
        port: int,  # noqa: ARG002 - the base's signature
        loop: asyncio.AbstractEventLoop | None,
        conn_lost_cb: object = None,  # noqa: ARG002 - the base's signature
        ssl_context: ssl.SSLContext | None = None,  # noqa: ARG002 - the base's signature
    ) -> None:
        """Make the protocol; the base would connect in a task that nobody watches."""
        assert loop is not None
        self.protocol = HardenedProtocol(loop, self._way.transcript)

    async def connect(self) -> None:
        """Connect, greet and encrypt."""
        source, loop, watch = self._source, asyncio.get_running_loop(), self._way.watch
        await reach(
            source,
            self._way,
            lambda address, tls: loop.create_connection(
                lambda: self.protocol, address, source.port, **tls
            ),
        )
        if source.tls == "implicit":
            watch("tls", tls_words(self.protocol.transport))
        watch("greeting", plain(await self._hello(self._patience.connect)))
        await self._capability()
        if source.tls == "starttls":
            await self._start_tls()
            watch("tls", tls_words(self.protocol.transport))

    async def _hello(self, seconds: float) -> bytes:
        try:
            async with asyncio.timeout(seconds):
                greeting = await self.protocol.greeting()
        except TimeoutError:
            self.protocol.die(ServerError("silent"))
            raise UnreachableError(f"the server did not greet within {seconds:g} s") from None
        if not greeting.line.upper().startswith(b"* OK"):
            # PREAUTH: someone in between signs us in, so that STARTTLS is not asked for.
            self.close_now()
            raise UnreachableError(f"the server does not let us in: {plain(greeting.line)}")
        self.protocol.state = base.NONAUTH
        return greeting.line[len(b"* OK") :]

    async def _start_tls(self) -> None:
        context = tls_context(self._source)
        assert context is not None
        if "STARTTLS" not in self.protocol.capabilities:
            raise UnreachableError("the server offers no STARTTLS")
        result, words = await self.run("STARTTLS")
        if result != "OK":
            raise UnreachableError(f"the server refuses STARTTLS: {words}")
        await self.protocol.upgrade(context, self._source.host, self._patience.connect)
        await self._capability()

    async def _capability(self) -> None:
        found: list[Response] = []
        await self.need("CAPABILITY", sink=found.append)
        for response in found:
            if response.line.upper().startswith(b"* CAPABILITY"):
                words = response.line.upper().decode("ascii", "replace").split()
                self.protocol.capabilities = set(words[2:])

    async def sign_in(self, password: str) -> None:
        """Sign in; the password leaves us in no other way than asked for."""
        if self._source.auth == "oauth2":
            await self._bear(password)
            return
        login = self._source.login
        if "LOGINDISABLED" in self.protocol.capabilities:
            raise ForbiddenError("the server takes no password without encryption (TLS)")
        try:
            arguments = (base.quoted(login), base.quoted(password))
            result, words = await self.run("LOGIN", *arguments, seconds=self._patience.login)
        except ValueError:
            raise ForbiddenError("login or password has a character that IMAP cannot say") from None
        if result != "OK":
            if _NOT_NOW.search(words):
                raise ServerError(f"the server cannot sign us in now: {words}")
            raise SignInError(f"the server refuses login or password: {words}")
        self.protocol.state = base.AUTH
        await self._capability()

    async def identify(self) -> None:
        """Say who we are (RFC 2971) to a server that wants to know."""
        if "ID" in self.protocol.capabilities:
            await self.run("ID", '("name" "Postroom")')

    async def _bear(self, token: str) -> None:
        """Sign in with an access token (RFC 7628; XOAUTH2)."""
        offered = self.protocol.capabilities
        mechanism = oauth.mechanism_of(
            frozenset(one.removeprefix("AUTH=") for one in offered if one.startswith("AUTH="))
        )
        if mechanism is None:
            raise ForbiddenError("the server offers no sign-in by OAuth2")
        try:
            first = oauth.response(mechanism, self._source, token)
        except ValueError as error:
            raise ForbiddenError(str(error)) from None
        answers = [first, oauth.after_refusal(mechanism)]
        words: list[str] = [mechanism]
        if "SASL-IR" in offered:  # RFC 4959
            words.append(answers.pop(0).decode())
        result, said = await self.run(
            "AUTHENTICATE", *words, seconds=self._patience.login, answers=answers
        )
        if result != "OK":
            if _NOT_NOW.search(said):
                raise ServerError(f"the server cannot sign us in now: {said}")
            raise SignInError(f"the server refuses the provider's token: {said}")
        self.protocol.state = base.AUTH
        await self._capability()

    async def run(
        self,
        name: str,
        *args: str,
        prefix: str | None = None,
        budget: Budget | None = None,
        sink: Sink | None = None,
        seconds: float | None = None,
        answers: Sequence[bytes] = (),
    ) -> tuple[str, str]:
        """Send one command and return how it ended."""
        command = HardenedCommand(
            name, self.protocol.new_tag(), *args, prefix=prefix,
            budget=budget or Budget(responses=1_000), sink=sink, answers=answers,
        )  # fmt: skip
        return await self.protocol.command(command, seconds or self._patience.command)

    async def idle(self, seconds: float, heard: Callable[[Response], bool]) -> bool:
        """Wait at most so long for a response that `heard` wants; return whether it came."""
        came = asyncio.Event()

        def take(response: Response) -> None:
            if heard(response):
                came.set()

        command = HardenedCommand(
            "IDLE", self.protocol.new_tag(), budget=Budget(responses=100_000), sink=take
        )
        command.continued = asyncio.Event()
        began = time.monotonic()
        ending = asyncio.create_task(self._end_idle(command.continued, came, seconds))
        try:
            # The deadlines of both parts are those of `_end_idle`; this one is behind them.
            result, words = await self.protocol.command(
                command, seconds + 3 * self._patience.command
            )
        finally:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)
        if result != "OK":
            raise ServerError(f"the server refuses IDLE: {words}")
        if not came.is_set() and time.monotonic() - began < seconds / 2:
            raise ServerError("the server does not wait for new mail though it offers to (IDLE)")
        return came.is_set()

    async def _end_idle(self, begun: asyncio.Event, came: asyncio.Event, seconds: float) -> None:
        patience = self._patience.command
        try:
            async with asyncio.timeout(patience):
                await begun.wait()
        except TimeoutError:
            self.protocol.die(ServerError(f"no answer to IDLE within {patience:g} s"))
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await came.wait()
        self.protocol.transport.write(b"DONE\r\n")
        await asyncio.sleep(patience)
        self.protocol.die(ServerError(f"no answer to DONE within {patience:g} s"))

    async def need(
        self,
        name: str,
        *args: str,
        prefix: str | None = None,
        budget: Budget | None = None,
        sink: Sink | None = None,
    ) -> None:
        """Send one command; ServerError unless it ended with OK."""
        result, words = await self.run(name, *args, prefix=prefix, budget=budget, sink=sink)
        if result != "OK":
            raise ServerError(f"the server refuses {prefix or ''}{name}: {words}")

    def close_now(self) -> None:
        """Cut the connection."""
        self.protocol.die(ServerError("closed by us"))


class ImapSession:
    """One connection, with one folder open at a time."""

    def __init__(self, client: HardenedClient, *, writable: bool) -> None:
        self._client = client
        self._writable = writable
        self._exists = 0
        self.tells = False
        self.next_key: int | None = None

    @classmethod
    async def open(cls, source: FetchSource, password: str, way: Way, *, writable: bool) -> Self:
        """Connect and sign in."""
        client = HardenedClient(source, way)
        try:
            await client.connect()
            await client.sign_in(password)
            if provider_of(source.host).identify:
                await client.identify()
            way.watch("sign_in", f"signed in as {source.login}")
        except BaseException:
            client.close_now()
            raise
        return cls(client, writable=writable)

    async def chosen(self, wanted: Sequence[str]) -> list[str]:
        """Return the names of the folders meant; the server is asked only for special uses."""
        by_use = any(one.startswith("\\") for one in wanted)
        folders = await self._folders() if by_use else []
        names: list[str] = []
        for one in wanted:
            name = chosen(one, folders)
            if name is None:
                raise FolderError(f"the server names no folder for the use {one}")
            names.append(name)
        return list(dict.fromkeys(names))

    async def _folders(self) -> list[Folder]:
        folders: list[Folder] = []

        def take(response: Response) -> None:
            if (folder := folder_in(response)) is not None:
                folders.append(folder)

        await self._client.need("LIST", '""', '"*"', budget=_MANY_FOLDERS, sink=take)
        return folders

    async def folder(self, name: str = INBOX) -> str:
        """Open a folder and return its UIDVALIDITY."""
        found: list[Response] = []
        command = "SELECT" if self._writable else "EXAMINE"
        result, words = await self._client.run(command, wire_name(name), sink=found.append)
        if result != "OK":
            raise FolderError(f"the folder {name} cannot be opened: {words}")
        self._client.protocol.state = base.SELECTED
        validity, self._exists, self.next_key = "", 0, None
        for response in found:
            if match := _VALIDITY.match(response.line):
                validity = match[1].decode()
            elif match := _NEXT.match(response.line):
                self.next_key = int(match[1])
            elif match := _EXISTS.fullmatch(response.line):
                self._exists = int(match[1])
        self.tells = "IDLE" in self._client.protocol.capabilities
        if not validity:
            raise ServerError("the server gives its messages no lasting numbers (UIDVALIDITY)")
        if self._exists > _MANY:
            raise ServerError(f"the server claims {self._exists} messages")
        return validity

    async def look(self) -> Inbox:
        """Return the folders' names, and size and time of each message in INBOX."""
        messages: dict[int, tuple[int, datetime | None]] = {}

        def take(response: Response) -> None:
            items = fetched(response)
            if items is None or b"UID" not in items or b"RFC822.SIZE" not in items:
                return
            when = internal_date(items.get(b"INTERNALDATE"))
            messages[number_of(items[b"UID"])] = (number_of(items[b"RFC822.SIZE"]), when)

        folders = tuple(one.name for one in await self._folders())
        await self.folder()
        if self._exists:
            responses = 2 * self._exists + 10_000
            budget = Budget(total=300 * responses, responses=responses)
            wanted = "(UID RFC822.SIZE INTERNALDATE)"
            await self._client.need("FETCH", "1:*", wanted, prefix="UID", budget=budget, sink=take)
        return Inbox(folders=folders, messages=tuple(messages.values()))

    async def newer(self, days: int) -> set[str] | None:
        """Return the UIDs of messages that came within so many days, by the server's date."""
        found: set[str] = set()

        def take(response: Response) -> None:
            if response.line.upper().startswith(b"* SEARCH"):
                found.update(str(number_of(word)) for word in response.line.split()[2:])

        since = (datetime.now(tz=UTC) - timedelta(days=days)).strftime("%d-%b-%Y")
        many = Budget(responses=10_000, total=20_000_000, line=20_000_000)
        await self._client.need("SEARCH", f"SINCE {since}", prefix="UID", budget=many, sink=take)
        return found

    async def listing(self, after: int) -> list[Listed]:
        """Return UID and size of the messages with a UID above `after`."""
        if not self._exists:
            return []
        sizes: dict[int, int] = {}

        def take(response: Response) -> None:
            items = fetched(response)
            if items is None or b"UID" not in items or b"RFC822.SIZE" not in items:
                return
            sizes[number_of(items[b"UID"])] = number_of(items[b"RFC822.SIZE"])

        responses = 2 * self._exists + 10_000
        budget = Budget(total=200 * responses, responses=responses)
        # `n:*` names the last message even if its UID is below n (RFC 3501 §6.4.8).
        await self._client.need(
            "FETCH", f"{after + 1}:*", "(UID RFC822.SIZE)", prefix="UID", budget=budget, sink=take
        )
        return [Listed(str(uid), sizes[uid]) for uid in sorted(sizes) if uid > after]

    async def fetch(self, wanted: Sequence[Listed], limit: int) -> dict[str, bytes]:
        """Return the mails by UID."""
        keys = {int(one.key) for one in wanted}
        mails: dict[str, bytes] = {}

        def take(response: Response) -> None:
            items = fetched(response)
            if items is None or b"UID" not in items:
                return
            uid, body = number_of(items[b"UID"]), items.get(b"BODY[]")
            if body is None or uid not in keys:
                return
            # Content comes as a literal; a list or a quoted string here is not a mail.
            if not isinstance(body, bytes) or not response.literals:
                raise WireError("a mail that is not a literal")
            mails[str(uid)] = body

        # Sizes are sometimes guessed by servers: a quarter more is believed.
        total = sum(one.size for one in wanted)
        budget = Budget(
            literal=limit,
            total=min(total + total // 4, len(wanted) * limit) + _MARGIN,
            responses=len(wanted) + 10_000,
        )
        await self._client.need(
            "FETCH", uid_set(keys), "(UID BODY.PEEK[])", prefix="UID", budget=budget, sink=take
        )
        return mails

    async def heads(self, wanted: Sequence[Listed]) -> dict[str, bytes]:
        """Return headers by UID, cut at 64 KB; what cannot be had is missing."""
        keys = {int(one.key) for one in wanted}
        heads: dict[str, bytes] = {}

        def take(response: Response) -> None:
            items = fetched(response)
            if items is None or b"UID" not in items or number_of(items[b"UID"]) not in keys:
                return
            head = items.get(b"BODY[HEADER]<0>")
            if isinstance(head, bytes):
                heads[str(number_of(items[b"UID"]))] = head

        budget = Budget(total=len(keys) * LINE_BYTES + _MARGIN, responses=len(keys) + 10_000)
        await self._client.need(
            "FETCH", uid_set(keys), f"(UID BODY.PEEK[HEADER]<0.{LINE_BYTES}>)",
            prefix="UID", budget=budget, sink=take,
        )  # fmt: skip
        return heads

    async def delete(self, keys: Sequence[str]) -> None:
        """Flag and expunge exactly these."""
        uids = sorted(map(int, keys))
        for begin in range(0, len(uids), _AT_ONCE):
            some = uid_set(uids[begin : begin + _AT_ONCE])
            many = Budget(responses=50_000, total=10_000_000)
            await self._client.need(
                "STORE", some, "+FLAGS.SILENT", r"(\Deleted)", prefix="UID", budget=many
            )
            if "UIDPLUS" in self._client.protocol.capabilities:
                await self._client.need("EXPUNGE", some, prefix="UID", budget=many)
            elif await self._only_ours_flagged(set(uids[begin : begin + _AT_ONCE])):
                await self._client.need("EXPUNGE", budget=many)

    async def flag(self, keys: Sequence[str], flag: ServerFlag) -> None:
        """Set a flag of these; no decision of ours depends on one."""
        uids = sorted(map(int, keys))
        for begin in range(0, len(uids), _AT_ONCE):
            some = uid_set(uids[begin : begin + _AT_ONCE])
            many = Budget(responses=50_000, total=10_000_000)
            await self._client.need(
                "STORE", some, "+FLAGS.SILENT", _FLAGS[flag], prefix="UID", budget=many
            )

    async def move(self, keys: Sequence[str], folder: str) -> None:
        """Move these (RFC 6851), or copy and delete them where the server has no MOVE."""
        uids = sorted(map(int, keys))
        mover = "MOVE" if "MOVE" in self._client.protocol.capabilities else "COPY"
        for begin in range(0, len(uids), _AT_ONCE):
            some = uids[begin : begin + _AT_ONCE]
            await self._bring(mover, uid_set(some), folder)
            if mover == "COPY":
                await self.delete([str(uid) for uid in some])

    async def _bring(self, command: str, some: str, folder: str) -> None:
        name, many = wire_name(folder), Budget(responses=50_000, total=10_000_000)
        result, words = await self._client.run(command, some, name, prefix="UID", budget=many)
        if result == "NO" and _TRY_CREATE.search(words):
            await self._client.need("CREATE", name)
            result, words = await self._client.run(command, some, name, prefix="UID", budget=many)
        if result != "OK":
            raise FolderError(f"the server does not move mails to {folder}: {words}")

    async def _only_ours_flagged(self, ours: set[int]) -> bool:
        """Return whether EXPUNGE would remove nothing that somebody else has flagged."""
        found: set[int] = set()

        def take(response: Response) -> None:
            if response.line.upper().startswith(b"* SEARCH"):
                found.update(number_of(word) for word in response.line.split()[2:])

        await self._client.need("SEARCH", "DELETED", prefix="UID", sink=take)
        return found <= ours

    async def news(self, seconds: float) -> bool:
        """Wait for messages in the folder by IDLE (RFC 2177)."""

        def more(response: Response) -> bool:
            match = _EXISTS.fullmatch(response.line)
            if match is None:
                return False
            before, self._exists = self._exists, int(match[1])
            return self._exists > before

        return await self._client.idle(seconds, more)

    async def finish(self) -> None:
        """Log out; deletions were sure before."""
        await self._client.run("LOGOUT")
        self._client.close_now()

    def close(self) -> None:
        """Cut the connection."""
        self._client.close_now()


def wire_name(folder: str) -> str:
    """Return a folder's name as an argument of a command; FolderError where it cannot be one."""
    if folder == INBOX:
        return INBOX
    try:
        return str(base.quoted(encoded(folder)))
    except ValueError:
        raise FolderError("a folder's name has a character that IMAP cannot say") from None


def uid_set(uids: Iterable[int]) -> str:
    """Return the sequence set of exactly these UIDs."""
    return ",".join(f"{a}:{b}" if b > a else str(a) for a, b in _runs(sorted(uids)))


def _runs(uids: Sequence[int]) -> Iterator[tuple[int, int]]:
    begin = end = uids[0]
    for uid in uids[1:]:
        if uid != end + 1:
            yield begin, end
            begin = uid
        end = uid
    yield begin, end
