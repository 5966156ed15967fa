"""What pages show. Every question is answered within one transaction."""

from collections.abc import Sequence
from typing import Any, Final

from postroom_contract import forum
from postroom_contract.mail import MailFacts
from postroom_forum_bridge.domain import cursors
from postroom_forum_bridge.domain.rights import refuse_reading, refuse_running
from postroom_forum_bridge.ports import ProblemError
from postroom_forum_bridge.postgres.rows import (
    FORUM,
    MEMBER,
    POST,
    SEEN,
    TOPIC,
    eyes,
    forum_of,
    member_of,
    post_of,
    topic_of,
)
from postroom_forum_bridge.postgres.standings import require
from postroom_runtime.postgres import Database

MAX_PAGE: Final = 200


class PostgresLists:
    """Port `Lists`."""

    def __init__(self, database: Database, seconds: float) -> None:
        self._database = database
        self._seconds = seconds

    async def forums(self, request: forum.ListForums) -> forum.Forums:
        """All forums of an account."""
        async with self._database.transaction(seconds=self._seconds) as connection:
            rows = await connection.fetch(
                f"{FORUM} WHERE f.account = $3 AND {SEEN} ORDER BY lower(f.name), f.id",
                *eyes(request.asker),
                request.account,
            )
        return forum.Forums(data=tuple(forum_of(row) for row in rows))

    async def members(self, request: forum.ListMembers) -> forum.Members:
        """A page of members."""
        limit = _limit(request.page)
        after = cursors.one_text(request.page.cursor) if request.page.cursor else ""
        async with self._database.transaction(seconds=self._seconds) as connection:
            await require(connection, request.account, request.forum, request.asker, refuse_running)
            rows = await connection.fetch(
                f"{MEMBER} WHERE m.forum = $1 AND m.state = 'active' AND m.email_key > $2"
                " AND ($4 = '' OR position($4 IN m.email_key) > 0"
                " OR position($4 IN lower(m.name)) > 0) ORDER BY m.email_key LIMIT $3",
                request.forum,
                after,
                limit + 1,
                request.search.strip().lower(),
            )
            last = await connection.fetchval(
                "SELECT email_key FROM forum.member WHERE id = $1",
                rows[limit - 1]["id"] if len(rows) > limit else None,
            )
        return forum.Members(
            data=tuple(member_of(row) for row in rows[:limit]),
            next_cursor=cursors.encode((last,)) if last is not None else None,
        )

    async def facts(self, request: forum.AskFacts) -> MailFacts:
        """What is known of a mail."""
        key, _ = eyes(forum.Asker(email=request.author, administrator=False))
        async with self._database.transaction(seconds=self._seconds) as connection:
            row: Any = await connection.fetchrow(
                "SELECT EXISTS (SELECT 1 FROM forum.member m JOIN forum.forum f ON f.id = m.forum"
                " WHERE f.account = $1 AND m.email_key = $2 AND m.state = 'active') AS member,"
                " EXISTS (SELECT 1 FROM forum.post p JOIN forum.forum f ON f.id = p.forum"
                " WHERE f.account = $1 AND p.message_id = ANY($3) AND NOT p.placeholder)"
                " AS known_thread",
                request.account,
                key,
                list(request.references),
            )
        return MailFacts(**dict(row))

    async def topics(self, request: forum.ListTopics) -> forum.Topics:
        """A page of topics."""
        limit = _limit(request.page)
        moment, name = (
            cursors.time_and_id(request.page.cursor) if request.page.cursor else (None, "")
        )
        async with self._database.transaction(seconds=self._seconds) as connection:
            await require(connection, request.account, request.forum, request.asker, refuse_reading)
            rows = await connection.fetch(
                f"{TOPIC} WHERE t.forum = $1 AND t.merged_into IS NULL AND ($2::timestamptz IS NULL"
                " OR (t.last_post_at, t.id) < ($2, $3))"
                " ORDER BY t.last_post_at DESC, t.id DESC LIMIT $4",
                request.forum,
                moment,
                name,
                limit + 1,
            )
        return forum.Topics(
            data=tuple(topic_of(row) for row in rows[:limit]),
            next_cursor=_next(rows, limit, "last_post_at"),
        )

    async def posts(self, request: forum.ListPosts) -> forum.Posts:
        """A page of posts."""
        limit = _limit(request.page)
        moment, name = (
            cursors.time_and_id(request.page.cursor) if request.page.cursor else (None, "")
        )
        async with self._database.transaction(seconds=self._seconds) as connection:
            topic = await connection.fetchrow(
                f"{TOPIC} JOIN forum.topic a ON t.id = coalesce(a.merged_into, a.id)"
                " WHERE a.id = $1 AND f.account = $2",
                request.topic,
                request.account,
            )
            home = await connection.fetchrow(
                f"{FORUM} WHERE f.id = $3 AND {SEEN}",
                *eyes(request.asker),
                topic["forum"] if topic else None,
            )
            if topic is None or home is None:
                raise ProblemError("not_found", "There is no such topic.")
            rows = await connection.fetch(
                f"{POST} WHERE p.topic = $1"
                " AND ($2::timestamptz IS NULL OR (p.created_at, p.id) > ($2, $3))"
                " AND ($5 OR NOT p.held) ORDER BY p.created_at, p.id LIMIT $4",
                topic["id"],
                moment,
                name,
                limit + 1,
                home["runs"],
            )
        return forum.Posts(
            topic=topic_of(topic),
            forum=forum_of(home),
            data=tuple(post_of(row, runs=home["runs"]) for row in rows[:limit]),
            next_cursor=_next(rows, limit, "created_at"),
        )


def _limit(page: forum.Page) -> int:
    if not 1 <= page.limit <= MAX_PAGE:
        raise ProblemError("invalid", f"A page has 1 to {MAX_PAGE} entries.")
    return page.limit


def _next(rows: Sequence[Any], limit: int, key: str) -> str | None:
    if len(rows) <= limit:
        return None
    last = rows[limit - 1]
    return cursors.encode((last[key], last["id"]))
