"""The events of what changed: each has its id of what changed and the version of that."""

from typing import Any

from postroom_contract.events import (
    Event,
    ForumChanged,
    MemberChanged,
    MemberJoined,
    MemberLeft,
    PostModerated,
    TopicChanged,
)
from postroom_contract.ids import derived_id
from postroom_forum_bridge.ports import ForumChange, MemberChange, PostChange, TopicChange


def membership(kind: str, change: MemberChange, version: str) -> Event:
    """Return the event of somebody who `joined`, `left`, or was `changed`."""
    said = _said(f"member.{kind}", change.member, version, change.account, change.forum)
    said["email"] = change.email
    if kind == "joined":
        return MemberJoined(time=change.joined_at, **said)
    if kind == "left":
        return MemberLeft(time=change.left_at or change.joined_at, **said)
    return MemberChanged(time=change.changed_at, role=change.role, delivery=change.delivery, **said)


def forum_changed(change: ForumChange, version: str) -> Event:
    """Return the event of other settings."""
    said = _said("forum.changed", change.forum, version, change.account, change.forum)
    return ForumChanged(
        time=change.changed_at, name=change.name, joining=change.joining,
        visible=change.visible, **said,
    )  # fmt: skip


def topic_changed(change: TopicChange, version: str) -> Event:
    """Return the event of a topic that was closed or opened again."""
    said = _said("topic.changed", change.topic, version, change.account, change.forum)
    return TopicChanged(time=change.changed_at, topic=change.topic, closed=change.closed, **said)


def post_moderated(change: PostChange, version: str) -> Event:
    """Return the event of a post that is held, was removed, or is shown again."""
    said = _said("post.moderated", change.post, version, change.account, change.forum)
    return PostModerated(
        time=change.changed_at, topic=change.topic, post=change.post, state=change.state, **said
    )


def _said(kind: str, about: str, version: str, account: str, forum: str) -> dict[str, Any]:
    name = derived_id("evt", kind, about, version)
    return {
        "id": name,
        "account": account,
        "scope": forum,
        "about": about,
        "source": "forum-bridge",
        "correlation": name,
        "causation": name,
        "forum": forum,
    }
