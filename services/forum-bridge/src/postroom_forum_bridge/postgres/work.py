"""One transaction on one forum, under its lock.

Law: only this module writes topics and posts, and only with the forum's lock held; so what was
looked up stays true until it is committed.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from postroom_contract import forum
from postroom_forum_bridge.domain.entry import Entry, title_of
from postroom_forum_bridge.domain.fanout import Letter
from postroom_forum_bridge.domain.rights import Standing
from postroom_forum_bridge.domain.threading import Known, Place
from postroom_forum_bridge.ports import ForumRow, Outcome, TopicRow
from postroom_forum_bridge.postgres.letters import read_letter
from postroom_forum_bridge.postgres.rows import POST, TOPIC, post_of, topic_of
from postroom_forum_bridge.postgres.standings import look
from postroom_runtime.postgres import Connection

_STAYS_CLOSED: Final = (
    "UPDATE forum.topic SET closed = closed OR (SELECT closed FROM forum.topic WHERE id = $1)"
    " WHERE id = $2"
)


class PostgresWork:
    """Port `Work`."""

    def __init__(self, connection: Connection, forum: ForumRow) -> None:
        self._connection = connection
        self.forum = forum

    async def handled(self, mail: str) -> bool:
        """Return whether this mail was handled before."""
        found = await self._connection.fetchval(
            "SELECT 1 FROM forum.mail WHERE forum = $1 AND id = $2", self.forum.id, mail
        )
        return found is not None

    async def note(self, mail: str, outcome: Outcome, post: str | None = None) -> None:
        """Note what became of a mail."""
        await self._connection.execute(
            "INSERT INTO forum.mail (forum, id, outcome, post) VALUES ($1, $2, $3, $4)",
            self.forum.id,
            mail,
            outcome,
            post,
        )

    async def known(self, message_ids: Sequence[str]) -> dict[str, Known]:
        """Return what the forum knows of these ids."""
        rows = await self._connection.fetch(
            "SELECT message_id, topic, NULL AS post, false AS placeholder FROM forum.reference"
            " WHERE forum = $1 AND message_id = ANY($2) UNION ALL"
            " SELECT message_id, topic, id, placeholder FROM forum.post"
            " WHERE forum = $1 AND message_id = ANY($2)",
            self.forum.id,
            list(message_ids),
        )
        return {row["message_id"]: Known(**dict(row)) for row in rows}

    async def descends(self, post: str, ancestor: str) -> bool:
        """Return whether `post` is `ancestor` or answers it over any number of steps."""
        found = await self._connection.fetchval(
            "WITH RECURSIVE up (id) AS (SELECT $1::text UNION"
            " SELECT p.parent FROM forum.post p JOIN up ON p.id = up.id"
            " WHERE p.parent IS NOT NULL) SELECT 1 FROM up WHERE id = $2",
            post,
            ancestor,
        )
        return found is not None

    async def standing(self, asker: forum.Asker | None) -> Standing:
        """Return who asks, in view of this forum."""
        found = await look(self._connection, self.forum.account, self.forum.id, asker)
        assert found is not None, "this transaction has found it"
        return found[1]

    async def store(self, place: Place, entry: Entry, original: bytes | None) -> bool:
        """Store the post and do what its place needs; return whether it is held."""
        if place.new_topic:
            await self._connection.execute(
                "INSERT INTO forum.topic (id, forum, title, started_by, started_at, last_post_at)"
                " VALUES ($1, $2, '', '', $3, $3)",
                place.topic,
                self.forum.id,
                entry.created_at,
            )
        if place.merged is not None:
            await self._merge(place.merged, place.topic)
        if place.absent_parent is not None:
            await self._placeholder(place, entry)
        held = entry.origin == "mail" and bool(
            await self._connection.fetchval(
                "SELECT closed FROM forum.topic WHERE id = $1", place.topic
            )
        )
        await self._write(place, entry, await self._moment(place, entry), held=held)
        if place.fills:
            await self._push_answers(place.post)
        await self._connection.execute(
            "DELETE FROM forum.reference WHERE forum = $1 AND message_id = ANY($2)",
            self.forum.id,
            [one for one in (entry.message_id, place.absent_parent) if one],
        )
        await self._connection.execute(
            "INSERT INTO forum.reference (forum, message_id, topic)"
            " SELECT $1, unnest($2::text[]), $3 ON CONFLICT DO NOTHING",
            self.forum.id,
            list(place.unknown),
            place.topic,
        )
        if original is not None:
            await self._connection.execute(
                "INSERT INTO forum.original (post, raw) VALUES ($1, $2)", place.post, original
            )
        await self._describe(place.topic)
        return held

    async def _merge(self, merged: str, topic: str) -> None:
        for statement in (
            "UPDATE forum.post SET topic = $2 WHERE topic = $1",
            "UPDATE forum.reference SET topic = $2 WHERE topic = $1",
            _STAYS_CLOSED,
            "UPDATE forum.topic SET merged_into = $2 WHERE id = $1 OR merged_into = $1",
        ):
            await self._connection.execute(statement, merged, topic)

    async def _placeholder(self, place: Place, entry: Entry) -> None:
        # It stands just before the first answer to it until its own time is known.
        await self._connection.execute(
            "INSERT INTO forum.post (id, forum, topic, message_id, placeholder, origin, created_at)"
            " VALUES ($1, $2, $3, $4, true, 'mail', $5::timestamptz - interval '1 millisecond')",
            place.parent,
            self.forum.id,
            place.topic,
            place.absent_parent,
            entry.created_at,
        )

    async def _moment(self, place: Place, entry: Entry) -> datetime:
        """Return when the post stands in its topic: after what it answers.

        A Date has whole seconds and comes from foreign clocks; an answer must not stand before
        what it answers.
        """
        await self._connection.execute(
            "UPDATE forum.post SET created_at = least(created_at, $2::timestamptz"
            " - interval '1 millisecond') WHERE id = $1 AND placeholder",
            place.parent,
            entry.created_at,
        )
        moment: datetime = await self._connection.fetchval(
            "SELECT greatest($2::timestamptz, (SELECT created_at + interval '1 millisecond'"
            " FROM forum.post WHERE id = $1))",
            place.parent,
            entry.created_at,
        )
        return moment

    async def _push_answers(self, post: str) -> None:
        """Move what stands before the post and answers it, over any number of steps, behind it."""
        await self._connection.execute(
            "WITH RECURSIVE down (id, moment) AS ("
            " SELECT id, created_at FROM forum.post WHERE id = $1 UNION ALL"
            " SELECT p.id, down.moment + interval '1 millisecond' FROM forum.post p"
            " JOIN down ON p.parent = down.id AND p.created_at <= down.moment)"
            " UPDATE forum.post p SET created_at = down.moment FROM down"
            " WHERE p.id = down.id AND p.created_at < down.moment",
            post,
        )

    async def _write(self, place: Place, entry: Entry, moment: datetime, *, held: bool) -> None:
        values = (
            place.post,
            self.forum.id,
            place.topic,
            place.parent,
            entry.message_id,
            entry.author_name,
            entry.author_email,
            entry.subject,
            entry.text,
            entry.origin,
            entry.mail,
            list(entry.named),
            msgspec.json.encode(entry.attachments).decode(),
            moment,
            entry.correlation,
            entry.causation,
            held,
            list(entry.elided),
        )
        columns = (
            "id, forum, topic, parent, message_id, author_name, author_email, subject, text,"
            " origin, mail, named, attachments, created_at, correlation, causation, held,"
            " elided"
        )
        numbers = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        if place.fills:
            query = (
                f"UPDATE forum.post SET ({columns}, placeholder, recorded_at)"  # noqa: S608 - our own constants
                f" = ({numbers}, false, now()) WHERE id = $1 AND placeholder"
            )
        else:
            query = f"INSERT INTO forum.post ({columns}, placeholder) VALUES ({numbers}, false)"  # noqa: S608 - our own constants
        await self._connection.execute(query, *values)

    async def _describe(self, topic: str) -> None:
        """Make title, beginning and activity say what the posts say."""
        root = await self._connection.fetchrow(
            "SELECT subject, coalesce(nullif(author_name, ''), author_email) AS author, created_at"
            " FROM forum.post WHERE topic = $1 AND NOT placeholder"
            " ORDER BY held, parent IS NULL DESC, created_at, id LIMIT 1",
            topic,
        )
        assert root is not None, "the post was just stored in it"
        await self._connection.execute(
            "UPDATE forum.topic SET title = $2, started_by = $3, started_at = $4, last_post_at ="
            " coalesce((SELECT max(created_at) FROM forum.post WHERE topic = $1"
            " AND NOT placeholder AND NOT held), last_post_at) WHERE id = $1",
            topic,
            title_of(root["subject"], self.forum.name),
            root["author"],
            root["created_at"],
        )

    async def fan_out(self, post: str, author_key: str) -> None:
        """List the copies of the post's readers (but the author)."""
        await self._connection.execute(
            "INSERT INTO forum.delivery (post, member, address)"
            " SELECT $1, id, email FROM forum.member m WHERE forum = $2 AND state = 'active'"
            " AND delivery = 'each' AND email_key <> $3 AND NOT EXISTS (SELECT 1"
            " FROM forum.silenced s WHERE s.account = $4 AND s.email_key = m.email_key"
            " AND s.silent) ORDER BY email_key ON CONFLICT DO NOTHING",
            post,
            self.forum.id,
            author_key,
            self.forum.account,
        )

    async def announce(self, post: str) -> None:
        """Note for the relay that there is a new post."""
        await self._connection.execute("INSERT INTO forum.outbox (key) VALUES ($1)", f"post {post}")

    async def letter(self, post: str) -> Letter:
        """Return the post as it will be rendered."""
        found = await read_letter(self._connection, post)
        assert found is not None, "the caller has just stored it"
        return found

    async def post(self, post: str) -> forum.Post | None:
        """Return a post of this forum."""
        row = await self._connection.fetchrow(
            f"{POST} WHERE p.id = $1 AND p.forum = $2", post, self.forum.id
        )
        return post_of(row) if row else None

    async def topic(self, topic: str) -> TopicRow | None:
        """Return a topic of this forum, or the one that it was joined to."""
        row = await self._connection.fetchrow(
            "SELECT s.id, s.forum, s.title, s.closed, p.id AS last_post FROM forum.topic t"
            " JOIN forum.topic s ON s.id = coalesce(t.merged_into, t.id)"
            " JOIN forum.post p ON p.topic = s.id AND NOT p.placeholder AND NOT p.held"
            " WHERE t.id = $1 AND t.forum = $2 ORDER BY p.created_at DESC, p.id DESC LIMIT 1",
            topic,
            self.forum.id,
        )
        return TopicRow(**dict(row)) if row else None

    async def message_id(self, post: str, topic: str) -> str | None:
        """Return the Message-ID of a post in this topic."""
        found: str | None = await self._connection.fetchval(
            "SELECT message_id FROM forum.post WHERE id = $1 AND topic = $2", post, topic
        )
        return found

    async def remove(self, post: str, by: str, now: datetime) -> None:
        """Hide a post from all who do not run the forum."""
        await self._moderated(
            await self._connection.fetchval(
                "UPDATE forum.post SET removed_at = $2, removed_by = $3, changed_at = $2,"
                " version = version + 1 WHERE id = $1 RETURNING concat_ws(' ', id, version)",
                post,
                now,
                by,
            )
        )

    async def show(self, post: str, now: datetime) -> bool:
        """Show a post; return whether it was held, and so never went out."""
        before = await self._connection.fetchrow(
            "SELECT held, topic FROM forum.post WHERE id = $1", post
        )
        assert before is not None, "the caller has found it"
        await self._moderated(
            await self._connection.fetchval(
                "UPDATE forum.post SET removed_at = NULL, removed_by = '', held = false,"
                " recorded_at = CASE WHEN held THEN $2 ELSE recorded_at END, changed_at = $2,"
                " version = version + 1 WHERE id = $1 RETURNING concat_ws(' ', id, version)",
                post,
                now,
            )
        )
        if before["held"]:
            await self._describe(before["topic"])
        return bool(before["held"])

    async def announce_held(self, post: str) -> None:
        """Note for the relay that a post waits for those who run the forum."""
        await self._moderated(f"{post} 0")

    async def _moderated(self, key: str) -> None:
        await self._connection.execute(
            "INSERT INTO forum.outbox (key) VALUES ($1)", f"moderated {key}"
        )

    async def close(self, topic: str, *, closed: bool, now: datetime) -> forum.Topic:
        """Close a topic of this forum, or open it again."""
        version = await self._connection.fetchval(
            "UPDATE forum.topic SET closed = $2, changed_at = $3, version = version + 1"
            " WHERE id = $1 AND closed <> $2 RETURNING version",
            topic,
            closed,
            now,
        )
        if version is not None:
            await self._connection.execute(
                "INSERT INTO forum.outbox (key) VALUES ($1)", f"topic {topic} {version}"
            )
        return topic_of(await self._connection.fetchrow(f"{TOPIC} WHERE t.id = $1", topic))
