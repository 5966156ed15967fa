"""Who asks, in view of a forum: read in the transaction of what they ask."""

from collections.abc import Callable
from typing import Any, Final

from postroom_contract import forum
from postroom_forum_bridge.domain.rights import SERVICE, Past, Refused, Rules, Standing
from postroom_forum_bridge.ports import ProblemError
from postroom_forum_bridge.postgres.rows import FORUM, eyes, forum_of
from postroom_runtime.postgres import Connection

_STANDING: Final = (
    "SELECT f.joining, f.visible, m.role, m.state, m.removed, m.left_at FROM forum.forum f"
    " LEFT JOIN forum.member m ON m.forum = f.id AND m.email_key = $3"
    " WHERE f.id = $1 AND f.account = $2"
)
Refuse = Callable[[Rules, Standing], Refused | None]


async def look(
    connection: Connection, account: str, name: str, asker: forum.Asker | None
) -> tuple[Rules, Standing] | None:
    """Return a forum's rules and who asks; None when the account has no such forum."""
    key, everything = eyes(asker)
    row = await connection.fetchrow(_STANDING, name, account, key)
    if row is None:
        return None
    rules = Rules(joining=row["joining"], visible=row["visible"])
    return rules, SERVICE if asker is None else _standing(row, administrator=everything)


def _standing(row: Any, *, administrator: bool) -> Standing:
    if row["state"] == "active":
        return Standing(administrator=administrator, role=row["role"])
    if row["state"] is None or row["left_at"] is None:
        return Standing(administrator=administrator)
    past = Past(role=row["role"], removed=row["removed"], left_at=row["left_at"])
    return Standing(administrator=administrator, past=past)


async def require(
    connection: Connection, account: str, name: str, asker: forum.Asker | None, refuse: Refuse
) -> Standing:
    """Return who asks, or raise ProblemError when `refuse` says so or there is no such forum."""
    found = await look(connection, account, name, asker)
    refused = refuse(*found) if found is not None else "not_found"
    if refused is not None or found is None:
        raise refusal(refused or "not_found", "forum")
    return found[1]


def refusal(refused: Refused, what: str) -> ProblemError:
    """Return the answer to somebody who may not."""
    if refused == "not_found":
        return ProblemError("not_found", f"There is no such {what}.")
    return ProblemError("forbidden", "Only those who run the forum may do this.")


async def find_forum(
    connection: Connection, account: str, name: str, asker: forum.Asker | None = None
) -> forum.Forum | None:
    """Return a forum as the asker sees it, whether or not it is hidden from them."""
    row = await connection.fetchrow(
        f"{FORUM} WHERE f.id = $3 AND f.account = $4", *eyes(asker), name, account
    )
    return forum_of(row) if row else None
