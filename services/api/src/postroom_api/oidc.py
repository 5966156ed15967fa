"""A provider of OpenID Connect: whoever it vouches for, with a verified address, is who they are.

Laws: authorization code with PKCE (RFC 7636), state and nonce; the ID token is believed only with
a signature of the provider's own asymmetric keys, for us, for this nonce, in time, and with an
address that the provider calls verified.
"""

import base64
import hashlib
import time
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import httpx
import msgspec
from joserfc import jwk, jwt
from joserfc.errors import JoseError

from postroom_api.config import OidcConfig
from postroom_runtime.errors import UnavailableError

SECONDS: Final = 2.0
"""For each question to the provider: there are three within one request."""
KNOWN_SECONDS: Final = 3_600.0
LEEWAY_SECONDS: Final = 60
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512", "Ed25519")
"""Signatures with a public key: never `none`, never one with a shared secret."""
CALLBACK: Final = "/sign-in/oidc/back"


class RefusedError(Exception):
    """The provider, or what it said, is not to be believed; the text is for a log."""


class Attempt(msgspec.Struct, frozen=True):
    """What is kept of an attempt to sign in, sealed, with the browser that made it."""

    state: str
    nonce: str
    verifier: str
    next: str
    until: float
    """Seconds of the epoch."""


class Vouched(msgspec.Struct, frozen=True):
    """Whom the provider vouches for."""

    subject: str
    email: str
    name: str


class _Metadata(msgspec.Struct, frozen=True):
    """What we need of the provider's description (OpenID Connect Discovery 1.0 §3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class Provider:
    """Sends people to the provider and believes, or not, what it says of them."""

    def __init__(self, settings: OidcConfig, base_url: str) -> None:
        self._settings = settings
        self._callback = base_url + CALLBACK
        self._http = httpx.AsyncClient(timeout=SECONDS, follow_redirects=False)
        self._metadata: tuple[float, _Metadata] | None = None
        self._keys: jwk.KeySet | None = None
        self.name = urlsplit(settings.issuer).hostname or settings.issuer
        self.provision = settings.provision

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def address(self, attempt: Attempt) -> str:
        """Return where a person goes to prove who they are."""
        known = await self._describe()
        digest = hashlib.sha256(attempt.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._callback,
            "scope": "openid email profile",
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).decode("ascii").rstrip("="),
            "code_challenge_method": "S256",
        }
        joint = "&" if urlsplit(known.authorization_endpoint).query else "?"
        return f"{known.authorization_endpoint}{joint}{urlencode(query)}"

    async def vouch(self, attempt: Attempt, code: str) -> Vouched:
        """Return whom the provider vouches for; RefusedError when that is not to be believed."""
        known = await self._describe()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._callback,
            "code_verifier": attempt.verifier,
        }
        identity = (self._settings.client_id, self._settings.client_secret)
        headers = {}
        if "client_secret_basic" in known.token_endpoint_auth_methods_supported:
            # RFC 6749 §2.3.1: both are form-encoded before they are joined.
            plain = ":".join(quote(part, safe="") for part in identity)
            headers["Authorization"] = "Basic " + base64.b64encode(plain.encode()).decode("ascii")
        else:
            form |= {"client_id": identity[0], "client_secret": identity[1]}
        answer = await self._ask("POST", known.token_endpoint, data=form, headers=headers)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise RefusedError("the provider sent no ID token")
        return self._believe(await self._verify(known, token, attempt.nonce))

    async def _describe(self) -> _Metadata:
        now = time.monotonic()
        if self._metadata is not None and now - self._metadata[0] < KNOWN_SECONDS:
            return self._metadata[1]
        where = self._settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
        try:
            found = msgspec.convert(await self._ask("GET", where), type=_Metadata)
        except msgspec.ValidationError as error:
            raise RefusedError(f"the provider's description: {error}") from error
        if found.issuer != self._settings.issuer:
            raise RefusedError(f"the provider calls itself {found.issuer!r}")
        self._metadata = now, found
        return found

    async def _ask(self, method: str, where: str, **more: Any) -> dict[str, Any]:
        try:
            answer = await self._http.request(method, where, **more)
        except httpx.HTTPError as error:
            raise UnavailableError(f"{self.name} does not answer: {error!r}") from error
        if answer.is_server_error:
            raise UnavailableError(f"{self.name} answered {answer.status_code}")
        try:
            found: dict[str, Any] = msgspec.json.decode(answer.content, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise RefusedError(f"{where} is no JSON object") from error
        if not answer.is_success:
            raise RefusedError(f"{where} answered {answer.status_code} {found.get('error')}")
        return found

    async def _verify(self, known: _Metadata, token: str, nonce: str) -> dict[str, Any]:
        """Return the claims of a token with a good signature, for us and now."""
        keys, fresh = self._keys, False
        if keys is None:
            keys, fresh = await self._fetch_keys(known), True
        try:
            return self._claims(token, keys, nonce)
        except RefusedError:
            if fresh:
                raise
        # The provider may have changed its keys since.
        return self._claims(token, await self._fetch_keys(known), nonce)

    async def _fetch_keys(self, known: _Metadata) -> jwk.KeySet:
        found = await self._ask("GET", known.jwks_uri)
        try:
            self._keys = jwk.KeySet.import_key_set(found)  # type: ignore[arg-type]  # checked by it
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise RefusedError(f"the provider's keys: {error!r}") from error
        return self._keys

    def _claims(self, token: str, keys: jwk.KeySet, nonce: str) -> dict[str, Any]:
        registry = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            claims = jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims
            registry.validate(claims)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise RefusedError(f"the ID token: {error!r}") from error
        party = claims.get("azp", self._settings.client_id)
        if party != self._settings.client_id:
            raise RefusedError(f"the ID token is for {party!r}")
        return claims

    def _believe(self, claims: dict[str, Any]) -> Vouched:
        email = claims.get("email")
        if not isinstance(email, str) or claims.get("email_verified") is not True:
            raise RefusedError("the provider has not verified the e-mail address")
        name = claims.get("name")
        return Vouched(
            subject=str(claims["sub"]),
            email=email.strip().lower(),
            name=name if isinstance(name, str) else "",
        )
