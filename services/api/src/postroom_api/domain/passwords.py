"""Credentials as hashes: slow ones for what people choose, fast ones for 256 random bits."""

import hashlib
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

TOKEN_PREFIX: Final = "prt_"  # noqa: S105 - a prefix, no secret
_HASHER = PasswordHasher()
# A sign-in for an unknown address costs as much as one for a known address.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$MDAwMDAwMDAwMDAwMDAwMA$" + "A" * 43


def hash_password(password: str) -> str:
    """Return an Argon2id hash with its parameters."""
    return _HASHER.hash(password)


def verify_password(stored: str | None, password: str) -> bool:
    """Return whether the password fits; takes as long for an unknown person (None)."""
    try:
        return _HASHER.verify(stored or _NOBODY, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def hash_secret(secret: str) -> str:
    """Return the hash under which a session's or token's secret is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()
