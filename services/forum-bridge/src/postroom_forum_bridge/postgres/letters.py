"""A post with all that its mail is made of."""

from typing import Final

from postroom_forum_bridge.domain.fanout import Copy, Letter
from postroom_forum_bridge.ports import (
    ForumChange,
    MemberChange,
    PostChange,
    ReturnedCopy,
    TopicChange,
)
from postroom_runtime.postgres import Connection, Database

DEPTH: Final = 50
"""Ancestors that are named in References, as many as a mail may name."""
READ_SECONDS: Final = 5.0

_LETTER: Final = """
    SELECT f.account, f.id AS forum, f.name AS forum_name, f.address AS forum_address,
           p.topic, p.id AS post, p.parent, p.mail, p.origin, p.author_name, p.author_email,
           p.subject, p.text, p.message_id, p.named, p.created_at, p.recorded_at,
           p.correlation, p.causation
      FROM forum.post p JOIN forum.forum f ON f.id = p.forum
     WHERE p.id = $1 AND NOT p.placeholder
"""
_ANCESTORS: Final = """
    WITH RECURSIVE up (id, parent, message_id, depth) AS (
        SELECT id, parent, message_id, 0 FROM forum.post WHERE id = $1
        UNION ALL
        SELECT p.id, p.parent, p.message_id, up.depth + 1
          FROM forum.post p JOIN up ON p.id = up.parent WHERE up.depth < $2)
    SELECT message_id FROM up WHERE depth > 0 ORDER BY depth DESC
"""


async def read_letter(connection: Connection, post: str) -> Letter | None:
    """Return a post that is no placeholder."""
    row = await connection.fetchrow(_LETTER, post)
    if row is None:
        return None
    ancestors = await connection.fetch(_ANCESTORS, post, DEPTH)
    values = dict(row)
    values["named"] = tuple(values["named"])
    return Letter(**values, ancestors=tuple(one["message_id"] for one in ancestors))


class PostgresFanouts:
    """Port `Fanouts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def letter(self, post: str) -> tuple[Letter, list[Copy]] | None:
        """Return a post with its copies."""
        async with self._database.transaction(seconds=READ_SECONDS) as connection:
            letter = await read_letter(connection, post)
            if letter is None:
                return None
            rows = await connection.fetch(
                "SELECT serial, address FROM forum.delivery WHERE post = $1 ORDER BY serial", post
            )
        return letter, [Copy(row["serial"], row["address"]) for row in rows]

    async def give_up(self, post: str, reason: str) -> None:
        """Mark all copies of a post as failed."""
        async with self._database.transaction(seconds=READ_SECONDS) as connection:
            await connection.execute(
                "UPDATE forum.delivery SET state = 'failed', reply = $2, updated_at = now()"
                " WHERE post = $1 AND state = 'pending'",
                post,
                reason,
            )

    async def change(self, member: str) -> MemberChange | None:
        """Return how it stands with a member."""
        async with self._database.transaction(seconds=READ_SECONDS) as connection:
            row = await connection.fetchrow(
                "SELECT f.account, m.forum, m.id AS member, m.email, m.role, m.delivery,"
                " m.joined_at, m.left_at, m.changed_at"
                " FROM forum.member m JOIN forum.forum f ON f.id = m.forum WHERE m.id = $1",
                member,
            )
        return MemberChange(**dict(row)) if row else None

    async def forum(self, name: str) -> ForumChange | None:
        """Return how it stands with a forum."""
        async with self._database.transaction(seconds=READ_SECONDS) as connection:
            row = await connection.fetchrow(
                "SELECT account, id AS forum, name, joining, visible, changed_at"
                " FROM forum.forum WHERE id = $1",
                name,
            )
        return ForumChange(**dict(row)) if row else None

    async def topic(self, name: str) -> TopicChange | None:
        """Return how it stands with a topic."""
        async with self._database.transaction(seconds=READ_SECONDS) as connection:
            row = await connection.fetchrow(
                "SELECT f.account, t.forum, t.id AS topic, t.closed, t.changed_at"
                " FROM forum.topic t JOIN forum.forum f ON f.id = t.forum WHERE t.id = $1",
                name,
            )
        return TopicChange(**dict(row)) if row else None

    async def moderated(self, post: str) -> PostChange | None:
        """Return how it stands with a post."""
        async with self._database.transaction(seconds=READ_SECONDS) as connection:
            row = await connection.fetchrow(
                "SELECT f.account, p.forum, p.topic, p.id AS post, p.changed_at,"
                " CASE WHEN p.removed_at IS NOT NULL THEN 'removed' WHEN p.held THEN 'held'"
                " ELSE 'shown' END AS state"
                " FROM forum.post p JOIN forum.forum f ON f.id = p.forum WHERE p.id = $1",
                post,
            )
        return PostChange(**dict(row)) if row else None

    async def returned(self, mail: str) -> ReturnedCopy | None:
        """Return what a mail told of a copy."""
        async with self._database.transaction(seconds=READ_SECONDS) as connection:
            row = await connection.fetchrow(
                "SELECT b.mail, b.kind, b.status, b.words, b.at, d.serial, d.address, d.post,"
                " p.subject, p.message_id, f.id AS forum, f.account"
                " FROM forum.bounce b JOIN forum.delivery d ON d.serial = b.delivery"
                " JOIN forum.post p ON p.id = d.post JOIN forum.forum f ON f.id = p.forum"
                " WHERE b.mail = $1",
                mail,
            )
        return ReturnedCopy(**dict(row)) if row else None
