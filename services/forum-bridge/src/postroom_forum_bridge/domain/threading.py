"""Where a mail stands in its forum: its parent, its topic, and what has to be joined.

Laws:
1. The parent is a function of the mail alone (token, In-Reply-To, References), never of what came
   before it: mails of one thread make one tree in every order.
2. A parent that has not come is a placeholder, which it fills under the same id. What was said of
   a post's place before it came is completed then, never contradicted.
3. One mail joins at most two topics, and only where something was missing before (itself, or what
   it answers): naming many topics in References cannot throw them together.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from postroom_contract.ids import derived_id

MAX_NAMED: Final = 50
"""Ids of one mail that are looked up and noted."""
MAX_JOINED: Final = 2
"""Topics that one mail may show to be one."""


class Known(msgspec.Struct, frozen=True):
    """A Message-ID that the forum has met: as a post, a placeholder, or in References only."""

    message_id: str
    topic: str
    post: str | None = None
    """None for an id that was only referred to."""
    placeholder: bool = False

    @property
    def real(self) -> bool:
        """Whether its mail is here."""
        return self.post is not None and not self.placeholder


class Names(msgspec.Struct, frozen=True):
    """What a mail says about its place."""

    message_id: str
    parent: str | None
    """The id of what it answers."""
    named: tuple[str, ...]
    """All ids that it names, without its own: the parent first, then the newest of References."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the post goes, and what has to be done for it."""

    post: str
    topic: str
    parent: str | None
    """Id of the parent post."""
    fills: bool
    """The post is there as a placeholder."""
    new_topic: bool
    absent_parent: str | None
    """The parent's Message-ID when a placeholder must be made for it."""
    merged: str | None
    """A topic whose posts move to `topic`."""
    unknown: tuple[str, ...]
    """Ids to note for `topic`."""


def post_id(forum: str, message_id: str) -> str:
    """Return the id of the post or placeholder with this Message-ID."""
    return derived_id("pst", forum, message_id)


def names_of(
    message_id: str,
    in_reply_to: Sequence[str],
    references: Sequence[str],
    answered: str | None = None,
) -> Names:
    """Read the threading headers; `answered` is the Message-ID behind a reply token, if believed.

    Several ids in In-Reply-To: the one that References has last is the parent (RFC 5322 §3.6.4
    makes it so for mails with one parent), else the first.
    """
    replied = [one for one in in_reply_to if one != message_id]
    referred = [one for one in reversed(references) if one != message_id]
    candidates = [one for one in referred if one in replied] + replied + referred
    if answered is not None and answered != message_id:
        candidates.insert(0, answered)
    named = tuple(dict.fromkeys(candidates))[:MAX_NAMED]
    return Names(message_id, named[0] if named else None, named)


def place(
    forum: str,
    names: Names,
    known: Mapping[str, Known],
    *,
    parent_descends: bool = False,
    drawn: str | None = None,
) -> Place | None:
    """Decide; None when the Message-ID is a post already.

    `known` holds what the forum knows of the mail's own id and of `names.named`.
    `parent_descends`: the parent descends from our placeholder, so being its child would be a ring.
    `drawn`: the id of a post that is no mail.
    """
    own = known.get(names.message_id)
    if own is not None and own.real:
        return None
    post = (own.post if own else None) or drawn or post_id(forum, names.message_id)
    parent = None if parent_descends else names.parent
    topic, merged = _topics(own, names, known)
    parent_known = known.get(parent) if parent else None
    absent = parent if parent and (parent_known is None or parent_known.post is None) else None
    return Place(
        post=post,
        topic=topic or derived_id("top", forum, post),
        parent=_parent_post(forum, parent, parent_known),
        fills=own is not None and own.post is not None,
        new_topic=topic is None,
        absent_parent=absent,
        merged=merged,
        unknown=tuple(one for one in names.named if one not in known and one != absent),
    )


def _parent_post(forum: str, parent: str | None, known: Known | None) -> str | None:
    if parent is None:
        return None
    return known.post if known and known.post else post_id(forum, parent)


def _topics(
    own: Known | None, names: Names, known: Mapping[str, Known]
) -> tuple[str | None, str | None]:
    """Return the topic to stand in and the one that is joined to it.

    The side of the ancestors survives: there is the root. What is not here yet does not know its
    own place, so the next of the mail's ancestors is asked too; the first that is here decides.
    """
    met = [own.topic] if own else []
    for upper in (known[one] for one in names.named if one in known):
        if upper.topic not in met:
            met.append(upper.topic)
        if upper.real or len(met) == MAX_JOINED:
            break
    return (met[-1] if met else None), (met[0] if len(met) == MAX_JOINED else None)
