"""A provider of mail that people sign in at (OAuth 2.0): real HTTP, one-time codes, PKCE, rotation.

Dovecot asks it whose a token is (`introspect`); it can be told to deny, to fail and to revoke.
"""

import base64
import hashlib
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from support.local_http import LocalHttp, answer, redirect

CLIENT_ID, CLIENT_SECRET = "postroom-client", "client-s3cret-canary"


class MailProvider(LocalHttp):
    """Lets `login` in, at once."""

    def __init__(self, login: str) -> None:
        super().__init__()
        self.login = login
        self.life = 3_600
        """Seconds that an access token lasts."""
        self.denies = self.down = self.revoked = False
        self.refreshes = 0
        self.codes: dict[str, dict[str, str]] = {}
        self.refresh: set[str] = set()
        """Refresh tokens that are good, each for one use."""
        self.access: dict[str, float] = {}
        self.issued: list[str] = []
        """Everything secret that was ever given out."""
        self.asked: list[dict[str, str]] = []
        self._lock = threading.Lock()

    @property
    def client(self) -> dict[str, str]:
        """What an administrator enters at an e-mail service."""
        return {
            "use": "needed", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
            "authorize_url": f"{self.url}/authorize", "token_url": f"{self.url}/token",
            "scopes": "mail offline_access",
        }  # fmt: skip

    def get(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/introspect":
            good = self.access.get(asked.get("token", ""), 0) > time.time() and not self.revoked
            found = {"active": True, "email": self.login} if good else {"active": False}
            answer(request, 200, found)
        elif parts.path == "/authorize":
            self.asked.append(asked)
            back: dict[str, str] = {"state": asked["state"]}
            if self.denies:
                back |= {"error": "access_denied", "error_description": "She said no"}
            else:
                back["code"] = self._secret("code")
                self.codes[back["code"]] = asked
            redirect(request, f"{asked['redirect_uri']}?{urlencode(back)}")
        else:
            answer(request, 404, {"error": "not_found"})

    def post(self, request: BaseHTTPRequestHandler) -> None:
        length = int(request.headers["Content-Length"])
        form = {k: v[0] for k, v in parse_qs(request.rfile.read(length).decode()).items()}
        with self._lock:
            status, found = self._token(form)
        answer(request, status, found)

    def _token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if self.down:
            return 503, {"error": "temporarily_unavailable"}
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return 401, {"error": "invalid_client"}
        if form["grant_type"] == "refresh_token":
            self.refreshes += 1
            good = form["refresh_token"] in self.refresh and not self.revoked
            self.refresh.discard(form["refresh_token"])
        else:
            asked = self.codes.pop(form["code"], None)
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
            good = (
                asked is not None
                and asked["code_challenge"] == challenge
                and asked["redirect_uri"] == form["redirect_uri"]
            )
        if not good:
            return 400, {"error": "invalid_grant", "error_description": "The grant is over"}
        access, refresh = self._secret("access"), self._secret("refresh")
        self.access[access] = time.time() + 60
        self.refresh.add(refresh)
        return 200, {
            "access_token": access, "refresh_token": refresh, "token_type": "Bearer",
            "expires_in": self.life,
        }  # fmt: skip

    def _secret(self, kind: str) -> str:
        made = f"{kind}-canary-{secrets.token_urlsafe(24)}"
        self.issued.append(made)
        return made
