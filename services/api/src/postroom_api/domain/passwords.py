"""Credentials as hashes: slow ones for what people choose, fast ones for 256 random bits."""

import hashlib
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from postroom_api.domain.common_passwords import COMMON

TOKEN_PREFIX: Final = "prt_"  # noqa: S105 - a prefix, no secret
SHORTEST: Final = 10
LONGEST: Final = 1_000
_FEWEST_DIFFERENT: Final = 4
_HASHER = PasswordHasher()
# A sign-in for an unknown address costs as much as one for a known address.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$MDAwMDAwMDAwMDAwMDAwMA$" + "A" * 43


def weakness(password: str, email: str) -> str | None:
    """Return why nobody should have this password, or None."""
    plain = password.strip().lower()
    if len(password) < SHORTEST:
        return f"A password has at least {SHORTEST} characters; a few words make a good one."
    if len(password) > LONGEST:
        return f"A password has at most {LONGEST} characters."
    if plain in {email.lower(), email.lower().rpartition("@")[0]}:
        return "Your e-mail address is no password: everybody knows it."
    if plain in COMMON or len(set(plain)) < _FEWEST_DIFFERENT:
        return "This is one of the passwords that are tried first. Choose another one."
    return None


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
