"""What a check fetches, in which portions. Sizes in bytes."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from postroom_contract.documents import FetchSource, MailboxDocument
from postroom_contract.streams import MAX_MESSAGE_BYTES

PORTION_BYTES: Final = 8_000_000
"""Also what one atomic batch should hold at most (it has no limit of its own in bytes)."""
PORTION_MAILS: Final = 200
GIVE_UP: Final = 5
"""Checks that broke off at the same message, before it is left on the server."""


class Listed(msgspec.Struct, frozen=True):
    """A message as the server lists it."""

    key: str
    size: int


Step = tuple[Listed, str]
"""A message, and why it is skipped, or an empty text."""


class Plan(msgspec.Struct, frozen=True):
    """New messages in the server's order: how many, and which to fetch or to leave there."""

    found: int
    steps: tuple[Step, ...]


def size_limit(mailbox: MailboxDocument, source: FetchSource) -> int:
    """Return how large a mail may be."""
    asked = [source.max_message_kb * 1024, mailbox.max_message_bytes, MAX_MESSAGE_BYTES]
    return min(limit for limit in asked if limit > 0)


def plan(new: Sequence[Listed], *, limit: int, max_messages: int, faults: int) -> Plan:
    """Return what to do about the new messages; those left for their size do not count."""
    steps: list[Step] = []
    fetched = 0
    for one in new:
        reason = ""
        if one.size > limit:
            reason = f"larger than {limit // 1024} KB"
        elif faults >= GIVE_UP and not fetched:
            reason = f"the server failed {faults} times to hand it out"
            faults = 0
        elif max_messages and fetched >= max_messages:
            break
        else:
            fetched += 1
        steps.append((one, reason))
    return Plan(len(new), tuple(steps))


def portions(steps: Sequence[Step], *, careful: bool) -> Iterator[list[Step]]:
    """Yield portions of at most 8 MB or 200 mails; `careful`: the first mail stands alone."""
    portion: list[Step] = []
    total = 0
    for step in steps:
        size = 0 if step[1] else step[0].size
        full = total + size > PORTION_BYTES or len(portion) == PORTION_MAILS
        if portion and (full or careful):
            yield portion
            careful = False
            portion, total = [], 0
        portion.append(step)
        total += size
    if portion:
        yield portion
