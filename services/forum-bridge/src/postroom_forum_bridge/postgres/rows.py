"""Rows as the contract's answers, and the queries that several adapters share."""

from typing import Any, Final

import msgspec

from postroom_contract import forum
from postroom_contract.mail import AttachmentSummary
from postroom_forum_bridge.domain.addresses import address_key
from postroom_mail.trim import Trimmed, part

FORUM: Final = """
    SELECT f.id, f.name, f.address, f.state, f.description, f.joining, f.visible, f.version,
           $2::boolean OR coalesce(me.role = 'moderator', false) AS runs,
           me.id AS my_id, me.role AS my_role, me.delivery AS my_delivery,
           me.joined_at AS my_joined_at,
           (SELECT count(*) FROM forum.member m
             WHERE m.forum = f.id AND m.state = 'active') AS members,
           (SELECT count(*) FROM forum.topic t
             WHERE t.forum = f.id AND t.merged_into IS NULL) AS topics,
           (SELECT count(*) FROM forum.post p
             WHERE p.forum = f.id AND NOT p.placeholder AND NOT p.held
               AND p.removed_at IS NULL) AS posts,
           (SELECT max(t.last_post_at) FROM forum.topic t
             WHERE t.forum = f.id AND t.merged_into IS NULL) AS last_post_at
      FROM forum.forum f
      LEFT JOIN forum.member me
        ON me.forum = f.id AND me.email_key = $1 AND me.state = 'active'
"""
"""Needs `eyes` as its first two parameters."""
SEEN: Final = "(f.visible = 'account' OR $2::boolean OR me.id IS NOT NULL)"
"""Whether these eyes see a row of FORUM."""
TOPIC: Final = """
    SELECT t.id, t.forum, t.title, t.started_by, t.started_at, t.last_post_at,
           t.closed, c.posts, c.authors
      FROM forum.topic t
      JOIN forum.forum f ON f.id = t.forum
     CROSS JOIN LATERAL (
        SELECT count(*) AS posts, count(DISTINCT lower(p.author_email)) AS authors
          FROM forum.post p WHERE p.topic = t.id AND NOT p.placeholder AND NOT p.held
           AND p.removed_at IS NULL) c
"""
POST: Final = """
    SELECT p.id, p.topic, p.parent, p.placeholder, p.author_name, p.author_email, p.subject,
           p.text, p.elided, p.message_id, p.origin, p.mail, p.attachments, p.created_at,
           p.removed_at, p.removed_by, CASE WHEN p.removed_at IS NOT NULL THEN 'removed'
               WHEN p.held THEN 'held' ELSE 'shown' END AS state, d.*
      FROM forum.post p
     CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE state = 'pending') AS pending,
               count(*) FILTER (WHERE state = 'delivered') AS delivered,
               count(*) FILTER (WHERE state = 'deferred') AS deferred,
               count(*) FILTER (WHERE state = 'failed') AS failed,
               count(*) FILTER (WHERE state = 'captured') AS captured,
               count(*) FILTER (WHERE state = 'suppressed') AS suppressed,
               count(*) FILTER (WHERE state = 'bounced') AS bounced,
               count(*) FILTER (WHERE state = 'complained') AS complained
          FROM forum.delivery WHERE post = p.id) d
"""
MEMBER: Final = """
    SELECT m.id, m.email, m.name, m.delivery, m.state, m.joined_at, m.role,
           EXISTS (SELECT 1 FROM forum.silenced s JOIN forum.forum f ON f.account = s.account
                    WHERE f.id = m.forum AND s.email_key = m.email_key AND s.silent) AS silenced
      FROM forum.member m
"""
_STATES: Final = forum.Deliveries.__struct_fields__
_MINE: Final = ("my_id", "my_role", "my_delivery", "my_joined_at")


def eyes(asker: forum.Asker | None) -> tuple[str, bool]:
    """Return whose eyes a question is for: an address key, and whether they see everything."""
    if asker is None:
        return "", True
    return address_key(asker.email), asker.administrator


def forum_of(row: Any) -> forum.Forum:
    """Return a row of FORUM."""
    values = dict(row)
    member, role, delivery, joined_at = (values.pop(name) for name in _MINE)
    part = forum.Part(member=member, role=role, delivery=delivery, joined_at=joined_at)
    return forum.Forum(**values, part=part if member else None)


def topic_of(row: Any) -> forum.Topic:
    """Return a row of TOPIC."""
    return forum.Topic(**dict(row))


def member_of(row: Any) -> forum.Member:
    """Return a row of MEMBER."""
    return forum.Member(**dict(row))


def post_of(row: Any, *, runs: bool = True) -> forum.Post:
    """Return a row of POST, as those who run the forum see it, or all the others."""
    values = dict(row)
    deliveries = forum.Deliveries(**{state: values.pop(state) for state in _STATES})
    files = msgspec.json.decode(values.pop("attachments"), type=tuple[AttachmentSummary, ...])
    parts = Trimmed("", "")
    if elided := values.pop("elided"):
        parts = part(values["text"], elided)
    post = forum.Post(
        **values, own=parts.own, elided=parts.elided, attachments=files, deliveries=deliveries
    )
    return post if runs or post.state == "shown" else _blank(post)


def _blank(post: forum.Post) -> forum.Post:
    """Return what is left of a removed post for others: its place."""
    return msgspec.structs.replace(
        post, author_name="", author_email="", subject="", text="", own="", elided="",
        message_id="", mail=None, attachments=(), deliveries=forum.Deliveries(), removed_by="",
    )  # fmt: skip
