"""OAuth 2.0 as the fetcher needs it: forms, answers, and what is said to a mail server.

Sources: RFC 6749 (§4.1.3, §5, §6), RFC 7636, RFC 7628, and Google's XOAUTH2.
"""

import base64
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from urllib.parse import urlencode, urlsplit

import msgspec

from postroom_contract.documents import FetchSource
from postroom_fetcher.domain.secret import Secret

Mechanism = Literal["OAUTHBEARER", "XOAUTH2"]
RENEW_BEFORE: Final = timedelta(minutes=5)
USUAL_LIFE: Final = 3_600
"""Seconds, where the provider does not say (RFC 6749 §5.1: expires_in is only recommended)."""
LONGEST_LIFE: Final = 7 * 86_400
_SHOWN: Final = 200


class Tokens(msgspec.Struct, frozen=True):
    """What a token URL gave."""

    access: str
    refresh: str
    """Empty: the one that there is goes on."""
    seconds: int


class Said(msgspec.Struct, frozen=True):
    """What a token URL refused with (RFC 6749 §5.2)."""

    error: str
    words: str

    @property
    def gone(self) -> bool:
        """Whether the grant is no more: its owner must sign in again."""
        return self.error == "invalid_grant"


def code_form(code: str, verifier: str, redirect_uri: str, client: str, secret: str) -> bytes:
    """Return the form that exchanges a code."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }
    return _form(form, client, secret)


def refresh_form(refresh: str, client: str, secret: str) -> bytes:
    """Return the form that asks for a new access token."""
    return _form({"grant_type": "refresh_token", "refresh_token": refresh}, client, secret)


def _form(form: dict[str, str], client: str, secret: str) -> bytes:
    # In the form and not as Basic: all big providers of mail take it (RFC 6749 §2.3.1 allows it).
    form["client_id"] = client
    if secret:
        form["client_secret"] = secret
    return urlencode(form).encode()


def answer_of(status: int, body: bytes) -> Tokens | Said:
    """Return what an answer below 500 means; ValueError when it is none of OAuth's."""
    found = msgspec.json.decode(body, type=dict[str, Any])
    if status >= 400 or "error" in found:  # noqa: PLR2004 - RFC 6749 §5.2
        words = _plain(str(found.get("error_description") or found.get("error") or status))
        return Said(_plain(str(found.get("error", ""))), words)
    access, refresh = found.get("access_token"), found.get("refresh_token", "")
    if not isinstance(access, str) or not access or not isinstance(refresh, str):
        raise ValueError("there is no access token in it")
    return Tokens(access, refresh, _seconds(found.get("expires_in")))


def _seconds(given: object) -> int:
    try:
        seconds = int(str(given))
    except ValueError:
        return USUAL_LIFE
    return min(max(seconds, 0), LONGEST_LIFE)


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:_SHOWN].strip()


def fresh(expires_at: datetime, now: datetime) -> bool:
    """Return whether an access token may still be used."""
    return expires_at - now > RENEW_BEFORE


def client_mismatches(secret: Secret, source: FetchSource) -> tuple[str, ...]:
    """Return in words what a client's secret was not given for."""
    where = urlsplit(source.token_url)
    pairs = (
        ("client", secret.login, source.client_id),
        ("host", secret.host, (where.hostname or "").lower()),
        ("port", secret.port, where.port or 443),
    )
    return tuple(name for name, given, wanted in pairs if given != wanted)


def mechanism_of(offered: frozenset[str]) -> Mechanism | None:
    """Return how to sign in, of what a server offers (`AUTH=` cut off), or None."""
    for one in ("OAUTHBEARER", "XOAUTH2"):
        if one in offered:
            return one
    return None


def response(mechanism: Mechanism, source: FetchSource, token: str) -> bytes:
    """Return what signs in with a token, in base64; ValueError for what cannot be said."""
    if any(c in source.login + token for c in "\x00\x01\r\n"):
        raise ValueError("login or token has a control character")
    if mechanism == "XOAUTH2":
        plain = f"user={source.login}\x01auth=Bearer {token}\x01\x01"
    else:
        # RFC 7628 §3.1, RFC 5801 §4: comma and equals sign are written otherwise in a GS2 header.
        name = source.login.replace("=", "=3D").replace(",", "=2C")
        place = f"host={source.host}\x01port={source.port}"
        plain = f"n,a={name},\x01{place}\x01auth=Bearer {token}\x01\x01"
    return base64.b64encode(plain.encode())


def after_refusal(mechanism: Mechanism) -> bytes:
    """Return what ends an exchange that the server has refused in a challenge (RFC 7628 §3.2.3)."""
    return b"" if mechanism == "XOAUTH2" else b"AQ=="
