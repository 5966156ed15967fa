"""Signing in: AUTH PLAIN (RFC 4616) and AUTH LOGIN (draft-murchison-sasl-login), line by line.

Law: a password stands in no reply, log or value that outlives the check.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Generator
from typing import Final

from postroom_contract.documents import SubmissionDocument
from postroom_smtp.domain import replies
from postroom_smtp.domain.replies import RefusalError, Reply

MECHANISMS: Final = ("PLAIN", "LOGIN")
LONGEST: Final = 512
"""Characters of a login or password."""
_LOGIN_PROMPTS: Final = ("VXNlcm5hbWU6", "UGFzc3dvcmQ6")
"""`Username:` and `Password:` in base64."""

Check = Callable[[str, str], str]
"""Returns the e-mail address of whoever has this login and password, or raises RefusalError."""
Exchange = Generator[Reply, bytes, tuple[str, str]]
"""Yields challenges, is sent the lines that answer them, returns login and password."""


def begin(argument: str) -> Exchange:
    """Return the exchange that an AUTH command begins; RefusalError when it is none of ours."""
    mechanism, _, initial = argument.partition(" ")
    if mechanism.upper() not in MECHANISMS:
        raise RefusalError(replies.UNKNOWN_MECHANISM)
    first = initial.strip().encode("ascii", "replace") if initial else None
    return _plain(first) if mechanism.upper() == "PLAIN" else _login(first)


def _plain(first: bytes | None) -> Exchange:
    answer = first if first is not None else (yield replies.challenge(""))
    parts = _decoded(answer).split("\0")
    if len(parts) != 3:  # noqa: PLR2004 - authorization identity, login, password
        raise RefusalError(replies.NOT_BASE64)
    identity, login, password = parts
    if identity not in {"", login}:
        raise RefusalError(replies.WRONG_PASSWORD)
    return login, password


def _login(first: bytes | None) -> Exchange:
    login = first if first is not None else (yield replies.challenge(_LOGIN_PROMPTS[0]))
    name = _decoded(login)
    return name, _decoded((yield replies.challenge(_LOGIN_PROMPTS[1])))


def _decoded(line: bytes) -> str:
    if line == b"*":
        raise RefusalError(replies.CANCELLED)
    try:
        text = base64.b64decode(b"" if line == b"=" else line, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise RefusalError(replies.NOT_BASE64) from None
    if len(text) > 3 * LONGEST:
        raise RefusalError(replies.WRONG_PASSWORD)
    return text


def verified(document: SubmissionDocument | None, password: str, *, knows: bool) -> str:
    """Return whose password this is; RefusalError when it is nobody's, or we cannot say."""
    if document is None:
        raise RefusalError(replies.WRONG_PASSWORD if knows else replies.CANNOT_SIGN_IN)
    # The passwords are random: what the time of a comparison tells of a hash helps nobody.
    if hashlib.sha256(password.encode()).hexdigest() not in document.hashes:
        raise RefusalError(replies.WRONG_PASSWORD)
    return document.login
