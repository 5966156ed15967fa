"""Forums: their creation, and the lock under which everything in one happens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from postroom_contract import forum
from postroom_contract.membership import ChangeForum, ReadForum
from postroom_forum_bridge.domain.rights import Rules, refuse_running
from postroom_forum_bridge.ports import ForumRow, ProblemError, Work
from postroom_forum_bridge.postgres.forgetting import forget
from postroom_forum_bridge.postgres.rows import FORUM, SEEN, eyes, forum_of
from postroom_forum_bridge.postgres.standings import find_forum, require
from postroom_forum_bridge.postgres.work import PostgresWork
from postroom_runtime.postgres import Database

WORK_SECONDS = 6.0


class PostgresForums:
    """Port `Forums`. `seconds` is the deadline of one transaction."""

    def __init__(self, database: Database, seconds: float = WORK_SECONDS) -> None:
        self._database = database
        self._seconds = seconds

    @asynccontextmanager
    async def work(self, account: str, forum: str) -> AsyncIterator[Work | None]:
        """Lock the forum and begin; None when the account has no such forum."""
        async with self._database.transaction(seconds=self._seconds) as connection:
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"forum {forum}"
            )
            row = await connection.fetchrow(
                "SELECT id, account, name, address, state, joining, visible FROM forum.forum"
                " WHERE id = $1 AND account = $2",
                forum,
                account,
            )
            yield PostgresWork(connection, _row(row)) if row else None

    async def forum_of_topic(self, account: str, topic: str) -> str | None:
        """Return the id of the forum that a topic belongs to."""
        async with self._database.transaction(seconds=self._seconds) as connection:
            found: str | None = await connection.fetchval(
                "SELECT f.id FROM forum.topic t JOIN forum.forum f ON f.id = t.forum"
                " WHERE t.id = $1 AND f.account = $2",
                topic,
                account,
            )
            return found

    async def forum_of_post(self, account: str, post: str) -> str | None:
        """Return the id of the forum that a post belongs to."""
        async with self._database.transaction(seconds=self._seconds) as connection:
            found: str | None = await connection.fetchval(
                "SELECT f.id FROM forum.post p JOIN forum.forum f ON f.id = p.forum"
                " WHERE p.id = $1 AND f.account = $2",
                post,
                account,
            )
            return found

    async def read(self, request: ReadForum) -> forum.Forum:
        """Return a forum that the asker may see."""
        async with self._database.transaction(seconds=self._seconds) as connection:
            row = await connection.fetchrow(
                f"{FORUM} WHERE f.id = $3 AND f.account = $4 AND {SEEN}",
                *eyes(request.asker),
                request.forum,
                request.account,
            )
        if row is None:
            raise ProblemError("not_found", "There is no such forum.")
        return forum_of(row)

    async def change(self, request: ChangeForum, now: datetime) -> forum.Forum:
        """Write its settings, if the asker runs it and has read this version."""
        async with self._database.transaction(seconds=self._seconds) as connection:
            await require(connection, request.account, request.forum, request.asker, refuse_running)
            version = await connection.fetchval(
                "UPDATE forum.forum SET name = $3, description = $4, joining = $5, visible = $6,"
                " version = version + 1, changed_at = $7 WHERE id = $1 AND version = $2"
                " RETURNING version",
                request.forum,
                request.version,
                request.name,
                request.description,
                request.joining,
                request.visible,
                now,
            )
            if version is None:
                raise ProblemError("stale", "The settings were changed meanwhile.")
            await connection.execute(
                "INSERT INTO forum.outbox (key) VALUES ($1)", f"forum {request.forum} {version}"
            )
            changed = await find_forum(connection, request.account, request.forum, request.asker)
            assert changed is not None, "it was just written"
            return changed

    async def create(self, request: forum.CreateForum) -> forum.Forum:
        """Make a forum in state `opening`, unless it is there."""
        async with self._database.transaction(seconds=self._seconds) as connection:
            await connection.execute(
                "INSERT INTO forum.forum (id, account, name, address, state)"
                " VALUES ($1, $2, $3, $4, 'opening') ON CONFLICT DO NOTHING",
                request.id,
                request.account,
                request.name,
                request.address,
            )
            made = await find_forum(connection, request.account, request.id)
            if made is None:
                raise ProblemError("conflict", "The address belongs to another forum.")
            return made

    async def open(self, request: forum.OpenForum) -> forum.Forum:
        """Open it."""
        async with self._database.transaction(seconds=self._seconds) as connection:
            await connection.execute(
                "UPDATE forum.forum SET state = 'open' WHERE id = $1 AND account = $2",
                request.id,
                request.account,
            )
            opened = await find_forum(connection, request.account, request.id)
            if opened is None:
                raise ProblemError("not_found", "There is no such forum.")
            return opened

    async def discard(self, request: forum.DiscardForum) -> forum.Done:
        """Remove a forum that was never opened."""
        async with self._database.transaction(seconds=self._seconds) as connection:
            await connection.execute(
                "DELETE FROM forum.forum WHERE id = $1 AND account = $2 AND state = 'opening'",
                request.id,
                request.account,
            )
            if await find_forum(connection, request.account, request.id) is not None:
                raise ProblemError("conflict", "The forum is open.")
            return forum.Done()

    async def forget_account(self, account: str) -> forum.Forgotten:
        """Delete a piece of an account; repeat until there is no more."""
        async with self._database.transaction(seconds=self._seconds) as connection:
            return forum.Forgotten(more=await forget(connection, account))


def _row(row: Any) -> ForumRow:
    values = dict(row)
    rules = Rules(joining=values.pop("joining"), visible=values.pop("visible"))
    return ForumRow(**values, rules=rules)
