"""Seals mail that is sent on with the key of the domain that it came to (ARC, RFC 8617).

Law: what cannot be sealed goes on without a seal.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from postroom_contract.mail import Envelope
from postroom_smtp.domain.arc import next_link, sets_in
from postroom_smtp.domain.data import header_of
from postroom_smtp.domain.results import authentication_results
from postroom_smtp.signing import Signer, body_hash, fields_of

_FIELD: Final = b"Authentication-Results: "


class ArcSealing:
    """Says what we found out about a mail to whom it is sent on."""

    def __init__(self, signers: Callable[[str], Sequence[Signer]], hostname: str) -> None:
        self._signers = signers
        self._hostname = hostname

    def seal(self, raw: bytes, envelope: Envelope) -> bytes:
        """Return the set to put on top of a mail (clean), with its last CRLF, or nothing."""
        if envelope.authentication is None:
            return b""
        header = header_of(raw)
        link = next_link(sets_in(fields_of(header)), envelope.authentication.arc)
        signer = self._signer(envelope.recipient.rpartition("@")[2])
        if link is None or signer is None:
            return b""
        at, number = int(time.time()), link.instance
        results = self._results(envelope, number)
        message = signer.message_signature(header, body_hash(raw[len(header) + 2 :]), at, number)
        below = [*link.below, *fields_of(results + message)]
        return signer.seal(below, link.status, at, number) + message + results

    def _signer(self, domain: str) -> Signer | None:
        return next((one for one in self._signers(domain) if one.algorithm == "rsa"), None)

    def _results(self, envelope: Envelope, number: int) -> bytes:
        field = authentication_results(
            self._hostname,
            envelope.authentication,
            sender=envelope.sender,
            helo=envelope.helo,
            submitter=envelope.submitter,
        )
        return b"ARC-%si=%d; %s" % (_FIELD, number, field.removeprefix(_FIELD))
