"""Webhooks (Standard Webhooks 1.0): what is told, how it is signed, when it is tried again."""

import base64
import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from postroom_contract.events import MailSorted

CallState = Literal["waiting", "delivered", "dead"]
PREFIX: Final = "whsec_"
_PAUSES: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
"""Seconds between the attempts: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h; 27 hours in all."""
MOST_WEBHOOKS: Final = 50
MAX_URL: Final = 2_000


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A program that is told of mails."""

    id: str
    name: str
    url: str
    active: bool
    trouble: str
    """Why it was switched off by itself; empty: it was not."""
    created_at: datetime
    waiting: int
    dead: int
    version: int


class MadeWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """A new webhook, and the secret that its calls are signed with: shown this once."""

    webhook: Webhook
    secret: str


class WebhookCall(msgspec.Struct, frozen=True, kw_only=True):
    """One mail told to one webhook."""

    id: str
    mail: str
    state: CallState
    attempts: int
    next_attempt_at: datetime
    reply: str
    created_at: datetime


def signature(secret: str, call: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature` (Standard Webhooks, "Signature scheme")."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = hmac.digest(key, f"{call}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(signed).decode()


def next_attempt(attempts: int, now: datetime) -> datetime | None:
    """Return when a call is tried again after so many attempts; None: it is given up."""
    if attempts > len(_PAUSES):
        return None
    return now + timedelta(seconds=_PAUSES[attempts - 1])


def body_of(event: MailSorted, rule: str) -> dict[str, Any]:
    """Return what is told of a mail."""
    summary = event.summary
    return {
        "type": "mail.matched",
        "timestamp": msgspec.to_builtins(event.time),
        "data": {
            "message": event.about,
            "mailbox": event.mailbox,
            "rule": rule,
            "recipient": event.recipient,
            "envelope_sender": event.envelope_sender,
            "from": msgspec.to_builtins(summary.sender),
            "to": list(summary.to),
            "subject": summary.subject,
            "message_id": summary.message_id,
            "preview": summary.preview,
            "size": event.size,
            "received_at": msgspec.to_builtins(event.received_at),
            "importance": event.decision.importance,
            "spam_rating": event.decision.spam_rating,
            "tags": list(event.decision.tags),
            "attachments": [msgspec.to_builtins(one) for one in summary.attachments],
        },
    }


def url_problem(url: str) -> str:
    """Return what is wrong with an address to call; empty when nothing is."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"this is no address: {error}"
    if parts.scheme not in {"https", "http"} or not parts.hostname or port == 0:
        return "an address to call begins with https:// and names a host"
    if parts.username is not None or parts.password is not None:
        return "an address to call holds no password: calls are signed"
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        return f"an address to call is printable ASCII of at most {MAX_URL} characters"
    return ""
