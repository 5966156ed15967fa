"""Values to bytes and back: JSON for what outsiders read, msgpack for the intake envelope."""

import base64
import binascii
from typing import Final, TypeVar

import msgspec

from postroom_contract.mail import Envelope

T = TypeVar("T")

ENVELOPE_HEADER: Final = "Postroom-Envelope"


class ContractError(ValueError):
    """Bytes on the wire are not what the contract says; trying again does not help."""


def encode(value: object) -> bytes:
    """Return the value as compact JSON."""
    return msgspec.json.encode(value)


def decode(data: bytes, kind: type[T]) -> T:
    """Return the value of type `kind`; ContractError says what does not fit."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ContractError(f"not a {kind}: {error}") from error


def envelope_to_header(envelope: Envelope) -> str:
    """Return base64url of the envelope's msgpack, fit for one NATS header value."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(envelope)).decode("ascii")


def envelope_from_header(value: str) -> Envelope:
    """Return the envelope; ContractError when the header was not written by us."""
    try:
        return msgspec.msgpack.decode(base64.urlsafe_b64decode(value), type=Envelope)
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise ContractError(f"not an envelope: {error}") from error
