"""Tokens in reply, bounce and unsubscribe addresses, and the marker that stops mail loops.

Laws:
1. A token is made of kind, key and serial alone; what it stands for, and until when, is a row of
   the owner's. Whoever has no key makes none (80 bits of HMAC-SHA256).
2. There is exactly one spelling of a token, apart from case: any other character fails.
3. Tokens and markers are signed for different purposes: one never passes as the other.
"""

import base64
import hashlib
import hmac
import re
from typing import Literal, get_args

import msgspec

Kind = Literal["r", "b", "u"]
"""Reply, bounce, unsubscribe."""

MAX_SERIAL = 2**63 - 1
"""A serial is a positive bigint of Postgres."""

_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"
_FORM = re.compile(r"([rbu])([a-z0-9])-([a-z2-7]{1,13})-([a-z2-7]{16})")
_KEY_ID = re.compile(r"[a-z0-9]")
_KEY_BYTES = 32
_KINDS: tuple[Kind, ...] = get_args(Kind)


class TokenKeys(msgspec.Struct, frozen=True):
    """Keys by their one-character id; the first signs, all verify."""

    keys: tuple[tuple[str, bytes], ...]

    def __repr__(self) -> str:
        """Name the key ids only: keys do not belong into logs."""
        return f"TokenKeys({', '.join(key_id for key_id, _ in self.keys)})"


def parse_keys(text: str) -> TokenKeys:
    """Read lines `id:hex` (32 bytes each, `#` starts a comment line), newest first.

    Raises ValueError for the operator, with the line's number and nothing of the key.
    """
    keys: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        key_id, _, digits = entry.partition(":")
        try:
            key = bytes.fromhex(digits)
        except ValueError:
            key = b""
        if not _KEY_ID.fullmatch(key_id) or len(key) != _KEY_BYTES or key_id in keys:
            raise ValueError(
                f"token keys, line {number}: expected a new id of one character a-z or 0-9,"
                f" a colon and {2 * _KEY_BYTES} hex digits"
            )
        keys[key_id] = key
    if not keys:
        raise ValueError("token keys: there is no key")
    return TokenKeys(tuple(keys.items()))


def sign(keys: TokenKeys, kind: Kind, serial: int) -> str:
    """Return the token, at most 33 characters of `[a-z0-9-]`: it fits into a local part."""
    key_id, key = keys.keys[0]
    return _token(key_id, key, kind, serial)


def verify(keys: TokenKeys, token: str) -> tuple[Kind, int] | None:
    """Return kind and serial of a token that one of our keys signed, else None; any case."""
    # Only ASCII: the Kelvin sign has the lower case "k" and would be a second spelling.
    form = _FORM.fullmatch(token.lower()) if token.isascii() else None
    if form is None:
        return None
    key = dict(keys.keys).get(form[2])
    serial = _number(form[3])
    if key is None or serial > MAX_SERIAL:
        return None
    kind = _kind(form[1])
    # The whole token is made anew, so that leading zeros are no second spelling either.
    expected = _token(form[2], key, kind, serial)
    return (kind, serial) if hmac.compare_digest(expected, form[0]) else None


def token_kind(detail: str) -> Kind | None:
    """Say by form alone which kind of token a detail is; nothing about its truth."""
    form = _FORM.fullmatch(detail.lower()) if detail.isascii() else None
    return _kind(form[1]) if form else None


def marker(keys: TokenKeys, message_id: str) -> str:
    """Return the value of our loop header for a mail with this Message-ID (no brackets)."""
    key_id, key = keys.keys[0]
    return _marker(key_id, key, message_id)


def marker_valid(keys: TokenKeys, message_id: str, value: str) -> bool:
    """Tell whether the loop header's value is ours for this Message-ID."""
    value = value.strip()
    key = dict(keys.keys).get(value[:1])
    if key is None or not value.isascii():
        return False
    return hmac.compare_digest(_marker(value[:1], key, message_id), value)


def _token(key_id: str, key: bytes, kind: Kind, serial: int) -> str:
    if not 0 <= serial <= MAX_SERIAL:
        raise ValueError("a token's serial is a number from 0 to 2^63 - 1")
    mac = _mac(key, f"token|{kind}|{serial}", 10)
    return f"{kind}{key_id}-{_base32(serial)}-{mac}"


def _marker(key_id: str, key: bytes, message_id: str) -> str:
    return f"{key_id}-{_mac(key, f'loop|{message_id}', 20)}"


def _mac(key: bytes, purpose: str, size: int) -> str:
    digest = hmac.digest(key, purpose.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return base64.b32encode(digest[:size]).decode("ascii").lower()


def _kind(letter: str) -> Kind:
    return next(kind for kind in _KINDS if kind == letter)


def _base32(number: int) -> str:
    digits = ""
    while True:
        number, digit = divmod(number, 32)
        digits = _DIGITS[digit] + digits
        if not number:
            return digits


def _number(digits: str) -> int:
    number = 0
    for digit in digits:
        number = number * 32 + _DIGITS.index(digit)
    return number
