"""`/api/v1/domains`: what domains publish, and what they sign with."""

from typing import Any

import msgspec
from litestar import delete, get, patch, post
from litestar.di import NamedDependency

from postroom_api.domain.mail_domains import DomainCheck, KeyState, MailDomain
from postroom_api.domain.values import PageOf, Principal
from postroom_api.http.mail_domains import MailDomainDesk
from postroom_api.http.scoped import needs
from postroom_contract.mail_domains import Algorithm

Who = NamedDependency[Principal]
At = NamedDependency[MailDomainDesk]


class KeyWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What kind of key: `rsa` (2,048 bits, read everywhere) or `ed25519` (beside it)."""

    algorithm: Algorithm = "rsa"


class KeyChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a key does."""

    state: KeyState


@get(
    "/domains",
    operation_id="listDomains",
    summary="Domains that mail is taken for",
    **needs("admin"),
)
async def list_domains(who: Who, mail_domains: At) -> PageOf[MailDomain]:
    return PageOf(data=await mail_domains.all(who), next_cursor=None)


@get(
    "/domains/{domain:str}",
    operation_id="getDomain",
    summary="One domain and its keys",
    **needs("admin"),
)
async def get_domain(who: Who, mail_domains: At, domain: str) -> MailDomain:
    return await mail_domains.one(who, domain)


@get(
    "/domains/{domain:str}/check",
    operation_id="checkDomain",
    summary="What the DNS says of it: MX, addresses, SPF, DKIM, DMARC",
    **needs("admin"),
)
async def check_domain(who: Who, mail_domains: At, domain: str) -> DomainCheck:
    return await mail_domains.check(who, domain)


@post(
    "/domains/{domain:str}/keys",
    operation_id="createDomainKey",
    summary="Make a key for DKIM; publish its record, then let it sign",
    **needs("admin"),
)
async def make_key(who: Who, mail_domains: At, domain: str, data: KeyWish) -> MailDomain:
    return await mail_domains.make_key(who, domain, data.algorithm)


@patch(
    "/domains/{domain:str}/keys/{selector:str}",
    operation_id="changeDomainKey",
    summary="Let a key sign, or retire it",
    **needs("admin"),
)
async def change_key(
    who: Who, mail_domains: At, domain: str, selector: str, data: KeyChange
) -> MailDomain:
    return await mail_domains.set_state(who, domain, selector, data.state)


@delete(
    "/domains/{domain:str}/keys/{selector:str}",
    operation_id="removeDomainKey",
    summary="Forget a key that does not sign",
    **needs("admin"),
)
async def remove_key(who: Who, mail_domains: At, domain: str, selector: str) -> None:
    await mail_domains.remove_key(who, domain, selector)


HANDLERS: list[Any] = [list_domains, get_domain, check_domain, make_key, change_key, remove_key]
