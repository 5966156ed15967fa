"""What a token may be used for.

Law: a token does what its scopes say and its owner's role allows, whichever is less; a route that
names no scope takes no token.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal, get_args

from postroom_api.domain.values import Role

Scope = Literal[
    "mailboxes:read", "mailboxes:write", "messages:read", "messages:raw", "rules:read",
    "rules:write", "forums:read", "forums:write", "forums:moderate",
    "users:read", "users:write", "events:read",
    "admin",
]  # fmt: skip
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
ANY: Final = "any"
"""What a route names that every token may use."""
ADMIN: Final = "admin"
MANAGERS_ONLY: Final = frozenset({"users:read", "users:write", ADMIN})
MEANINGS: Final[dict[Scope, str]] = {
    "mailboxes:read": "see mailboxes",
    "mailboxes:write": "make, change and remove mailboxes",
    "messages:read": "see mail and its way",
    "messages:raw": "read mail byte for byte",
    "rules:read": "see rules and try them",
    "rules:write": "make, change and remove rules",
    "forums:read": "read forums",
    "forums:write": "write in forums, join and leave them, and make them",
    "forums:moderate": "run forums: settings, members, removed posts and closed topics",
    "users:read": "see users",
    "users:write": "invite, change and deactivate users",
    "events:read": "follow events",
    "admin": "everything that its owner may do",
}


def covers(held: Sequence[str] | None, needed: str | None) -> bool:
    """Return whether these scopes (None: no token but a person) open a route."""
    if held is None:
        return True
    if needed is None:
        return False
    return needed == ANY or needed in held or ADMIN in held


def refused(wanted: Iterable[str], role: Role, held: Sequence[str] | None) -> list[str]:
    """Return the scopes that somebody of this role, asking with these scopes, cannot give."""
    return [
        scope
        for scope in wanted
        if scope not in SCOPES
        or (role == "user" and scope in MANAGERS_ONLY)
        or not covers(held, scope)
    ]
