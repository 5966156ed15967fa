"""How a mailbox is entered: with its password, or with a token that a grant gives.

Laws:
1. The password is opened last and only for what it was sealed with; a client's secret too.
2. Of several that need a new token one asks for it, and what it brings, a new refresh token
   included, is stored before anybody uses it.
3. A refused token is renewed once; then its owner must sign in again.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import msgspec

from postroom_contract.documents import FetchSource, MailboxDocument
from postroom_contract.probing import ExchangeCode, Granted
from postroom_fetcher.domain import oauth
from postroom_fetcher.domain.oauth import Said, Tokens
from postroom_fetcher.domain.secret import mismatches, without
from postroom_fetcher.ports import (
    ForbiddenError,
    Grants,
    Held,
    Protocol,
    ServerError,
    Servers,
    Session,
    SignInError,
    TokenUrls,
)
from postroom_runtime.clock import Clock
from postroom_runtime.errors import RefusedError
from postroom_runtime.sealing import SealedSecret

Open = Callable[[str], SealedSecret]
Seal = Callable[[SealedSecret], str]


class Entering:
    """Opens sessions for mailboxes."""

    def __init__(
        self, grants: Grants, urls: TokenUrls, open_secret: Open, seal: Seal, clock: Clock
    ) -> None:
        self._grants = grants
        self._urls = urls
        self._open = open_secret
        self._seal = seal
        self._clock = clock

    async def enter(
        self,
        servers: Servers,
        protocol: Protocol,
        mailbox: MailboxDocument,
        source: FetchSource,
        *,
        writable: bool,
    ) -> tuple[Session, str]:
        """Return the session, and the secret that must not be said back."""
        secret = opened(self._open, mailbox, source)
        if source.auth == "password":
            with discreet(secret):
                return await servers.open(protocol, source, secret, writable=writable), secret
        token = await self._token(mailbox, source, secret, refused=None)
        try:
            with discreet(token):
                return await servers.open(protocol, source, token, writable=writable), token
        except SignInError:
            token = await self._token(mailbox, source, secret, refused=token)
        with discreet(token):
            return await servers.open(protocol, source, token, writable=writable), token

    async def exchange(self, question: ExchangeCode, servers: Servers) -> Granted:
        """Return the grant for a code, once it has opened the mailbox; ServerErrors otherwise."""
        source = question.source
        mailbox = MailboxDocument(
            id=question.mailbox, account=question.account, name="", kind="user",
            source=question.protocol, active=True, version=0, fetch=source,
        )  # fmt: skip
        code, _, verifier = opened(self._open, mailbox, source).partition("\n")
        form = oauth.code_form(
            code, verifier, question.redirect_uri, source.client_id, self._client_secret(source)
        )
        tokens = self._taken(source, await self._urls.ask(source, form))
        if not tokens.refresh:
            raise SignInError(
                "the provider gave no lasting grant (refresh token): its scopes must ask for one"
            )
        with discreet(tokens.access):
            session = await servers.open(question.protocol, source, tokens.access, writable=False)
        session.close()
        return Granted(sealed=self._sealed(mailbox, source, tokens.refresh))

    async def _token(
        self, mailbox: MailboxDocument, source: FetchSource, secret: str, *, refused: str | None
    ) -> str:
        """Return an access token that is not the refused one."""
        base = hashlib.sha256(source.sealed_password.encode()).hexdigest()
        async with self._grants.holding(mailbox.id, base) as held:
            known = self._usable(held, mailbox, source)
            if known is not None and known != refused:
                return known
            current = secret
            if held.refresh:
                current = self._own(held.refresh, mailbox, source)
            form = oauth.refresh_form(current, source.client_id, self._client_secret(source))
            tokens = self._taken(source, await self._urls.ask(source, form))
            await held.keep(
                self._sealed(mailbox, source, tokens.refresh or current),
                self._sealed(mailbox, source, tokens.access),
                self._clock.now() + timedelta(seconds=tokens.seconds),
            )
        return tokens.access

    def _usable(self, held: Held, mailbox: MailboxDocument, source: FetchSource) -> str | None:
        if not held.access or held.expires_at is None:
            return None
        if not oauth.fresh(held.expires_at, self._clock.now()):
            return None
        return self._own(held.access, mailbox, source)

    def _own(self, sealed: str, mailbox: MailboxDocument, source: FetchSource) -> str:
        """Return what we sealed ourselves, for the same as the password."""
        return opened(self._open, mailbox, msgspec.structs.replace(source, sealed_password=sealed))

    def _sealed(self, mailbox: MailboxDocument, source: FetchSource, token: str) -> str:
        return self._seal(
            SealedSecret(
                password=token,
                mailbox=mailbox.id,
                login=source.login,
                host=source.host,
                port=source.port,
                tls=source.tls,
                verify=source.verify,
            )
        )

    def _client_secret(self, source: FetchSource) -> str:
        if not source.sealed_client_secret:
            return ""
        try:
            secret = self._open(source.sealed_client_secret)
        except RefusedError as error:
            raise ForbiddenError(f"the service's client secret: {error}") from error
        if wrong := oauth.client_mismatches(secret, source):
            raise ForbiddenError(
                f"the service's client secret was given for another {', '.join(wrong)}:"
                " an administrator must enter it again"
            )
        return secret.password

    def _taken(self, source: FetchSource, answer: Tokens | Said) -> Tokens:
        if isinstance(answer, Tokens):
            return answer
        words = without(answer.words, self._client_secret(source))
        if answer.gone:
            raise SignInError(f"the provider's grant is over, sign in again: {words}")
        raise ForbiddenError(f"the provider refuses us ({answer.error}): {words}")


def opened(open_secret: Open, mailbox: MailboxDocument, source: FetchSource) -> str:
    """Return the password; ForbiddenError unless it was sealed for all that it is used with."""
    try:
        secret = open_secret(source.sealed_password)
    except RefusedError as error:
        raise ForbiddenError(str(error)) from error
    if wrong := mismatches(secret, mailbox):
        raise ForbiddenError(
            f"the stored password was given for another {', '.join(wrong)}: enter it again"
        )
    return secret.password


@contextmanager
def discreet(password: str) -> Iterator[None]:
    """Take the password out of what a server complains with, should it say it back."""
    try:
        yield
    except ServerError as error:
        raise type(error)(without(str(error), password)) from None
