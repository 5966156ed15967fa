"""What the handlers need from outside."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from postroom_contract import forum
from postroom_contract.commands import MailReference, OutboxMail
from postroom_contract.events import DeliveryResult
from postroom_contract.forum import Post
from postroom_contract.mail import Envelope
from postroom_forum_bridge.domain.authority import Delivery
from postroom_forum_bridge.domain.entry import Entry
from postroom_forum_bridge.domain.fanout import Copy, Letter
from postroom_forum_bridge.domain.threading import Known, Place
from postroom_mail.values import Mail

ReadMail = Callable[[bytes], Awaitable[Mail]]
"""Reads a mail within limits; RefusedError for one that goes beyond them."""

Outcome = Literal["posted", "known", "robot"]


class ProblemError(Exception):
    """The request was understood, and the answer is no."""

    def __init__(self, code: Literal["not_found", "conflict", "invalid"], detail: str) -> None:
        super().__init__(detail)
        self.problem = forum.Problem(code=code, detail=detail)


class RawMail(msgspec.Struct, frozen=True):
    """A mail as it lies in INTAKE."""

    envelope: Envelope
    data: bytes


class Mails(Protocol):
    """The raw mails."""

    async def fetch(self, account: str, mail: MailReference) -> RawMail:
        """Return the mail; RefusedError when its place is empty or holds another one."""


class ForumRow(msgspec.Struct, frozen=True, kw_only=True):
    """A forum as handlers need it."""

    id: str
    account: str
    name: str
    address: str
    state: Literal["opening", "open"]


class TopicRow(msgspec.Struct, frozen=True, kw_only=True):
    """A living topic, and its last post."""

    id: str
    forum: str
    title: str
    last_post: str


class Work(Protocol):
    """One transaction on one forum, which nobody else changes meanwhile."""

    forum: ForumRow

    async def handled(self, mail: str) -> bool:
        """Return whether this mail was handled before."""

    async def note(self, mail: str, outcome: Outcome, post: str | None = None) -> None:
        """Note what became of a mail."""

    async def known(self, message_ids: Sequence[str]) -> dict[str, Known]:
        """Return what the forum knows of these ids."""

    async def descends(self, post: str, ancestor: str) -> bool:
        """Return whether `post` is `ancestor` or answers it over any number of steps."""

    async def store(self, place: Place, entry: Entry, original: bytes | None) -> None:
        """Store the post and do what its place needs."""

    async def fan_out(self, post: str, author_key: str) -> None:
        """List the copies of the post's readers (but the author) and note it for the relay."""

    async def letter(self, post: str) -> Letter:
        """Return the post as it will be rendered."""

    async def post(self, post: str) -> Post | None:
        """Return a post of this forum."""

    async def topic(self, topic: str) -> TopicRow | None:
        """Return a topic of this forum, or the one that it was joined to."""

    async def message_id(self, post: str, topic: str) -> str | None:
        """Return the Message-ID of a post in this topic."""


class Forums(Protocol):
    """Forums, and the way to work in one."""

    def work(self, account: str, forum: str) -> AbstractAsyncContextManager[Work | None]:
        """Lock the forum and begin; None when the account has no such forum."""

    async def forum_of_topic(self, account: str, topic: str) -> str | None:
        """Return the id of the forum that a topic belongs to."""

    async def create(self, request: forum.CreateForum) -> forum.Forum:
        """Make a forum in state `opening`, unless it is there."""

    async def open(self, request: forum.OpenForum) -> forum.Forum:
        """Open it."""

    async def discard(self, request: forum.DiscardForum) -> forum.Done:
        """Remove a forum that was never opened."""

    async def forget_account(self, account: str) -> forum.Forgotten:
        """Delete a piece of an account; repeat until there is no more."""


class Members(Protocol):
    """Who takes part."""

    async def add(self, request: forum.AddMember, email: str, now: datetime) -> forum.Member:
        """Let someone take part, again if need be."""

    async def by_delivery(self, serial: int) -> forum.Member | None:
        """Return the member that a copy went to."""

    async def leave(self, serial: int, now: datetime) -> forum.Member | None:
        """Let the member that a copy went to leave; None when there was no such copy."""


class Deliveries(Protocol):
    """The copies and how they fare."""

    async def find(self, serial: int) -> Delivery | None:
        """Return a copy."""

    async def report(self, account: str, post: str, results: Sequence[DeliveryResult]) -> None:
        """Write down the results of an attempt; a final state stays."""

    async def bounce(self, serial: int, mail: str, now: datetime) -> None:
        """Write down that a mail came back."""


class Fanouts(Protocol):
    """What the relay reads."""

    async def letter(self, post: str) -> tuple[Letter, list[Copy]] | None:
        """Return a post with its copies."""

    async def give_up(self, post: str, reason: str) -> None:
        """Mark all copies of a post as failed."""

    async def change(self, member: str) -> "MemberChange | None":
        """Return how it stands with a member."""


class MemberChange(msgspec.Struct, frozen=True, kw_only=True):
    """A member that joined or left."""

    account: str
    forum: str
    member: str
    email: str
    joined_at: datetime
    left_at: datetime | None


class Lists(Protocol):
    """What pages show."""

    async def forums(self, request: forum.ListForums) -> forum.Forums:
        """All forums of an account."""

    async def members(self, request: forum.ListMembers) -> forum.Members:
        """A page of members."""

    async def topics(self, request: forum.ListTopics) -> forum.Topics:
        """A page of topics."""

    async def posts(self, request: forum.ListPosts) -> forum.Posts:
        """A page of posts."""


class Outbox(Protocol):
    """Rendered mails."""

    async def rendered(self, account: str, outbox: str) -> OutboxMail | None:
        """Return the rendered mail, or None when it is gone."""
