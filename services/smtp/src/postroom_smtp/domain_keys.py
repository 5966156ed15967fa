"""The keys with which our domains sign what they send (DKIM). Port: Seals, Signs.

Laws:
1. A private key is sealed with the domain and selector it is for; it signs for no other.
2. A key that cannot be used keeps no mail back: it goes out without that signature, and the log
   says so.
"""

import functools
import re
import time
from collections.abc import Sequence
from typing import Final

import structlog
from nacl.public import PrivateKey

from postroom_contract.documents import DkimKey
from postroom_contract.mail_domains import MadeKey, MakeKey
from postroom_runtime.errors import RefusedError, UnavailableError
from postroom_runtime.sealing import SealedSecret, open_sealed, seal
from postroom_smtp.domain import dmarc
from postroom_smtp.domain.data import header_of
from postroom_smtp.ports import Directory
from postroom_smtp.signing import Signer, body_hash, make_key, read_key

_KEPT: Final = 1_000
_FROM: Final = re.compile(rb"^from[ \t]*:(?:[^\n]|\n[ \t])*\n", re.IGNORECASE | re.MULTILINE)


class DomainKeys:
    """Makes keys, and signs with those that the configuration names."""

    def __init__(self, directory: Directory, private_keys: Sequence[PrivateKey]) -> None:
        self._directory = directory
        self._private_keys = private_keys
        self._signers: dict[str, Signer | None] = {}
        self._log = structlog.get_logger()

    async def make(self, question: MakeKey) -> MadeKey:
        """Return a new key; RefusedError where there is nothing to seal it to."""
        if not self._private_keys:
            raise RefusedError("POSTROOM_SMTP_KEY is not set: keys for DKIM cannot be kept")
        made = make_key(question.algorithm)
        secret = _bound(made.private, question.domain, question.selector)
        return MadeKey(sealed=seal(self._private_keys[0].public_key, secret), record=made.record)

    def signed(self, raw: bytes, sender: str) -> bytes:
        """Return the mail with the signatures of its author's domain, or else of its sender's."""
        domain, keys = self._keys(raw, sender)
        if not keys:
            return raw
        header = header_of(raw)
        hash_ = body_hash(raw[len(header) + 2 :])
        now = int(time.time())
        signers = [found for one in keys if (found := self._signer(domain, one)) is not None]
        return b"".join(one.signature(header, hash_, now) for one in signers) + raw

    def signers(self, domain: str) -> list[Signer]:
        """Return who signs for a domain of ours; nobody for another."""
        try:
            document = self._directory.domain(domain)
        except UnavailableError:
            return []
        keys = document.keys if document is not None else ()
        return [found for one in keys if (found := self._signer(domain, one)) is not None]

    def _keys(self, raw: bytes, sender: str) -> tuple[str, tuple[DkimKey, ...]]:
        for domain in (_author_domain(raw), sender.rpartition("@")[2].lower()):
            if not domain:
                continue
            try:
                document = self._directory.domain(domain)
            except UnavailableError:
                continue
            if document is not None and document.keys:
                return domain, document.keys
        return "", ()

    def _signer(self, domain: str, key: DkimKey) -> Signer | None:
        if key.sealed not in self._signers:
            if len(self._signers) >= _KEPT:
                self._signers.clear()
            self._signers[key.sealed] = self._opened(domain, key)
        return self._signers[key.sealed]

    def _opened(self, domain: str, key: DkimKey) -> Signer | None:
        try:
            secret = open_sealed(self._private_keys, key.sealed)
            private = read_key(secret.password)
        except (RefusedError, ValueError) as error:
            self._log.warning("mail is not signed", domain=domain, reason=str(error))
            return None
        if secret != _bound(secret.password, domain, key.selector):
            self._log.warning("mail is not signed", domain=domain, reason="another domain's key")
            return None
        return Signer(domain, key.selector, private)


def _author_domain(raw: bytes) -> str:
    """Return the domain of the author; the copies of one mail are read once."""
    return _domain_of(b"".join(_FROM.findall(header_of(raw))))


@functools.lru_cache(_KEPT)
def _domain_of(fields: bytes) -> str:
    return dmarc.author_domain(fields + b"\r\n")


def _bound(pem: str, domain: str, selector: str) -> SealedSecret:
    return SealedSecret(
        password=pem, mailbox="dkim", login=selector, host=domain, port=0, tls="", verify=False
    )
