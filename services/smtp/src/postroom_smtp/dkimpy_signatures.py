"""DKIM (RFC 6376, 8463) and ARC (RFC 8617) by dkimpy.

dkimpy asks the DNS in the midst of its work, and believes any key. Here the keys are asked for
first, and what would cost us much is refused. What remains runs in a worker process
(`worked_signatures`): its patterns can take long on hostile fields, and hold up all threads.

Laws:
1. At most MOST_SIGNATURES are looked at, each of at most MOST_FIELD bytes; keys have 1,024 to 4,096
   bits and a small exponent: what a mail costs is bounded, whoever has written it.
2. Nothing here waits: the work is bytes and keys to results.
"""

from collections.abc import Mapping
from typing import Any, Final

import dkim
import msgspec
from dkim.canonicalization import CanonicalizationPolicy
from dkim.crypto import UnparsableKeyError
from dkim.util import InvalidTagValueList

from postroom_contract.mail import ArcResult, DkimResult, Signature
from postroom_smtp.domain.key_names import MOST_FIELD, MOST_SIGNATURES, name_in, name_of, whose
from postroom_smtp.ports import Checked

MOST_SETS: Final = 50
"""RFC 8617 §4.2.1."""
_KEY_BITS: Final = (1_024, 4_096)
_RECORD: Final = 2_048
_EXPONENT: Final = 1 << 32
Keys = Mapping[str, bytes | None]
"""Texts by name. None: the DNS does not say; a missing name: there is none."""


class _NoKeyError(dkim.ValidationError):  # type: ignore[misc]  # the library has no types
    """There is no key, or none that we take."""


class _TroubleError(dkim.ValidationError):  # type: ignore[misc]  # the library has no types
    """The DNS did not say."""


class _Bounded(dkim.DomainSigner):  # type: ignore[misc]  # the library has no types
    """Keys that were asked for before, within bounds."""

    def verify_sig(
        self, sig: dict[bytes, bytes], include: list[bytes], field: Any, keys: Keys
    ) -> Any:
        name = name_of(sig.get(b"s", b""), sig.get(b"d", b""))
        record = keys.get(name, b"") if name else b""
        if record is None:
            raise _TroubleError("the DNS did not give the key")
        if not record or len(record) > _RECORD:
            raise _NoKeyError("no key is published for this signature")
        try:
            self.pk, self.keysize, self.ktag, self.seqtlsrpt = dkim.evaluate_pk(name, record)
        except (dkim.DKIMException, UnparsableKeyError, ValueError, IndexError) as error:
            raise _NoKeyError(f"the published key is none: {error}") from None
        if self.ktag == b"rsa":
            least, most = _KEY_BITS
            if not least <= self.keysize <= most or self.pk["publicExponent"] > _EXPONENT:
                raise _NoKeyError(f"a key of {self.keysize} bits is not taken")
        return self.verify_sig_process(sig, include, field, None)


class _Dkim(_Bounded, dkim.DKIM):  # type: ignore[misc]  # the library has no types
    pass


class _Arc(_Bounded, dkim.ARC):  # type: ignore[misc]  # the library has no types
    pass


def check_framed(task: bytes) -> Checked:
    """Check what `worked_signatures.framed` made; for a worker process."""
    raw, keys = msgspec.msgpack.decode(task, type=tuple[bytes, dict[str, bytes | None]])
    return Checked(check_dkim(raw, keys), check_arc(raw, keys))


def check_dkim(raw: bytes, keys: Keys) -> tuple[Signature, ...]:
    """Return what each signature is worth, the topmost first."""
    try:
        one = _Dkim(raw, minkey=_KEY_BITS[0])
    except dkim.DKIMException:
        return ()
    fields = [value for name, value in one.headers if name.lower() == b"dkim-signature"]
    return tuple(
        _result(one, index, value, keys) for index, value in enumerate(fields[:MOST_SIGNATURES])
    )


def check_arc(raw: bytes, keys: Keys) -> ArcResult:
    """Return what the chain is worth."""
    try:
        one = _Arc(raw, minkey=_KEY_BITS[0])
        chain = [v for k, v in one.headers if k.lower().startswith(b"arc-")]
        if not chain:
            return "none"
        if len(chain) > 3 * MOST_SETS or any(len(value) > MOST_FIELD for value in chain):
            return "fail"
        if any(keys.get(name, b"") is None for value in chain if (name := name_in(value))):
            return "temperror"
        verdict, _, _ = one.verify(dnsfunc=keys)
    except (dkim.DKIMException, InvalidTagValueList, ValueError, IndexError, KeyError):
        return "fail"
    if verdict is None:
        return "fail"  # the chain says itself that it has failed
    return {dkim.CV_Pass: "pass", dkim.CV_None: "none"}.get(verdict, "fail")  # type: ignore[return-value]  # two of its words


def _result(one: _Dkim, index: int, value: bytes, keys: Keys) -> Signature:
    domain, selector = whose(value)
    result: DkimResult = "permerror"
    reason = ""
    if len(value) > MOST_FIELD:
        return Signature(
            domain=domain, selector=selector, result="permerror", reason="too long a signature"
        )
    try:
        good = one.verify(idx=index, dnsfunc=keys)
        result, reason = ("pass", _partly(one)) if good else ("fail", "the signature does not fit")
        if good and reason:
            result = "neutral"
    except _TroubleError as error:
        result, reason = "temperror", str(error)
    except _NoKeyError as error:
        reason = str(error)
    except dkim.ValidationError as error:
        # What is signed has changed, or time is over; all else is a signature that is none.
        words = str(error)
        result = "fail" if words.startswith(("body hash", "x= value is past")) else "permerror"
        reason = words.partition(" (")[0]
    except (dkim.DKIMException, ValueError, KeyError, IndexError) as error:
        reason = str(error).partition(" (")[0]
    return Signature(domain=domain, selector=selector, result=result, reason=_plain(reason))


def _partly(one: _Dkim) -> str:
    """Return why a good signature is not relied on: somebody could have added to the body."""
    length = one.signature_fields.get(b"l")
    if length is None:
        return ""
    policy = CanonicalizationPolicy.from_c_value(one.signature_fields.get(b"c", b"simple/simple"))
    whole = int(length) >= len(policy.canonicalize_body(one.body))
    return "" if whole else "only a part of the body is signed (l=)"


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:200]
