"""What the relay publishes for a noted key.

Law: the rendered mail is in OUTBOX before any command that speaks of it, and the event comes last.
"""

from collections.abc import Sequence

import structlog

from postroom_contract import commands, events, subjects
from postroom_contract.codec import encode
from postroom_contract.events import Event
from postroom_forum_bridge.domain.fanout import Voice, chunks, outbox_mail, post_created
from postroom_forum_bridge.handlers.announcing import (
    delivery_returned,
    forum_changed,
    membership,
    post_moderated,
    topic_changed,
)
from postroom_forum_bridge.ports import Fanouts
from postroom_mail.build import UnsafeHeaderError
from postroom_runtime.messages import Publication


class Publishing:
    """Turns keys of the outbox into publications."""

    def __init__(self, fanouts: Fanouts, voice: Voice) -> None:
        self._fanouts = fanouts
        self._voice = voice
        self._log = structlog.get_logger()

    async def read(self, keys: Sequence[str]) -> list[Sequence[Publication]]:
        """Return for each key what is to be published, in order."""
        return [await self._one(key) for key in keys]

    async def _one(self, key: str) -> Sequence[Publication]:
        kind, _, rest = key.partition(" ")
        if kind == "post":
            return await self._post(rest)
        about, _, version = rest.partition(" ")
        event = await self._change(kind, about, version)
        return [Publication(events.subject_of(event), encode(event), event.id)] if event else []

    async def _change(self, kind: str, about: str, version: str) -> Event | None:
        """Return the event of what changed, as it is now; None when it is gone."""
        match kind:
            case "forum":
                forum = await self._fanouts.forum(about)
                return forum_changed(forum, version) if forum else None
            case "topic":
                topic = await self._fanouts.topic(about)
                return topic_changed(topic, version) if topic else None
            case "moderated":
                post = await self._fanouts.moderated(about)
                return post_moderated(post, version) if post else None
            case "returned":
                copy = await self._fanouts.returned(about)
                return delivery_returned(copy) if copy else None
            case _:
                member = await self._fanouts.change(about)
                return membership(kind, member, version) if member else None

    async def _post(self, post: str) -> list[Publication]:
        found = await self._fanouts.letter(post)
        if found is None:
            return []
        letter, copies = found
        publications: list[Publication] = []
        try:
            if copies:
                publications += self._mail(outbox_mail(letter, self._voice))
        except UnsafeHeaderError as error:
            # It was rendered before it was stored; what has changed since then stops no other post.
            self._log.error("post cannot be rendered", post=post, reason=str(error))
            await self._fanouts.give_up(post, f"not sent: {error}")
            copies = []
        publications += (
            Publication(commands.subject_of(chunk), encode(chunk), chunk.id)
            for chunk in chunks(letter, copies, self._voice)
        )
        event = post_created(letter, len(copies))
        publications.append(Publication(events.subject_of(event), encode(event), event.id))
        return publications

    def _mail(self, mail: commands.OutboxMail) -> list[Publication]:
        return [Publication(subjects.outbox(mail.account, mail.id), encode(mail), mail.id)]
