"""The events of what changed: each has its id of what changed and the version of that."""

from typing import Any

from postroom_contract.events import (
    DeliveryReported,
    DeliveryResult,
    Event,
    ForumChanged,
    MemberChanged,
    MemberJoined,
    MemberLeft,
    PostModerated,
    TopicChanged,
)
from postroom_contract.ids import derived_id
from postroom_forum_bridge.domain.fanout import outbox_id
from postroom_forum_bridge.domain.returns import STATES
from postroom_forum_bridge.ports import (
    ForumChange,
    MemberChange,
    PostChange,
    ReturnedCopy,
    TopicChange,
)


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


def delivery_returned(copy: ReturnedCopy) -> Event | None:
    """Return the event of a copy that came back or was complained of; None: it stays as it is."""
    state = STATES.get(copy.kind)
    if state is None:
        return None
    return DeliveryReported(
        id=derived_id("evt", "delivery.reported", copy.mail, str(copy.serial)),
        time=copy.at,
        account=copy.account,
        scope=copy.forum,
        about=copy.mail,
        source="forum-bridge",
        correlation=copy.mail,
        causation=copy.mail,
        outbox=outbox_id(copy.post),
        origin=copy.post,
        subject=copy.subject,
        message_id=copy.message_id,
        chunk="",
        attempt=0,
        next_attempt_at=None,
        results=(
            DeliveryResult(
                recipient=copy.address,
                state=state,
                reply=copy.words,
                serial=copy.serial,
                status=copy.status,
            ),
        ),
        mail=copy.mail,
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
