"""Ids: `<prefix>_<26 of [a-z2-7]>`, safe as one subject token.

Law: a derived id depends on its parts alone, so whoever repeats a step draws the same id.
"""

import hashlib
from typing import Final, Literal

Prefix = Literal[
    "acc", "mbx", "msg", "evt", "cmd", "rul", "frm", "mem", "top", "pst", "out", "usr", "tok",
    "ded", "ses", "txn", "dom", "chk", "sch", "opr", "ntc", "svc", "lnk", "spw",
    "sup", "whk", "whc", "tkt", "exm",
]  # fmt: skip

BODY_LENGTH: Final = 26
_ENTROPY_BYTES: Final = 10


def _pairs(alphabet: str) -> tuple[str, ...]:
    return tuple(one + other for one in alphabet for other in alphabet)


_BASE32: Final = _pairs("abcdefghijklmnopqrstuvwxyz234567")
_ORDERED: Final = _pairs("0123456789abcdefghijklmnopqrstuv")
"""Two characters (RFC 4648 §6 and §7, in lower case) for each ten bits. Every mail has several ids,
and the standard library's way takes three times as long."""
_SHIFTS: Final = tuple(range(120, -1, -10))


def _body(number: int, pairs: tuple[str, ...]) -> str:
    """Return 130 bits in base32."""
    return "".join([pairs[number >> shift & 1023] for shift in _SHIFTS])


def short_hash(*parts: str | bytes) -> str:
    """Return 26 base32 characters (130 bits) of SHA-256 over the length-prefixed parts."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return _body(int.from_bytes(digest.digest()[:17], "big") >> 6, _BASE32)


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
    number = int.from_bytes(unix_ms.to_bytes(6, "big") + entropy, "big") << 2
    return f"{prefix}_{_body(number, _ORDERED)}"
