"""A post written on the web.

Law: its id was drawn by the asker; asking again writes nothing and returns the same post.
"""

from collections.abc import Callable

from postroom_contract.forum import Post, WritePost
from postroom_forum_bridge.domain.entry import MAX_NAME, Entry
from postroom_forum_bridge.domain.fanout import Voice
from postroom_forum_bridge.domain.rights import refuse_reading
from postroom_forum_bridge.domain.threading import Known, Names, place
from postroom_forum_bridge.handlers.posting import finish
from postroom_forum_bridge.ports import Forums, ProblemError, TopicRow, Work
from postroom_mail.text import one_line, plain, reply_subject
from postroom_runtime.clock import Clock
from postroom_runtime.errors import RefusedError


class WritePosts:
    """Handles WritePost."""

    def __init__(
        self, forums: Forums, voice: Voice, clock: Clock, committed: Callable[[], None]
    ) -> None:
        self._forums = forums
        self._voice = voice
        self._clock = clock
        self._committed = committed

    async def write(self, request: WritePost) -> Post:
        """Store the post and fan it out."""
        forum = await self._forum(request)
        async with self._forums.work(request.account, forum) as work:
            if work is None:
                raise ProblemError("not_found", "There is no such forum.")
            if work.forum.state != "open":
                raise ProblemError("conflict", "The forum is still being made.")
            there = await work.post(request.id)
            if there is not None:
                return there
            post = await self._write(work, request)
        self._committed()
        return post

    async def _forum(self, request: WritePost) -> str:
        if (request.topic is None) == (request.forum is None):
            raise ProblemError("invalid", "A post needs a topic or a forum.")
        if not plain(request.text).strip():
            raise ProblemError("invalid", "A post needs a text.")
        if request.forum is not None:
            return request.forum
        assert request.topic is not None
        forum = await self._forums.forum_of_topic(request.account, request.topic)
        if forum is None:
            raise ProblemError("not_found", "There is no such topic.")
        return forum

    async def _write(self, work: Work, request: WritePost) -> Post:
        topic: TopicRow | None = None
        upper: Known | None = None
        standing = await work.standing(request.asker)
        if refused := refuse_reading(work.forum.rules, standing):
            raise ProblemError(
                refused, f"There is no such {'topic' if request.topic else 'forum'}."
            )
        if request.topic is not None:
            topic, upper = await self._answered(work, request)
            if topic.closed and not standing.runs:
                raise ProblemError("conflict", "This topic is closed.")
        subject = reply_subject(topic.title) if topic else one_line(request.subject or "")
        if not subject:
            raise ProblemError("invalid", "A topic needs a subject.")
        domain = work.forum.address.rpartition("@")[2]
        entry = Entry(
            message_id=f"{request.id}@{domain}",
            author_name=one_line(request.author_name, MAX_NAME),
            author_email=request.author_email,
            subject=subject,
            text=plain(request.text),
            origin="web",
            mail=None,
            named=(),
            attachments=(),
            created_at=self._clock.now(),
            correlation=request.id,
            causation=request.id,
        )
        await self._store(work, request.id, entry, upper)
        try:
            await finish(work, request.id, entry, self._voice)
        except RefusedError as error:
            raise ProblemError("invalid", str(error)) from error
        made = await work.post(request.id)
        assert made is not None, "it was stored in this transaction"
        return made

    async def _answered(self, work: Work, request: WritePost) -> tuple[TopicRow, Known]:
        assert request.topic is not None
        topic = await work.topic(request.topic)
        if topic is None:
            raise ProblemError("not_found", "There is no such topic.")
        parent = request.parent or topic.last_post
        message_id = await work.message_id(parent, topic.id)
        if message_id is None:
            raise ProblemError("not_found", "The post to answer is not in this topic.")
        return topic, Known(message_id, topic.id, parent)

    async def _store(self, work: Work, post: str, entry: Entry, upper: Known | None) -> None:
        names = Names(
            entry.message_id,
            upper.message_id if upper else None,
            (upper.message_id,) if upper else (),
        )
        if await work.known((entry.message_id,)):
            raise ProblemError("conflict", "The id of this post is taken.")
        known = {upper.message_id: upper} if upper else {}
        where = place(work.forum.id, names, known, drawn=post)
        assert where is not None, "its id is not known"
        await work.store(where, entry, None)
