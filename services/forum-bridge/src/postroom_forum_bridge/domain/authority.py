"""What a token in an address is believed for.

Law: a token proves a copy, not a person: the mail that quotes it may have been forwarded. So a
reply token counts only with a mail that comes from the address the copy went to, and no token
counts outside of its forum.
"""

from collections.abc import Iterable

import msgspec

from postroom_forum_bridge.domain.addresses import address_key
from postroom_mail.tokens import Kind, TokenKeys, verify


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A copy of a post, as tokens speak of it."""

    serial: int
    account: str
    forum: str
    forum_address: str
    post: str
    message_id: str
    """Of the post."""
    member: str
    address: str


def serial_of(keys: TokenKeys, token: str | None, kind: Kind) -> int | None:
    """Return the serial of a token of this kind that we signed, else None."""
    found = verify(keys, token) if token else None
    return found[1] if found and found[0] == kind else None


def may_answer(delivery: Delivery, forum: str, senders: Iterable[str]) -> bool:
    """Tell whether a reply token of this delivery is believed for a mail of these senders."""
    own = address_key(delivery.address)
    return delivery.forum == forum and any(address_key(one) == own for one in senders if one)
