"""DMARC (RFC 7489): whether what was proved belongs to the author that people see."""

from collections.abc import Callable, Sequence
from typing import Final, Literal

import msgspec

from postroom_contract.mail import DmarcPolicy, DmarcResult, Signature, SpfResult
from postroom_mail.address import AddressError, domain_to_ascii, parse_address
from postroom_mail.addresslist import read_address_list
from postroom_mail.headers import MAX_BLOCK, split_head

Organisation = Callable[[str], str]
_POLICIES: Final[dict[str, DmarcPolicy]] = {
    "none": "none",
    "quarantine": "quarantine",
    "reject": "reject",
}
_TAGS: Final = 30


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A domain's policy."""

    policy: DmarcPolicy
    subdomains: DmarcPolicy
    strict_dkim: bool = False
    strict_spf: bool = False


def author_domain(raw: bytes) -> str:
    """Return the domain of the From field, in ASCII; empty unless it is one address in one field.

    RFC 7489 §6.6.1: a mail of several authors' domains says nothing that could be checked.
    """
    fields = split_head(raw[:MAX_BLOCK]).all("from")
    if len(fields) != 1:
        return ""
    found, _ = read_address_list(fields[0])
    try:
        domains = {domain_to_ascii(parse_address(one.address).domain) for one in found}
    except AddressError:
        return ""
    return domains.pop() if len(domains) == 1 else ""


def record_of(texts: Sequence[bytes]) -> Record | None:
    """Return the policy that a domain publishes, or None: no record, or several (§6.6.3)."""
    records = [found for one in texts if (found := _tags(one)).get("v") == "DMARC1"]
    if len(records) != 1:
        return None
    tags = records[0]
    policy = _POLICIES.get(tags.get("p", "").lower())
    if policy is None:
        # §6.6.3, 6: a broken policy counts as "none" where reports are wanted, and else not at all.
        if "rua" not in tags:
            return None
        policy = "none"
    return Record(
        policy=policy,
        subdomains=_POLICIES.get(tags.get("sp", "").lower(), policy),
        strict_dkim=tags.get("adkim", "r").lower() == "s",
        strict_spf=tags.get("aspf", "r").lower() == "s",
    )


def _tags(text: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.decode("ascii", "replace").split(";")[:_TAGS]:
        name, _, value = part.partition("=")
        if not found and name.strip() != "v":
            return {}  # the version stands first (§6.3)
        found.setdefault(name.strip().lower(), value.strip())
    return found


def judged(
    author: str,
    record: Record,
    spf: tuple[SpfResult, str],
    signatures: Sequence[Signature],
    organisation: Organisation,
    *,
    inherited: bool,
) -> tuple[DmarcResult, DmarcPolicy]:
    """Return the result, and what the domain asks for when it is `fail`.

    `spf`: result and domain. `inherited`: the record is that of the organisation, not of `author`.
    """
    policy = record.subdomains if inherited else record.policy

    def aligned(domain: str, mode: Literal["strict", "relaxed"]) -> bool:
        domain = domain.lower().rstrip(".")
        if mode == "strict" or domain == author:
            return domain == author
        return bool(domain) and organisation(domain) == organisation(author)

    by_dkim = [
        one
        for one in signatures
        if aligned(one.domain, "strict" if record.strict_dkim else "relaxed")
    ]
    by_spf = aligned(spf[1], "strict" if record.strict_spf else "relaxed")
    if any(one.result == "pass" for one in by_dkim) or (by_spf and spf[0] == "pass"):
        return "pass", policy
    if any(one.result == "temperror" for one in by_dkim) or (by_spf and spf[0] == "temperror"):
        return "temperror", policy
    return "fail", policy
