"""Signing in at a provider of mail, instead of giving a password: the way there and back.

Laws:
1. What comes back is taken only from the browser that was sent and for who was signed in there,
   once, within ten minutes (RFC 6749 §10.12, RFC 7636).
2. The api sees a code for a moment and never a token: the fetcher exchanges and keeps.
"""

import base64
import hashlib
import hmac
import secrets
from typing import Final
from urllib.parse import urlencode, urlsplit

import msgspec

from postroom_api.domain.mail_services import MailService
from postroom_api.domain.mailbox_settings import Mailbox
from postroom_api.domain.values import Principal
from postroom_api.http.catalogue import Catalogue
from postroom_api.http.office import Office
from postroom_api.http.problems import ProblemError
from postroom_api.ports import PatientServices, Publisher, ServiceProblemError
from postroom_api.postgres.mailboxes import Mailboxes
from postroom_api.sealing import FetcherSeal, OwnSeal
from postroom_contract.documents import FetchSource
from postroom_contract.probing import ExchangeCode
from postroom_runtime.clock import Clock
from postroom_runtime.errors import UnavailableError

CALLBACK: Final = "/sign-in/mail/back"
SECONDS: Final = 600.0
EXCHANGE_SECONDS: Final = 90.0
LIVE_SECONDS: Final = 3.0
ASKED: Final = {"access_type": "offline", "prompt": "consent"}
"""Without these Google gives no lasting grant, and none the second time; others pass over them."""
AGAIN: Final = "That took too long, or began in another browser. Try again."
_WORDS: Final = 200


class _Attempt(msgspec.Struct, frozen=True):
    """What the browser keeps meanwhile, sealed."""

    state: str
    verifier: str
    mailbox: str
    person: str
    account: str
    until: float


class Granting:
    """Sends people to their provider and takes them back."""

    def __init__(
        self,
        services: PatientServices,
        office: Office,
        catalogue: Catalogue,
        mailboxes: Mailboxes,
        fetcher_seal: FetcherSeal,
        own_seal: OwnSeal,
        publisher: Publisher,
        clock: Clock,
        base_url: str,
    ) -> None:
        self._services = services
        self._office = office
        self._catalogue = catalogue
        self._mailboxes = mailboxes
        self._fetcher_seal = fetcher_seal
        self._own_seal = own_seal
        self._publisher = publisher
        self._clock = clock
        self._redirect = base_url + CALLBACK

    async def leave(self, who: Principal, mailbox: str) -> tuple[str, str]:
        """Return the provider's address and what the browser keeps; 409 where there is none."""
        box, service = await self._both(who, mailbox)
        attempt = _Attempt(
            state=secrets.token_urlsafe(24),
            verifier=secrets.token_urlsafe(48),
            mailbox=box.id,
            person=who.id,
            account=who.account,
            until=self._clock.now().timestamp() + SECONDS,
        )
        digest = hashlib.sha256(attempt.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": service.oauth.client_id,
            "redirect_uri": self._redirect,
            "scope": service.oauth.scopes,
            "state": attempt.state,
            "code_challenge": base64.urlsafe_b64encode(digest).decode("ascii").rstrip("="),
            "code_challenge_method": "S256",
            "login_hint": box.source.login,
            **ASKED,
        }
        joint = "&" if urlsplit(service.oauth.authorize_url).query else "?"
        sealed = self._own_seal.seal(who.id, msgspec.json.encode(attempt).decode())
        return f"{service.oauth.authorize_url}{joint}{urlencode(query)}", sealed

    async def come_back(
        self, who: Principal, kept: str, state: str, code: str, error: str
    ) -> Mailbox:
        """Have the code exchanged and the mailbox opened with it; ProblemError says why not."""
        attempt = self._attempt(who, kept, state)
        if error or not code:
            plain = "".join(c if c.isprintable() else " " for c in error)[:_WORDS]
            words = f"The provider did not let Postroom in: {plain or 'it said nothing'}."
            raise ProblemError(409, "conflict", words)
        box, _ = await self._both(who, attempt.mailbox)
        sealed = await self._exchanged(who, box, code, attempt.verifier)
        await self._mailboxes.grant(who, box.id, sealed)
        await self._publisher.settled(LIVE_SECONDS)
        return await self._office.mailbox(who, box.id)

    def _attempt(self, who: Principal, kept: str, state: str) -> _Attempt:
        plain = self._own_seal.open(who.id, kept) if kept else None
        if plain is None:
            raise ProblemError(409, "conflict", AGAIN)
        attempt = msgspec.json.decode(plain, type=_Attempt)
        same = hmac.compare_digest(attempt.state.encode(), state.encode())
        late = self._clock.now().timestamp() > attempt.until
        if not same or late or (attempt.person, attempt.account) != (who.id, who.account):
            raise ProblemError(409, "conflict", AGAIN)
        return attempt

    async def _both(self, who: Principal, mailbox: str) -> tuple[Mailbox, MailService]:
        box = await self._office.changeable(who, mailbox)
        service = await self._catalogue.service(who, box.service.id) if box.service else None
        if service is None or not service.oauth.usable:
            words = "This mailbox signs in with a password: its e-mail service has no OAuth2 here."
            raise ProblemError(409, "conflict", words)
        return box, service

    async def _exchanged(self, who: Principal, box: Mailbox, code: str, verifier: str) -> str:
        source = box.source
        stored = await self._mailboxes.stored_secret(who, box.id)
        question = ExchangeCode(
            account=who.account,
            mailbox=box.id,
            protocol="imap" if source.type == "imap" else "pop3",
            redirect_uri=self._redirect,
            source=FetchSource(
                host=source.host,
                port=source.port,
                tls=source.tls,  # type: ignore[arg-type]  # as it was written
                verify=source.verify,
                login=source.login,
                sealed_password=self._fetcher_seal.seal_code(box.id, source, code, verifier),
                ca=source.ca,
                auth="oauth2",
                token_url=stored.token_url,
                client_id=stored.client_id,
                sealed_client_secret=stored.sealed_client_secret,
            ),
        )
        try:
            granted = await self._services.ask_patiently(question, EXCHANGE_SECONDS)
        except ServiceProblemError as error:
            words = str(error)
            raise ProblemError(409, "conflict", f"{words[:1].upper()}{words[1:]}.") from error
        except UnavailableError as error:
            words = "No fetcher could try it. Nothing is changed; try again."
            raise ProblemError(503, "unavailable", words) from error
        return granted.sealed
