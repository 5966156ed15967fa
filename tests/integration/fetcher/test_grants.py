"""Entering with a grant: on a real database, with token URLs of all kinds."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from nacl.public import PrivateKey

from postroom_contract.documents import FetchSource, MailboxDocument
from postroom_fetcher.connecting import Way
from postroom_fetcher.domain.oauth import Said, Tokens
from postroom_fetcher.handlers.entering import Entering
from postroom_fetcher.httpcore_tokens import LARGEST, TokenServers
from postroom_fetcher.ports import ForbiddenError, ServerError, SignInError, UnreachableError
from postroom_fetcher.postgres_grants import PostgresGrants
from postroom_runtime.clock import Clock
from postroom_runtime.postgres import Database
from postroom_runtime.reach import parse_internal
from postroom_runtime.sealing import SealedSecret, open_sealed, seal

KEY = PrivateKey.generate()
LOGIN = "anna@example.org"
Respond = Callable[[asyncio.StreamWriter], Any]


def sealed(secret: str, **changes: Any) -> str:
    given = {
        "mailbox": "mbx_1", "login": LOGIN, "host": "imap.example", "port": 993,
        "tls": "implicit", "verify": True, **changes,
    }  # fmt: skip
    return seal(KEY.public_key, SealedSecret(password=secret, **given))


GRANT = sealed("refresh-0")
"""Sealed once, as the api has it: each sealing is another text."""


def mailbox(**changes: Any) -> MailboxDocument:
    source = FetchSource(
        host="imap.example", port=993, tls="implicit", login=LOGIN,
        sealed_password=GRANT, auth="oauth2", token_url="https://login.example/token",
        client_id="us",
        sealed_client_secret=sealed("cs", mailbox="svc_1", login="us", host="login.example", port=443),
    )  # fmt: skip
    return MailboxDocument(
        id="mbx_1", account="acc_1", name="", kind="user", source="imap", active=True, version=1,
        fetch=msgspec.structs.replace(source, **changes),
    )  # fmt: skip


class Provider:
    """Rotates its refresh tokens; each is good once."""

    def __init__(self) -> None:
        self.forms: list[bytes] = []
        self.good = "refresh-0"
        self.seconds = 3_600
        self.answer: Said | None = None

    async def ask(self, source: FetchSource, form: bytes) -> Tokens | Said:
        self.forms.append(form)
        await asyncio.sleep(0)
        if self.answer is not None:
            return self.answer
        if f"refresh_token={self.good}&".encode() not in form:
            return Said("invalid_grant", "used before")
        number = len(self.forms)
        self.good = f"refresh-{number}"
        return Tokens(f"access-{number}", self.good, self.seconds)


class Server:
    """Lets in whoever has the token that is good now."""

    def __init__(self) -> None:
        self.tried: list[str] = []
        self.refuses: set[str] = set()

    async def open(self, protocol: str, source: Any, password: str, *, writable: bool) -> Any:
        self.tried.append(password)
        if password in self.refuses:
            raise SignInError(f"no: {password}")
        return object()


@pytest.fixture
async def database(database: Any) -> AsyncIterator[Database]:
    made = Database(database.fetch_url, "fetch")
    yield made
    await made.close()


def entering(database: Database, provider: Any) -> Entering:
    return Entering(
        PostgresGrants(database), provider, lambda text: open_sealed([KEY], text),
        lambda secret: seal(KEY.public_key, secret), Clock(),
    )  # fmt: skip


async def enter(one: Entering, server: Server, box: MailboxDocument) -> str:
    assert box.fetch is not None
    _, token = await one.enter(server, "imap", box, box.fetch, writable=False)  # type: ignore[arg-type]  # a fake
    return token


async def test_replicas_that_need_a_token_ask_once(database: Database) -> None:
    provider, server = Provider(), Server()
    replicas = [entering(database, provider) for _ in range(4)]
    tokens = await asyncio.gather(*(enter(one, server, mailbox()) for one in replicas))
    assert (set(tokens), len(provider.forms)) == ({"access-1"}, 1)
    assert b"client_secret=cs" in provider.forms[0]


async def test_a_rotated_grant_is_kept_and_a_new_sign_in_begins_anew(database: Database) -> None:
    provider, server = Provider(), Server()
    provider.seconds = 60  # never fresh: each time it is renewed
    one = entering(database, provider)
    for number in (1, 2, 3):
        assert await enter(one, server, mailbox()) == f"access-{number}"
    again = mailbox(sealed_password=sealed("refresh-new"))
    assert again.fetch is not None
    provider.good = "refresh-new"
    assert await enter(one, server, again) == "access-4"
    async with database.transaction() as connection:
        row = await connection.fetchrow("SELECT * FROM grants")
    assert row["base"] == hashlib.sha256(again.fetch.sealed_password.encode()).hexdigest()
    assert not any(word in str(row) for word in ("access-", "refresh-"))


async def test_a_refused_token_is_renewed_once(database: Database) -> None:
    provider, server = Provider(), Server()
    one = entering(database, provider)
    server.refuses = {"access-1"}
    assert await enter(one, server, mailbox()) == "access-2"
    assert server.tried == ["access-1", "access-2"]
    server.refuses = {"access-2", "access-3"}
    with pytest.raises(SignInError) as refused:
        await enter(one, server, mailbox())
    assert "access" not in str(refused.value), "a server that says a token back is not repeated"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"login": "ben@example.org"}, "given for another login"),
        ({"host": "evil.example"}, "given for another host"),
        ({"tls": "none"}, "given for another encryption"),
        ({"token_url": "https://evil.example/token"}, "client secret was given for another host"),
        ({"client_id": "them"}, "client secret was given for another client"),
        ({"sealed_client_secret": "x"}, "client secret"),
    ],
)
async def test_nothing_is_sent_for_another_place(
    database: Database, changes: dict[str, Any], words: str
) -> None:
    provider = Provider()
    with pytest.raises(ForbiddenError, match=words):
        await enter(entering(database, provider), Server(), mailbox(**changes))
    assert not provider.forms


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Said("invalid_grant", "over"), SignInError),
        (Said("invalid_client", "cs is unknown"), ForbiddenError),
    ],
)
async def test_a_refusal_says_whose_it_is(
    database: Database, answer: Said, error: type[Exception]
) -> None:
    provider = Provider()
    provider.answer = answer
    with pytest.raises(error) as found:
        await enter(entering(database, provider), Server(), mailbox())
    assert "cs" not in str(found.value).split(": ")[-1].split(), "the client's secret is not told"


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """A token URL that answers with these bytes."""

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(met, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/token"


def response(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


LOOPBACK = Way(internal=parse_internal("127.0.0.0/8"))


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (response("503 Busy", b""), UnreachableError, "HTTP 503"),
        (response("429 Slowly", b"{}"), UnreachableError, "HTTP 429"),
        (response("302 Found\r\nLocation: http://127.0.0.1:1/", b""), ServerError, "HTTP 302"),
        (response("200 OK", b"<html>"), ServerError, "did not answer as OAuth"),
        (response("200 OK", b'{"access_token": 7}'), ServerError, "did not answer as OAuth"),
        (response("200 OK", b"x" * (LARGEST + 1)), ServerError, "more than 64 KB"),
        (b"\x00\x01 no HTTP\r\n\r\n", UnreachableError, "cannot be asked"),
        (b"", UnreachableError, "cannot be asked"),
    ],
)
async def test_an_answer_that_is_none(answer: bytes, error: type[Exception], words: str) -> None:
    async with answering(answer) as url:
        source = msgspec.structs.replace(mailbox().fetch, token_url=url)  # type: ignore[type-var]
        with pytest.raises(error, match=words):
            await TokenServers(LOOPBACK).ask(source, b"secret=1")


@pytest.mark.parametrize(
    ("url", "way", "words"),
    [
        ("http://127.0.0.1:1/token", Way(), "internal address"),
        ("https://10.0.0.1/token", Way(), "internal address"),
        ("http://93.184.215.14/token", Way(), "must begin with https"),
        ("ftp://example.org/token", Way(), "is none"),
        ("https://user@example.org/token", Way(), "is none"),
        ("", Way(), "is none"),
    ],
)
async def test_a_url_that_is_not_asked(url: str, way: Way, words: str) -> None:
    source = msgspec.structs.replace(mailbox().fetch, token_url=url)  # type: ignore[type-var]
    with pytest.raises(ForbiddenError, match=words):
        await TokenServers(way).ask(source, b"x=1")
