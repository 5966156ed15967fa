"""Who may do what in a forum.

Laws: whoever manages the account runs every forum of it; a moderator runs theirs, but gives no
roles; what one must not know of is as if it were not there, whatever is asked.
"""

from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from postroom_contract.forum import ForumRole, Joining, Visible

COMES_BACK: Final = timedelta(days=7)
"""How long who left by themselves finds all as it was: their role, and a closed door open."""

Refused = Literal["not_found", "forbidden"]


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What a forum says of itself."""

    joining: Joining
    visible: Visible


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """How somebody took part before."""

    role: ForumRole
    removed: bool
    left_at: datetime


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, in view of one forum."""

    administrator: bool = False
    role: ForumRole | None = None
    """None: takes no part (now)."""
    past: Past | None = None

    @property
    def runs(self) -> bool:
        """Whether they run the forum."""
        return self.administrator or self.role == "moderator"


SERVICE: Final = Standing(administrator=True)
"""A service of ours that asks for nobody."""


def sees(rules: Rules, who: Standing) -> bool:
    """Return whether they may know of the forum."""
    return rules.visible == "account" or who.role is not None or who.administrator


def refuse_reading(rules: Rules, who: Standing) -> Refused | None:
    """Return why they may not read it, or None."""
    return None if sees(rules, who) else "not_found"


def refuse_running(rules: Rules, who: Standing) -> Refused | None:
    """Return why they may not run it, or None."""
    if not sees(rules, who):
        return "not_found"
    return None if who.runs else "forbidden"


def refuse_joining(rules: Rules, who: Standing, now: datetime) -> Refused | None:
    """Return why they may not take part by themselves, or None.

    Who left an hour ago may come back even where only invited people join.
    """
    if who.role is not None or who.administrator:
        return None
    if who.past is not None and who.past.removed:
        return "forbidden" if sees(rules, who) else "not_found"
    if _just_left(who, now):
        return None
    if not sees(rules, who):
        return "not_found"
    return None if rules.joining == "open" else "forbidden"


def role_on_return(who: Standing, now: datetime) -> ForumRole:
    """Return the role of somebody who joins by themselves."""
    if who.role is not None:
        return who.role
    return who.past.role if who.past is not None and _just_left(who, now) else "member"


def _just_left(who: Standing, now: datetime) -> bool:
    past = who.past
    return past is not None and not past.removed and now - past.left_at < COMES_BACK
