"""Addresses of forums and of people, as far as forums care."""

import re
from typing import Final

from postroom_mail.address import MAX_LOCAL, Address, AddressError, domain_to_ascii, parse_address

LONGEST_TOKEN: Final = 33
MAX_FORUM_LOCAL: Final = MAX_LOCAL - 1 - LONGEST_TOKEN
"""What is left of 64 octets (RFC 5321 §4.5.3.1.1) beside `+` and the longest token."""

# What may stand in the personal places of a template, and needs no quoting in a mailto: URL.
_FORUM_LOCAL = re.compile(r"[a-z0-9._-]+")


def forum_address(text: str) -> Address:
    """Return a forum's address in its canonical form; AddressError when it cannot carry tokens."""
    address = parse_address(parse_address(text).canonical)
    if not _FORUM_LOCAL.fullmatch(address.local):
        raise AddressError(
            "a forum's address has letters, digits, dots, hyphens and underscores before the @"
        )
    if len(address.local) > MAX_FORUM_LOCAL:
        raise AddressError(
            f"a forum's address has at most {MAX_FORUM_LOCAL} characters before the @:"
            " reply addresses add a token to it"
        )
    if address.domain.startswith("["):
        raise AddressError("a forum's address needs a domain name")
    return address


def address_key(text: str) -> str:
    """Return what is the same for two spellings of one address, whatever a mail gave us.

    Foreign local parts may be case-sensitive (RFC 5321 §2.4); taking `Ben@` and `ben@` for two
    people would send one of them a copy of his own post.
    """
    try:
        return parse_address(text).canonical
    except AddressError:
        return text.strip().lower()


def domain_of(address: str) -> str:
    """Return the domain that a copy goes to, lower case in A-labels."""
    domain = address.rpartition("@")[2]
    try:
        return domain_to_ascii(domain)
    except AddressError:
        return domain.lower()
