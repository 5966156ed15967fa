"""Rows as the contract's answers, and the queries that several adapters share."""

from typing import Any, Final

import msgspec

from postroom_contract import forum
from postroom_contract.mail import AttachmentSummary

FORUM: Final = """
    SELECT f.id, f.name, f.address, f.state,
           (SELECT count(*) FROM forum.member m
             WHERE m.forum = f.id AND m.state = 'active') AS members,
           (SELECT count(*) FROM forum.topic t
             WHERE t.forum = f.id AND t.merged_into IS NULL) AS topics,
           (SELECT count(*) FROM forum.post p
             WHERE p.forum = f.id AND NOT p.placeholder) AS posts,
           (SELECT max(t.last_post_at) FROM forum.topic t
             WHERE t.forum = f.id AND t.merged_into IS NULL) AS last_post_at
      FROM forum.forum f
"""
TOPIC: Final = """
    SELECT t.id, t.forum, t.title, t.started_by, t.started_at, t.last_post_at,
           c.posts, c.authors
      FROM forum.topic t
      JOIN forum.forum f ON f.id = t.forum
     CROSS JOIN LATERAL (
        SELECT count(*) AS posts, count(DISTINCT lower(p.author_email)) AS authors
          FROM forum.post p WHERE p.topic = t.id AND NOT p.placeholder) c
"""
POST: Final = """
    SELECT p.id, p.topic, p.parent, p.placeholder, p.author_name, p.author_email, p.subject,
           p.text, p.message_id, p.origin, p.mail, p.attachments, p.created_at, d.*
      FROM forum.post p
     CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE state = 'pending') AS pending,
               count(*) FILTER (WHERE state = 'delivered') AS delivered,
               count(*) FILTER (WHERE state = 'deferred') AS deferred,
               count(*) FILTER (WHERE state = 'failed') AS failed,
               count(*) FILTER (WHERE state = 'captured') AS captured
          FROM forum.delivery WHERE post = p.id) d
"""
MEMBER: Final = "SELECT m.id, m.email, m.name, m.delivery, m.state, m.joined_at FROM forum.member m"
_STATES: Final = forum.Deliveries.__struct_fields__


def forum_of(row: Any) -> forum.Forum:
    """Return a row of FORUM."""
    return forum.Forum(**dict(row))


def topic_of(row: Any) -> forum.Topic:
    """Return a row of TOPIC."""
    return forum.Topic(**dict(row))


def member_of(row: Any) -> forum.Member:
    """Return a row of MEMBER."""
    return forum.Member(**dict(row))


def post_of(row: Any) -> forum.Post:
    """Return a row of POST."""
    values = dict(row)
    deliveries = forum.Deliveries(**{state: values.pop(state) for state in _STATES})
    files = msgspec.json.decode(values.pop("attachments"), type=tuple[AttachmentSummary, ...])
    return forum.Post(**values, attachments=files, deliveries=deliveries)
