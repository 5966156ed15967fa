"""A small provider of OpenID Connect: real HTTP, real signatures, and faults on demand."""

import base64
import hashlib
import secrets
import time
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from joserfc import jwk, jwt

from support.local_http import LocalHttp, answer, redirect

CLIENT_ID = "postroom"
CLIENT_SECRET = "a secret: with / signs"


class OidcProvider(LocalHttp):
    """Vouches at once for whomever `claims` names; `faults` changes what goes into the token."""

    def __init__(self) -> None:
        super().__init__()
        self.key = jwk.RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}, private=True)
        self.signing = self.key
        self.claims: dict[str, Any] = {"sub": "1", "email": "", "email_verified": True}
        self.faults: dict[str, Any] = {}
        self.algorithm = "RS256"
        self.codes: dict[str, dict[str, str]] = {}
        self.seen: list[str] = []
        self.issuer = self.url

    @property
    def environment(self) -> dict[str, str]:
        return {
            "POSTROOM_OIDC_ISSUER": self.issuer,
            "POSTROOM_OIDC_CLIENT_ID": CLIENT_ID,
            "POSTROOM_OIDC_CLIENT_SECRET": CLIENT_SECRET,
        }

    def get(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        self.seen.append(parts.path)
        if parts.path == "/.well-known/openid-configuration":
            answer(request, 200, {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            })  # fmt: skip
        elif parts.path == "/keys":
            answer(request, 200, {"keys": [self.key.as_dict(private=False)]})
        elif parts.path == "/authorize":
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            code = secrets.token_urlsafe(12)
            self.codes[code] = asked
            where = f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"
            redirect(request, where)
        else:
            answer(request, 404, {"error": "not_found"})

    def post(self, request: BaseHTTPRequestHandler) -> None:
        length = int(request.headers["Content-Length"])
        form = {k: v[0] for k, v in parse_qs(request.rfile.read(length).decode()).items()}
        asked = self.codes.pop(form.get("code", ""), None)
        plain = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
        identity = [unquote(part) for part in plain.split(":")]
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            asked is None
            or identity != [CLIENT_ID, CLIENT_SECRET]
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form["redirect_uri"]
        ):
            answer(request, 400, {"error": "invalid_grant"})
            return
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300,
            "nonce": asked["nonce"], **self.claims, **self.faults,
        }  # fmt: skip
        header = {"alg": self.algorithm, "kid": self.signing.kid}
        key = self.signing if self.algorithm == "RS256" else jwk.OctKey.import_key(CLIENT_SECRET)
        token = jwt.encode(header, claims, key, algorithms=[self.algorithm])
        answer(request, 200, {"access_token": "x", "token_type": "Bearer", "id_token": token})
