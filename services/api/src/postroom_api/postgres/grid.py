"""The list of mailboxes, by keyset pages.

Laws: the page is found in config.mailbox_summary alone, along the index of its order, and only its
rows are joined with the rest. A search counts first how many mailboxes have each word, up to FEW;
it sorts those with the rarest, and where none is rare walks along the order and looks at each
mailbox for the words. Neither way reads a table from end to end, whatever the planner thinks of a
word. Users have few mailboxes: theirs are looked at one by one.
"""

from collections.abc import Sequence
from typing import Any, Final

from postroom_api.domain.grids import MAX_WORDS, GridQuery, after, cursor_of
from postroom_api.domain.mailbox_settings import Mailbox
from postroom_api.domain.values import PageOf, Principal
from postroom_api.postgres.access import Access
from postroom_api.postgres.mailbox_rows import DEACTIVATED, SELECT, mailbox_of
from postroom_runtime.postgres import Connection

FEW: Final = 10_000
_LAST: Final = chr(0x10FFFF)
"""Behind everything that begins with a word, in the order of code points (collation C)."""
_SHARED: Final = (
    "SELECT mailbox FROM config.mailbox_share WHERE person = $1"
    " AND (until IS NULL OR until > now())"
)
_DEACTIVATED: Final = f"SELECT p.id FROM config.person p WHERE p.account = $1 AND {DEACTIVATED}"  # noqa: S608 - constants
_COUNT: Final = (
    "SELECT count(*) FROM (SELECT 1 FROM config.mailbox_word"
    " WHERE account = $1 AND word >= $2 AND word < $3 LIMIT $4) found"
)


class _Where:
    """Conditions on `s`, and their arguments."""

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.arguments: list[Any] = []

    def add(self, condition: str, *arguments: Any) -> None:
        """Add a condition whose `{}` are its arguments."""
        numbers = [f"${len(self.arguments) + n}" for n in range(1, len(arguments) + 1)]
        self.conditions.append(condition.format(*numbers))
        self.arguments += arguments


class Grid:
    """Pages of mailboxes, as the principal may see them."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def page(
        self, who: Principal, query: GridQuery, cursor: str | None, limit: int
    ) -> PageOf[Mailbox]:
        """Return a page; CursorError when the cursor is none of ours, or of another order."""
        where = _filters(who, query)
        direction, compare = ("DESC", "<") if query.descending else ("ASC", ">")
        if cursor is not None:
            key, mailbox = after(query, cursor)
            where.add(f"(s.{query.column}, s.mailbox) {compare} ({{}}, {{}})", key, mailbox)
        async with self._access.principal(who) as connection:
            if not who.administrator:
                shared = [row["mailbox"] for row in await connection.fetch(_SHARED, who.id)]
                where.add("(s.owner = {} OR s.mailbox = ANY({}::text[]))", who.id, shared)
            if query.orphaned is not None:
                await _orphaned(connection, where, who, wanted=query.orphaned)
            await _search(connection, where, who, query.search)
            rows = await connection.fetch(
                f"SELECT s.mailbox, s.{query.column} AS key FROM config.mailbox_summary s"  # noqa: S608 - constants
                f" WHERE {' AND '.join(where.conditions)}"
                f" ORDER BY s.{query.column} {direction}, s.mailbox {direction} LIMIT {limit + 1}",
                *where.arguments,
            )
            ids = [row["mailbox"] for row in rows[:limit]]
            found = await connection.fetch(f"{SELECT} WHERE m.id = ANY($1::text[])", ids)
        boxes = {row["id"]: mailbox_of(row) for row in found}
        more = len(rows) > limit
        return PageOf(
            data=[boxes[id_] for id_ in ids if id_ in boxes],
            next_cursor=cursor_of(query, rows[limit - 1]["key"], ids[-1]) if more else None,
        )


def _filters(who: Principal, query: GridQuery) -> _Where:
    where = _Where()
    where.add("s.account = {}", who.account)
    for column, value in (
        ("kind", query.kind),
        ("source", query.type),
        ("state", query.state),
        ("active", query.active),
        ("owner", query.owner),
        ("service", query.service),
    ):
        if value is not None:
            where.add(f"s.{column} = {{}}", value)
    return where


async def _orphaned(connection: Connection, where: _Where, who: Principal, *, wanted: bool) -> None:
    """Ask for mailboxes whose owner was deactivated, or for all the others."""
    gone = await connection.fetch(_DEACTIVATED, who.account)
    owners = [row["id"] for row in gone]
    if wanted:
        where.add("s.owner = ANY({}::text[])", owners)
    elif owners:
        where.add("(s.owner IS NULL OR s.owner <> ALL({}::text[]))", owners)


async def _search(connection: Connection, where: _Where, who: Principal, search: str) -> None:
    """Add what a search asks for: every word of it begins a word of the mailbox."""
    if not search.strip():
        return
    rows = await connection.fetch(
        "SELECT word FROM config.words_of($1) word ORDER BY length(word) DESC, word", search
    )
    words = [row["word"] for row in rows][:MAX_WORDS]
    if not words:
        where.add("false")
        return
    if who.administrator and (rare := await _rare(connection, who.account, words)):
        # An array, which is there before the rest begins; the planner would rather join.
        where.add(
            "s.mailbox = ANY(ARRAY(SELECT w.mailbox FROM config.mailbox_word w"
            " WHERE w.account = {} AND w.word >= {} AND w.word < {}))",
            who.account, rare, rare + _LAST,
        )  # fmt: skip
    for word in words:
        where.add(
            # Not EXISTS: the planner would make a join of it, over all rows with a frequent word.
            "(SELECT true FROM config.mailbox_word w WHERE w.mailbox = s.mailbox"
            " AND w.word >= {} AND w.word < {} LIMIT 1)",
            word,
            word + _LAST,
        )


async def _rare(connection: Connection, account: str, words: Sequence[str]) -> str | None:
    """Return the word that the fewest mailboxes have, when they are at most FEW."""
    counts = {
        word: await connection.fetchval(_COUNT, account, word, word + _LAST, FEW + 1)
        for word in words
    }
    rarest = min(counts, key=lambda word: counts[word])
    return rarest if counts[rarest] <= FEW else None
