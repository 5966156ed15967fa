"""What a mail about a copy means for that copy.

Laws:
1. The copy is found by its token before this is asked: who has no token of ours is not heard.
2. What was guessed from words counts only where it names the copy's own address.
3. Only a failure and a complaint change the copy; a delay, a success, a person's program do not.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from postroom_contract.events import DeliveryState
from postroom_forum_bridge.domain.addresses import address_key
from postroom_mail.values import Complaint, Fate, Report

ReturnKind = Literal["hard", "soft", "complaint", "delayed", "delivered", "answer", "unknown"]
STATES: Final[dict[ReturnKind, DeliveryState]] = {
    "hard": "bounced",
    "soft": "bounced",
    "complaint": "complained",
}
"""What a copy becomes; the other kinds leave it as it is."""
UNSPECIFIC: Final = "5.0.0"
_WORST_FIRST: Final = ("failed", "delayed", "delivered", "relayed", "expanded")
_MAX_WORDS: Final = 500


class Return(msgspec.Struct, frozen=True, kw_only=True):
    """What a mail means for a copy."""

    kind: ReturnKind
    status: str = ""
    """RFC 3463; of a `hard` one it begins with 5, of a `soft` one with 4."""
    words: str = ""


def meaning(report: Report, address: str) -> Return:
    """Return what a report means for the copy that went to an address."""
    if report.complaint is not None:
        return _of_complaint(report.complaint)
    if report.kind == "answer":
        return Return(kind="answer", words="an automatic answer")
    own = [one for one in report.fates if _names(one, address)]
    if report.kind == "guess" or own:
        return _worst(own, "") if own else Return(kind="unknown")
    # One copy had one recipient: what the status says of another is where that one led to.
    elsewhere = next((one.recipient for one in report.fates if one.recipient), "")
    return _worst(report.fates, elsewhere) if report.fates else Return(kind="unknown")


def _of_complaint(complaint: Complaint) -> Return:
    if complaint.kind == "not-spam":
        return Return(kind="unknown", words="its reader called it no spam")
    return Return(kind="complaint", words=f"its reader complained: {complaint.kind or 'abuse'}")


def _names(fate: Fate, address: str) -> bool:
    own = address_key(address)
    return any(address_key(one) == own for one in (fate.recipient, fate.original) if one)


def _worst(fates: Sequence[Fate], elsewhere: str) -> Return:
    """Return the meaning of the worst; `elsewhere`: its address, where it is not the copy's."""
    fate = min(fates, key=lambda one: _WORST_FIRST.index(one.action))
    words = fate.words or fate.status or "an old mail server's words"
    if elsewhere:
        words = f"{elsewhere}: {words}"
    words = words[:_MAX_WORDS]
    if fate.action == "delayed":
        return Return(kind="delayed", status=fate.status, words=words)
    if fate.action != "failed":
        return Return(kind="delivered", status=fate.status, words=words)
    if fate.status.startswith("4"):
        return Return(kind="soft", status=fate.status, words=words)
    known = fate.status.startswith("5") and not elsewhere
    return Return(kind="hard", status=fate.status if known else UNSPECIFIC, words=words)
