"""Who may do what to whom.

Laws: nobody changes their own role or state; an account administrator has no power over an
administrator; there is always one administrator who can sign in.
"""

from datetime import datetime
from typing import Literal

import msgspec

from postroom_api.domain.values import Principal, Role

State = Literal["invited", "active", "deactivated"]


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person as those who manage the account see them."""

    id: str
    email: str
    name: str
    role: Role
    state: State
    locale: str
    second_factor: bool
    created_at: datetime
    last_seen_at: datetime | None
    version: int
    """Grows with each change; what `ETag` says."""


class UserChange(msgspec.Struct, frozen=True, kw_only=True):
    """What shall be different; None = as it is."""

    name: str | None = None
    role: Role | None = None
    state: Literal["active", "deactivated"] | None = None


class Refusal(msgspec.Struct, frozen=True):
    """Why something is not done."""

    kind: Literal["forbidden", "conflict", "invalid"]
    field: str
    detail: str


def _beyond(who: Principal, role: Role) -> bool:
    return role == "administrator" and who.role != "administrator"


def refuse_role(who: Principal, role: Role, *, default_account: bool) -> Refusal | None:
    """Return why `who` cannot give this role in the account they are at work in, or None."""
    if _beyond(who, role):
        return Refusal("forbidden", "role", "Only administrators make administrators.")
    if role == "administrator" and not default_account:
        words = (
            "Administrators belong to the first account; here, choose account_administrator or user"
        )
        return Refusal("invalid", "role", f"{words}.")
    return None


def refuse_power(who: Principal, role: Role) -> Refusal | None:
    """Return why `who` has no power over somebody of this role, or None."""
    if _beyond(who, role):
        return Refusal("forbidden", "", "Only administrators change administrators.")
    return None


def refuse_change(
    who: Principal,
    whom: User,
    change: UserChange,
    *,
    other_administrators: int,
    default_account: bool,
) -> Refusal | None:
    """Return why this change is not made, or None; `other_administrators` can sign in now."""
    demoted = change.role is not None and change.role != whom.role
    closed = change.state == "deactivated" and whom.state != "deactivated"
    is_last = whom.role == "administrator" and other_administrators == 0
    if (refusal := refuse_power(who, whom.role)) is not None:
        return refusal
    if is_last and whom.state == "active" and (demoted or closed):
        words = "This is the last administrator who can sign in: make another one first."
        return Refusal("conflict", "role" if demoted else "state", words)
    if who.id == whom.id and (demoted or closed):
        words = "Nobody changes their own role or deactivates themselves: ask somebody else."
        return Refusal("conflict", "role" if demoted else "state", words)
    if change.state == "active" and whom.state == "invited":
        return Refusal("conflict", "state", "The invitation has not been taken up yet.")
    if change.role is not None and demoted:
        return refuse_role(who, change.role, default_account=default_account)
    return None
