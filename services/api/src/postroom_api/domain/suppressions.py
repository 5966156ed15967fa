"""When nothing more is sent to an address.

Laws:
1. Only what speaks of the address counts: what a server has against the mail, against us, or for
   the moment says nothing of it.
2. An address that does not exist is suppressed at once, one that fails otherwise after MANY within
   DAYS, one whose reader complained at once.
"""

from datetime import datetime
from typing import Final, Literal

import msgspec

Reason = Literal["hard_bounce", "complaint", "by_hand"]
Weight = Literal["at_once", "counts", "nothing"]

MANY: Final = 3
DAYS: Final = 30
MAX_WORDS: Final = 500
_GONE: Final = {"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.4.4"}
"""RFC 3463 §3.2 and RFC 7505: no such mailbox or domain, no address, moved, no mail, no way."""
_OF_THE_SENDER: Final = {"5.1.7", "5.1.8"}
_SPEAKING: Final = ("5.0.", "5.1.", "5.2.", "5.4.")
"""Subjects of RFC 3463 §3 that may be of the address; not 3 (system), 5 (protocol), 6 (content) and
7 (policy): a server that has us on a list would suppress a whole forum in three posts."""


class Suppression(msgspec.Struct, frozen=True, kw_only=True):
    """An address that nothing is sent to."""

    id: str
    address: str
    reason: Reason
    words: str
    """The server's, or of who added it."""
    status: str
    """RFC 3463, as `5.1.1`; empty where there is none."""
    since: datetime
    added_by: str
    """Who added it by hand; empty: Postroom did."""
    count: int
    """Failures and complaints so far."""
    version: int


def weight(status: str) -> Weight:
    """Return how much a failure of this status counts against the address."""
    if status in _GONE:
        return "at_once"
    if status in _OF_THE_SENDER or not status.startswith(_SPEAKING):
        return "nothing"
    return "counts"
