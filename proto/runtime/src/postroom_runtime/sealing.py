"""Passwords for other people's servers, sealed so that only the fetcher can open them.

Law: a secret is sealed together with all it is for. Whoever opens it compares: a password that was
given for one host, login or way of encryption is never sent to another.
"""

import base64
import binascii
from collections.abc import Sequence

import msgspec
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from postroom_runtime.errors import RefusedError


class SealedSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A password and what it is for."""

    password: str
    mailbox: str
    login: str
    host: str
    port: int
    tls: str
    verify: bool


def new_private_key() -> str:
    """Return a new key, in hex: a line of the fetcher's key file."""
    return bytes(PrivateKey.generate()).hex()


def public_key_of(private_keys: str) -> str:
    """Return, in hex, the public key of the first line: what the api seals to."""
    return bytes(parse_private_keys(private_keys)[0].public_key).hex()


def parse_private_keys(text: str) -> tuple[PrivateKey, ...]:
    """Return the keys of a key file, the current one first; ValueError when a line is no key."""
    try:
        keys = tuple(PrivateKey(bytes.fromhex(line)) for line in text.split())
    except (ValueError, CryptoError, TypeError):
        raise ValueError("each line must be a key of 64 hex digits") from None
    if not keys:
        raise ValueError("there is no key")
    return keys


def parse_public_key(text: str) -> PublicKey:
    """Return the key; ValueError when the text is none."""
    try:
        return PublicKey(bytes.fromhex(text.strip()))
    except (ValueError, CryptoError, TypeError):
        raise ValueError("the public key must be 64 hex digits") from None


def seal(public_key: PublicKey, secret: SealedSecret) -> str:
    """Return base64 that only the owner of the private key can open."""
    sealed = SealedBox(public_key).encrypt(msgspec.json.encode(secret))
    return base64.b64encode(sealed).decode("ascii")


def open_sealed(private_keys: Sequence[PrivateKey], text: str) -> SealedSecret:
    """Return what was sealed to one of the keys; RefusedError when none of them opens it."""
    try:
        sealed = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError("the stored password cannot be read: enter it again") from None
    for key in private_keys:
        try:
            return msgspec.json.decode(SealedBox(key).decrypt(sealed), type=SealedSecret)
        except (CryptoError, ValueError, TypeError):
            continue
    raise RefusedError("no key of the fetcher opens the stored password: enter it again")
