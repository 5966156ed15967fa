"""For whom mail is taken, and what the address stands for.

Laws:
1. Only an address that has a document is accepted: nothing is ever relayed (no percent hack, no
   source route, no literal, no domain-wide acceptance).
2. "No such address" is said only when we know; otherwise the peer is asked to come again.
"""

from typing import Final

import msgspec

from postroom_contract.documents import AddressDocument
from postroom_contract.mail import Role
from postroom_mail.address import Address, AddressError, domain_to_ascii, split_detail
from postroom_mail.tokens import Kind, token_kind
from postroom_smtp.domain import replies
from postroom_smtp.domain.replies import RefusalError

_ROLES: Final[dict[Kind, Role]] = {"r": "reply", "b": "bounce", "u": "leave"}


class Question(msgspec.Struct, frozen=True):
    """What must be looked up for a recipient. All canonical; `base` is without its `+detail`."""

    exact: str
    base: str | None
    detail: str | None
    domain: str


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted recipient."""

    recipient: str
    account: str
    mailbox: str
    role: Role
    forum: str | None = None
    token: str | None = None
    rejects: bool = False
    """Its rules may refuse a mail: they are asked first."""


def question(address: Address) -> Question:
    """Return what to look up; RefusalError for a domain that has no canonical form."""
    try:
        exact = address.canonical
        domain = domain_to_ascii(address.domain)
    except AddressError as error:
        raise RefusalError(replies.bad_address("5.1.3", str(error))) from None
    base, detail = split_detail(address.local)
    if not base or not detail:
        return Question(exact, None, None, domain)
    return Question(exact, Address(base, address.domain).canonical, detail.lower(), domain)


def decide(
    asked: Question,
    exact: AddressDocument | None,
    base: AddressDocument | None,
    *,
    domain_is_ours: bool,
    knows: bool,
) -> Target:
    """Return where the mail goes; RefusalError when nobody is there, or we cannot say."""
    if exact is not None:
        return _target(asked.exact, exact)
    if base is not None:
        return _detailed(asked, base)
    if not knows:
        raise RefusalError(replies.NOT_IN_STEP)
    raise RefusalError(replies.UNKNOWN_ADDRESS if domain_is_ours else replies.NOT_OURS)


def _detailed(asked: Question, document: AddressDocument) -> Target:
    """A detail that looks like a token has its role; its truth is checked by who made it."""
    target = _target(asked.exact, document)
    kind = token_kind(asked.detail or "")
    if kind is None or document.forum is None:
        return target
    return msgspec.structs.replace(target, role=_ROLES[kind], token=asked.detail)


def _target(recipient: str, document: AddressDocument) -> Target:
    return Target(
        recipient=recipient,
        account=document.account,
        mailbox=document.mailbox,
        role="post" if document.forum else "mail",
        forum=document.forum,
        rejects=document.rejects,
    )
