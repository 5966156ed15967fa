"""Those who run a forum keep order in it.

Law: nothing is erased: what was removed can be shown again, and what came to a closed topic waits.
"""

from collections.abc import Callable

from postroom_contract.forum import Asker, Post, Topic
from postroom_contract.membership import CloseTopic, ModeratePost
from postroom_forum_bridge.domain.addresses import address_key
from postroom_forum_bridge.domain.entry import MAX_NAME
from postroom_forum_bridge.domain.rights import refuse_running
from postroom_forum_bridge.ports import Forums, ProblemError, Work
from postroom_mail.text import one_line
from postroom_runtime.clock import Clock


class Moderation:
    """Handles ModeratePost and CloseTopic."""

    def __init__(self, forums: Forums, clock: Clock, committed: Callable[[], None]) -> None:
        self._forums = forums
        self._clock = clock
        self._committed = committed

    async def moderate(self, request: ModeratePost) -> Post:
        """Remove a post or show it; a held one goes out to the members then."""
        if request.state == "held":
            raise ProblemError("invalid", "A post is shown or removed; held it is by itself.")
        forum = await self._forums.forum_of_post(request.account, request.post)
        if forum is None:
            raise _no_such("post")
        async with self._forums.work(request.account, forum) as begun:
            work = await _running(begun, request.asker, "post")
            found = await work.post(request.post)
            if found is None or found.placeholder:
                raise _no_such("post")
            if found.state != request.state:
                await self._change(work, request, found)
            changed = await work.post(request.post)
            assert changed is not None, "it was just there"
        self._committed()
        return changed

    async def _change(self, work: Work, request: ModeratePost, found: Post) -> None:
        now = self._clock.now()
        if request.state == "removed":
            await work.remove(found.id, one_line(request.by, MAX_NAME), now)
        elif await work.show(found.id, now):
            await work.fan_out(found.id, address_key(found.author_email))
            await work.announce(found.id)

    async def close(self, request: CloseTopic) -> Topic:
        """Close a topic, or open it again."""
        forum = await self._forums.forum_of_topic(request.account, request.topic)
        if forum is None:
            raise _no_such("topic")
        async with self._forums.work(request.account, forum) as begun:
            work = await _running(begun, request.asker, "topic")
            topic = await work.topic(request.topic)
            if topic is None:
                raise _no_such("topic")
            closed = await work.close(topic.id, closed=request.closed, now=self._clock.now())
        self._committed()
        return closed


async def _running(work: Work | None, asker: Asker | None, what: str) -> Work:
    """Return the work of somebody who runs the forum, or raise ProblemError."""
    if work is None:
        raise _no_such(what)
    refused = refuse_running(work.forum.rules, await work.standing(asker))
    if refused == "not_found":
        raise _no_such(what)
    if refused is not None:
        raise ProblemError(refused, "Only those who run the forum may do this.")
    return work


def _no_such(what: str) -> ProblemError:
    return ProblemError("not_found", f"There is no such {what}.")
