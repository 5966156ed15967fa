"""The next link of an Authenticated Received Chain (ARC, RFC 8617).

Laws:
1. A chain is continued only on a verdict of ours: what was not looked at is not vouched for.
2. A chain that says itself that it has failed is left as it is (§5.1.2).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from postroom_contract.mail import ArcResult

Status = Literal["none", "pass", "fail"]
NAMES: Final = (b"arc-authentication-results", b"arc-message-signature", b"arc-seal")
"""The fields of a set, in the order in which they are sealed (§5.1.1)."""
MOST: Final = 50
_INSTANCE: Final = re.compile(rb"(?:^|;)\s*i\s*=\s*([0-9]{1,4})\s*(?:;|$)")
_FAILED: Final = re.compile(rb"(?:^|;)\s*cv\s*=\s*fail\s*(?:;|$)", re.IGNORECASE)
Sets = Mapping[int, Mapping[bytes, bytes]]
"""By instance: name to value."""


class Link(msgspec.Struct, frozen=True):
    """What is to be added: the instance, what we found the chain to be, and the sets to seal."""

    instance: int
    status: Status
    below: tuple[tuple[bytes, bytes], ...]


def sets_in(fields: Sequence[tuple[bytes, bytes]]) -> Sets:
    """Return the sets among fields of a header (name in lower case, value as it is)."""
    found: dict[int, dict[bytes, bytes]] = {}
    for name, value in fields:
        if name in NAMES and (match := _INSTANCE.search(value)):
            found.setdefault(int(match[1]), {})[name] = value
    return found


def next_link(chain: Sets, verdict: ArcResult) -> Link | None:
    """Return how a chain goes on, given what it was found to be when it came; None: not at all."""
    highest = max(chain, default=0)
    if verdict == "temperror" or highest >= MOST:
        return None
    if verdict == "none":
        return Link(1, "none", ()) if not chain else None
    if not chain or _FAILED.search(chain[highest].get(b"arc-seal", b"")):
        return None
    if verdict == "fail":
        return Link(highest + 1, "fail", ())  # it covers its own set only (§5.1.2)
    below = [
        (name, chain[number][name]) for number in range(1, highest + 1) for name in NAMES
    ]  # a chain that passes is whole
    return Link(highest + 1, "pass", tuple(below))
