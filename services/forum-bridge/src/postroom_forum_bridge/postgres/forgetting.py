"""Everything of an account goes, piece by piece: posts with what hangs on them, then the rest.

Law: a table that hangs on a forum, topic, post or member stands in one of the lists (a test looks).
"""

from typing import Final

from postroom_runtime.postgres import Connection

POSTS: Final = 1_000
"""How many posts go in one transaction."""
_OF_POSTS: Final = (
    "UPDATE forum.post SET parent = NULL WHERE parent = ANY($1)",
    "DELETE FROM forum.bounce USING forum.delivery WHERE serial = delivery AND post = ANY($1)",
    "DELETE FROM forum.delivery WHERE post = ANY($1)",
    "DELETE FROM forum.mail WHERE post = ANY($1)",
    "DELETE FROM forum.original WHERE post = ANY($1)",
    "DELETE FROM forum.post WHERE id = ANY($1)",
)
_OF_FORUMS: Final = (
    "DELETE FROM forum.mail WHERE forum = ANY($1)",
    "DELETE FROM forum.reference WHERE forum = ANY($1)",
    "UPDATE forum.topic SET merged_into = NULL WHERE forum = ANY($1)",
    "DELETE FROM forum.topic WHERE forum = ANY($1)",
    "DELETE FROM forum.member WHERE forum = ANY($1)",
    "DELETE FROM forum.forum WHERE id = ANY($1)",
)


async def forget(connection: Connection, account: str) -> bool:
    """Delete a piece; return whether there is more."""
    # No post is written meanwhile: writing works in an open forum only.
    await connection.execute("UPDATE forum.forum SET state = 'opening' WHERE account = $1", account)
    rows = await connection.fetch("SELECT id FROM forum.forum WHERE account = $1", account)
    forums = [row["id"] for row in rows]
    rows = await connection.fetch(
        "SELECT id FROM forum.post WHERE forum = ANY($1) LIMIT $2", forums, POSTS
    )
    if posts := [row["id"] for row in rows]:
        for statement in _OF_POSTS:
            await connection.execute(statement, posts)
        return True
    for statement in _OF_FORUMS:
        await connection.execute(statement, forums)
    await connection.execute("DELETE FROM forum.silenced WHERE account = $1", account)
    return False
