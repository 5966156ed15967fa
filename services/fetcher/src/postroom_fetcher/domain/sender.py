"""Who sent a fetched mail: its envelope is gone, so its header must say.

Law: the result is empty only for `Return-Path: <>`, which marks a bounce (RFC 5321 §4.4, §4.5.5).
"""

from typing import Final

from postroom_mail.address import AddressError, parse_address
from postroom_mail.addresslist import read_address_list
from postroom_mail.headers import MAX_BLOCK, split_head

NOBODY: Final = "unknown@sender.invalid"
"""RFC 2606 §2."""


def sender_of(raw: bytes) -> str:
    """Return the address that the mail's Return-Path names, else its From."""
    head = split_head(raw[:MAX_BLOCK])
    path = head.first("return-path").strip()
    if path.replace(" ", "") == "<>":
        return ""
    for value in (path, head.first("from")):
        for found in read_address_list(value)[0][:1]:
            try:
                return str(parse_address(found.address))
            except AddressError:
                continue
    return NOBODY
