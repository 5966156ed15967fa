"""What the api keeps sealed.

Passwords of other people's servers are sealed for the fetcher: the api cannot open them again. The
secrets of second factors it must open itself: the key lies outside the database.
"""

import base64
from typing import Final
from urllib.parse import urlsplit

from nacl.encoding import RawEncoder
from nacl.exceptions import CryptoError
from nacl.hash import blake2b
from nacl.secret import Aead

from postroom_api.domain.mail_services import OAuthClient
from postroom_api.domain.mailbox_settings import MailboxSettings, SourceView
from postroom_runtime.errors import OperatorError
from postroom_runtime.sealing import SealedSecret, parse_public_key, seal

_HEX_DIGITS: Final = 64
FACTORS: Final = b"second factor"
SIGNING_IN: Final = b"signing in"
KEPT_ANSWERS: Final = b"kept answers"
GRANTING: Final = b"granting"
WEBHOOKS: Final = b"webhooks"
"""Uses of the key, kept apart (BLAKE2b personalisation)."""


class FetcherSeal:
    """Seals to the fetcher's public key (hex)."""

    def __init__(self, public_key: str) -> None:
        try:
            self._key = parse_public_key(public_key)
        except ValueError as error:
            raise OperatorError(f"POSTROOM_FETCHER_PUBLIC_KEY: {error}") from error

    def seal(self, mailbox: str, settings: MailboxSettings) -> str | None:
        """Return the password sealed with all it is for; None when none was given."""
        source = settings.source
        if not source.password:
            return None
        return seal(
            self._key,
            SealedSecret(
                password=source.password,
                mailbox=mailbox,
                login=source.login,
                host=source.host,
                port=source.port,
                tls=source.tls,
                verify=source.verify,
            ),
        )

    def seal_code(self, mailbox: str, source: SourceView, code: str, verifier: str) -> str:
        """Return an authorization code and its verifier sealed with what they are for."""
        return seal(
            self._key,
            SealedSecret(
                password=f"{code}\n{verifier}",
                mailbox=mailbox,
                login=source.login,
                host=source.host,
                port=source.port,
                tls=source.tls,
                verify=source.verify,
            ),
        )

    def seal_client(self, service: str, oauth: OAuthClient) -> str | None:
        """Return an OAuth2 client's secret sealed with the client and where it may be sent."""
        if not oauth.client_secret:
            return None
        where = urlsplit(oauth.token_url)
        return seal(
            self._key,
            SealedSecret(
                password=oauth.client_secret,
                mailbox=service,
                login=oauth.client_id,
                host=(where.hostname or "").lower(),
                port=where.port or 443,
                tls="implicit",
                verify=True,
            ),
        )


class OwnSeal:
    """Keeps secrets under a key of the api's own.

    Keys are lines of 64 hex digits, the first is current; a secret opens only for the use and the
    owner it was sealed for.
    """

    def __init__(self, keys: str, use: bytes) -> None:
        try:
            raw = [bytes.fromhex(line) for line in keys.split() if len(line) == _HEX_DIGITS]
            self._boxes = [Aead(blake2b(key, person=use, encoder=RawEncoder)) for key in raw]
        except (ValueError, CryptoError, TypeError):
            raise OperatorError(
                "POSTROOM_SESSION_KEY: each line must be a key of 64 hex digits"
            ) from None
        if not self._boxes:
            raise OperatorError("POSTROOM_SESSION_KEY: there is no line of 64 hex digits")

    def seal(self, owner: str, secret: str) -> str:
        """Return the secret sealed for its owner."""
        sealed = self._boxes[0].encrypt(secret.encode(), owner.encode())
        return base64.b64encode(sealed).decode("ascii")

    def open(self, owner: str, sealed: str) -> str | None:
        """Return the secret; None when no key opens it for this owner."""
        for box in self._boxes:
            try:
                return box.decrypt(base64.b64decode(sealed), owner.encode()).decode()
            except (CryptoError, ValueError):
                continue
        return None
