"""What the relay publishes for a noted key.

Law: the rendered mail is in OUTBOX before any command that speaks of it, and the event comes last.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog

from postroom_contract import commands, events, subjects
from postroom_contract.codec import encode
from postroom_contract.events import MemberJoined, MemberLeft
from postroom_contract.ids import derived_id
from postroom_forum_bridge.domain.fanout import Voice, chunks, outbox_mail, post_created
from postroom_forum_bridge.ports import Fanouts, MemberChange
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
        member, _, version = rest.partition(" ")
        change = await self._fanouts.change(member)
        return [_membership(kind, change, version)] if change else []

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


def _membership(kind: str, change: MemberChange, version: str) -> Publication:
    event: MemberJoined | MemberLeft
    if kind == "joined":
        event = MemberJoined(**_said(kind, change, version, change.joined_at))
    else:
        event = MemberLeft(**_said(kind, change, version, change.left_at or change.joined_at))
    return Publication(events.subject_of(event), encode(event), event.id)


def _said(kind: str, change: MemberChange, version: str, time: datetime) -> dict[str, Any]:
    name = derived_id("evt", f"member.{kind}", change.member, version)
    return {
        "id": name,
        "time": time,
        "account": change.account,
        "scope": change.forum,
        "about": change.member,
        "source": "forum-bridge",
        "correlation": name,
        "causation": name,
        "forum": change.forum,
        "email": change.email,
    }
