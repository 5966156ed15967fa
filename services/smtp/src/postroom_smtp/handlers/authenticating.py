"""Who sent a mail: SPF, DKIM, ARC and DMARC, side by side and within a deadline.

Law: whatever DNS and mail do, the answer is there after `seconds`; what is not known then, or has
broken, is `temperror`, and never a reason to keep the mail out.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import msgspec
import structlog

from postroom_contract.mail import Authentication, DmarcResult
from postroom_runtime.errors import RefusedError, UnavailableError
from postroom_smtp.domain import dmarc
from postroom_smtp.domain.dmarc import Record
from postroom_smtp.domain.key_names import is_signed, key_names
from postroom_smtp.ports import (
    Checked,
    DnsTroubleError,
    Names,
    NoSuchNameError,
    Organisations,
    Senders,
    Signatures,
)

T = TypeVar("T")
SECONDS: Final = 5.0


class _Policy(msgspec.Struct, frozen=True):
    record: Record | None
    inherited: bool = False
    trouble: bool = False


class Authenticating:
    """Looks at one mail after the other; any number side by side."""

    def __init__(
        self,
        names: Names,
        senders: Senders,
        signatures: Signatures,
        organisations: Organisations,
        seconds: float = SECONDS,
    ) -> None:
        self._names = names
        self._senders = senders
        self._signatures = signatures
        self._organisations = organisations
        self._seconds = seconds

    async def of(self, raw: bytes, *, client: str, helo: str, sender: str) -> Authentication:
        """Return what is known. `raw` as the peer sent it, `sender` the envelope's, or empty."""
        author = dmarc.author_domain(raw)
        deadline = asyncio.get_running_loop().time() + self._seconds
        spf, signed, policy = await asyncio.gather(
            _until(deadline, self._senders.spf(client, sender, helo), "temperror"),
            _until(deadline, self._signed(raw), None),
            _until(deadline, self._policy(author), _Policy(None, trouble=True)),
        )
        known = signed or Checked((), "temperror")
        spf_domain = (sender.rpartition("@")[2] or helo).lower()
        found = Authentication(
            spf=spf, spf_domain=spf_domain, dkim=known.dkim, arc=known.arc, author_domain=author
        )
        result, asked = self._judged(found, policy, signed is None)
        return msgspec.structs.replace(found, dmarc=result, policy=asked)

    def _judged(
        self, found: Authentication, policy: _Policy, unknown: bool
    ) -> tuple[DmarcResult, Any]:
        if not found.author_domain:
            return "permerror", "none"
        if policy.record is None:
            return ("temperror" if policy.trouble else "none"), "none"
        result, asked = dmarc.judged(
            found.author_domain,
            policy.record,
            (found.spf, found.spf_domain),
            found.dkim,
            self._organisations.organisation,
            inherited=policy.inherited,
        )
        return ("temperror" if result == "fail" and unknown else result), asked

    async def _signed(self, raw: bytes) -> Checked:
        if not is_signed(raw):
            return Checked((), "none")
        names = key_names(raw)
        keys = dict(zip(names, await asyncio.gather(*map(self._key, names)), strict=True))
        return await self._signatures.check(raw, keys)

    async def _key(self, name: str) -> bytes | None:
        """Return a key's record; None: the DNS does not say; empty: there is none."""
        try:
            texts = await self._names.txt(name)
        except NoSuchNameError:
            return b""
        except DnsTroubleError:
            return None
        return texts[0] if texts else b""

    async def _policy(self, author: str) -> _Policy:
        """Return the policy of the author's domain, or of its organisation (RFC 7489 §6.6.3)."""
        organisation = self._organisations.organisation(author) if author else ""
        for domain in dict.fromkeys((author, organisation)):
            if not domain:
                continue
            try:
                record = dmarc.record_of(await self._names.txt(f"_dmarc.{domain}"))
            except NoSuchNameError:
                continue
            except DnsTroubleError:
                return _Policy(None, trouble=True)
            if record is not None:
                return _Policy(record, inherited=domain != author)
        return _Policy(None)


async def _until(deadline: float, work: Coroutine[Any, Any, T], otherwise: T) -> T:
    """Return what the work gives, or `otherwise` when time is over or it breaks."""
    try:
        async with asyncio.timeout_at(deadline):
            return await work
    except TimeoutError:
        pass
    except (RefusedError, UnavailableError) as error:
        structlog.get_logger().warning("a sender could not be checked", reason=str(error))
    except Exception:  # noqa: BLE001 - no mail is kept out by a fault of ours; logged whole
        structlog.get_logger().exception("a sender could not be checked")
    return otherwise
