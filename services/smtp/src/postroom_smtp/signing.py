"""Signatures of ours: DKIM (RFC 6376, RFC 8463) and ARC (RFC 8617).

The canonical form is by dkimpy, the signature by cryptography.

Laws:
1. relaxed/relaxed, no `l=`, no expiry; the fields that matter are signed once more than they are
   there, so that nobody can add another.
2. A body's hash is made once, however many copies it goes out in.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import Final, Literal

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from dkim.canonicalization import Relaxed

Algorithm = Literal["rsa", "ed25519"]
RSA_BITS: Final = 2_048
SIGNED: Final = (
    b"from", b"to", b"cc", b"subject", b"date", b"message-id", b"reply-to", b"in-reply-to",
    b"references", b"mime-version", b"content-type", b"content-transfer-encoding",
    b"list-id", b"list-unsubscribe", b"list-unsubscribe-post", b"list-post", b"auto-submitted",
)  # fmt: skip
ARC_SIGNED: Final = (*SIGNED, b"dkim-signature")
"""RFC 8617 §4.1.2."""
_ONCE_MORE: Final = frozenset(
    {b"from", b"to", b"cc", b"subject", b"date", b"message-id", b"reply-to", b"content-type"}
)
_FIELD: Final = re.compile(rb"([\x21-\x39\x3b-\x7e]+)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)\r\n")
_FOLDED: Final = 72
Private = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class KeyPair(msgspec.Struct, frozen=True):
    """A key as it is stored (PKCS #8, PEM), and what its domain publishes."""

    private: str
    record: str
    """The text of `<selector>._domainkey.<domain>`."""


def make_key(algorithm: Algorithm) -> KeyPair:
    """Return a new key."""
    private: Private
    if algorithm == "rsa":
        private = rsa.generate_private_key(public_exponent=65_537, key_size=RSA_BITS)
    else:
        private = ed25519.Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return KeyPair(pem.decode(), record_of(private))


def record_of(private: Private) -> str:
    """Return what a domain publishes for a key (RFC 6376 §3.6.1, RFC 8463 §4)."""
    public = private.public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return f"v=DKIM1; k=ed25519; p={base64.b64encode(raw).decode()}"
    der = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"


def read_key(pem: str) -> Private:
    """Return a stored key; ValueError for what is none, or one that we do not sign with."""
    try:
        private = serialization.load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(f"this is no private key: {error}") from None
    if not isinstance(private, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise ValueError("a key for RSA or Ed25519 is needed")  # noqa: TRY004 - it is text that is wrong
    return private


def body_hash(body: bytes) -> str:
    """Return the hash of a body (SHA-256, relaxed), in base64."""
    return base64.b64encode(hashlib.sha256(Relaxed.canonicalize_body(body)).digest()).decode()


class Signer:
    """Signs for one domain with one key."""

    def __init__(self, domain: str, selector: str, private: Private) -> None:
        self._domain = domain
        self._selector = selector
        self._private = private
        self.algorithm: Algorithm = "rsa" if isinstance(private, rsa.RSAPrivateKey) else "ed25519"

    def signature(self, header: bytes, hash_: str, at: int) -> bytes:
        """Return the field with its CRLF. `at`: seconds since 1970; `hash_`: of `body_hash`."""
        return self._over(b"DKIM-Signature", "v=1", SIGNED, header, hash_, at)

    def message_signature(self, header: bytes, hash_: str, at: int, instance: int) -> bytes:
        """Return the ARC-Message-Signature with its CRLF."""
        name = b"ARC-Message-Signature"
        return self._over(name, f"i={instance}", ARC_SIGNED, header, hash_, at)

    def seal(
        self, fields: Sequence[tuple[bytes, bytes]], status: str, at: int, instance: int
    ) -> bytes:
        """Return the ARC-Seal, with its CRLF, over these fields in this order."""
        head = (
            f" i={instance}; a={self.algorithm}-sha256; cv={status}; d={self._domain};\r\n"
            f"\ts={self._selector}; t={at};\r\n\tb="
        ).encode("ascii")
        return self._finished(
            b"ARC-Seal", head, [(name, value + b"\r\n") for name, value in fields]
        )

    def _over(
        self, name: bytes, first: str, signed: Sequence[bytes], header: bytes, hash_: str, at: int
    ) -> bytes:
        fields = fields_of(header)
        names = _names([one for one, _ in fields], signed)
        listed = ":".join(one.decode() for one in names)
        head = (
            f" {first}; a={self.algorithm}-sha256; c=relaxed/relaxed; d={self._domain};\r\n"
            f"\ts={self._selector}; t={at};\r\n\th={_folded(listed, ':')};\r\n"
            f"\tbh={hash_};\r\n\tb="
        ).encode("ascii")
        return self._finished(name, head, _picked(fields, names))

    def _finished(self, name: bytes, head: bytes, signed: Sequence[tuple[bytes, bytes]]) -> bytes:
        """Sign the fields and, as the last, the field itself with an empty b= (RFC 6376 §3.7)."""
        last = Relaxed.canonicalize_headers([(name.lower(), head)])
        canonical = Relaxed.canonicalize_headers(list(signed))
        data = b"".join(one + b":" + value for one, value in canonical)
        data += last[0][0] + b":" + last[0][1].rstrip()
        return name + b":" + head + _chunks(self._sign(data)) + b"\r\n"

    def _sign(self, data: bytes) -> bytes:
        if isinstance(self._private, rsa.RSAPrivateKey):
            return self._private.sign(data, padding.PKCS1v15(), hashes.SHA256())
        return self._private.sign(hashlib.sha256(data).digest())  # RFC 8463 §3


def fields_of(header: bytes) -> list[tuple[bytes, bytes]]:
    """Return names in lower case and values, folded as they are, from the top."""
    return [(m[1].lower(), m[2]) for m in _FIELD.finditer(header)]


def _names(present: Sequence[bytes], signed: Sequence[bytes]) -> list[bytes]:
    names: list[bytes] = []
    for name in signed:
        times = present.count(name)
        names += [name] * (times + (name in _ONCE_MORE))
    return names


def _picked(
    fields: Sequence[tuple[bytes, bytes]], names: Sequence[bytes]
) -> list[tuple[bytes, bytes]]:
    """Return the fields that are named, the lowest of a name first (RFC 6376 §5.4.2)."""
    left = list(fields)
    picked: list[tuple[bytes, bytes]] = []
    for name in names:
        for index in range(len(left) - 1, -1, -1):
            if left[index][0] == name:
                picked.append((name, left.pop(index)[1] + b"\r\n"))
                break
    return picked


def _folded(text: str, joint: str) -> str:
    lines = [""]
    for word in text.split(joint):
        if len(lines[-1]) + len(word) > _FOLDED:
            lines.append("")
        lines[-1] += word + joint
    return "\r\n\t ".join(lines).rstrip(joint)


def _chunks(signature: bytes) -> bytes:
    text = base64.b64encode(signature)
    return b"\r\n\t ".join(text[at : at + _FOLDED] for at in range(0, len(text), _FOLDED))
