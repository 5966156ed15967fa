"""Ids: `<prefix>_<26 of [a-z2-7]>`, safe as one subject token.

Law: a derived id depends on its parts alone, so whoever repeats a step draws the same id.
"""

import base64
import hashlib
from typing import Final, Literal

Prefix = Literal[
    "acc", "mbx", "msg", "evt", "cmd", "rul", "frm", "mem", "top", "pst", "out", "usr", "tok",
    "ded", "ses", "txn", "dom", "chk", "sch", "opr", "ntc", "svc", "lnk", "spw",
]  # fmt: skip

BODY_LENGTH: Final = 26
_ENTROPY_BYTES: Final = 10


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode("ascii").rstrip("=").lower()


def short_hash(*parts: str | bytes) -> str:
    """Return 26 base32 characters (130 bits) of SHA-256 over the length-prefixed parts."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return _base32(digest.digest())[:BODY_LENGTH]


def derived_id(prefix: Prefix, *parts: str | bytes) -> str:
    """Return the id that these parts always get."""
    return f"{prefix}_{short_hash(*parts)}"


def fresh_id(prefix: Prefix, unix_ms: int, entropy: bytes) -> str:
    """Return a new id that sorts by time: 48 bits of milliseconds, 80 bits of `entropy`.

    Raises ValueError when `entropy` is not 10 bytes long.
    """
    if len(entropy) != _ENTROPY_BYTES:
        raise ValueError(f"an id needs {_ENTROPY_BYTES} bytes of entropy, got {len(entropy)}")
    # base32 keeps order only with an ordered alphabet: RFC 4648 §7 (base32hex) has one.
    body = base64.b32hexencode(unix_ms.to_bytes(6, "big") + entropy)
    return f"{prefix}_{body.decode('ascii').rstrip('=').lower()}"
