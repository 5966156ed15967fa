"""What the handlers need from outside."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from postroom_contract import forum
from postroom_contract.commands import MailReference, OutboxMail
from postroom_contract.events import DeliveryResult
from postroom_contract.forum import (
    Asker,
    DeliveryMode,
    ForumRole,
    Joining,
    Post,
    PostState,
    Topic,
    Visible,
)
from postroom_contract.mail import Envelope, MailFacts
from postroom_contract.membership import (
    ChangeForum,
    ChangeMember,
    JoinForum,
    QuitForum,
    ReadForum,
    RemoveMember,
)
from postroom_forum_bridge.domain.authority import Delivery
from postroom_forum_bridge.domain.entry import Entry
from postroom_forum_bridge.domain.fanout import Copy, Letter
from postroom_forum_bridge.domain.returns import Return, ReturnKind
from postroom_forum_bridge.domain.rights import Rules, Standing
from postroom_forum_bridge.domain.threading import Known, Place
from postroom_mail.values import Mail, Report

ReadMail = Callable[[bytes, str], Awaitable[Mail]]
"""Reads a mail, with the charset of what names none; RefusedError when it goes beyond limits."""

ReadReport = Callable[[bytes], Awaitable[Report]]
"""Reads what a mail says of deliveries; RefusedError when it goes beyond limits."""

Outcome = Literal["posted", "held", "known", "robot"]
Code = Literal["not_found", "conflict", "invalid", "forbidden", "stale"]


class ProblemError(Exception):
    """The request was understood, and the answer is no."""

    def __init__(self, code: Code, detail: str) -> None:
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
    rules: Rules


class TopicRow(msgspec.Struct, frozen=True, kw_only=True):
    """A living topic, and its last post."""

    id: str
    forum: str
    title: str
    last_post: str
    closed: bool


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

    async def standing(self, asker: Asker | None) -> Standing:
        """Return who asks, in view of this forum."""

    async def store(self, place: Place, entry: Entry, original: bytes | None) -> bool:
        """Store the post and do what its place needs.

        Return whether it is held: a mail to a closed topic.
        """

    async def fan_out(self, post: str, author_key: str) -> None:
        """List the copies of the post's readers (but the author)."""

    async def announce(self, post: str) -> None:
        """Note for the relay that there is a new post."""

    async def letter(self, post: str) -> Letter:
        """Return the post as it will be rendered."""

    async def post(self, post: str) -> Post | None:
        """Return a post of this forum."""

    async def topic(self, topic: str) -> TopicRow | None:
        """Return a topic of this forum, or the one that it was joined to."""

    async def message_id(self, post: str, topic: str) -> str | None:
        """Return the Message-ID of a post in this topic."""

    async def remove(self, post: str, by: str, now: datetime) -> None:
        """Hide a post from all who do not run the forum."""

    async def show(self, post: str, now: datetime) -> bool:
        """Show a post; return whether it was held, and so never went out."""

    async def announce_held(self, post: str) -> None:
        """Note for the relay that a post waits for those who run the forum."""

    async def close(self, topic: str, *, closed: bool, now: datetime) -> Topic:
        """Close a topic of this forum, or open it again."""


class Forums(Protocol):
    """Forums, and the way to work in one."""

    def work(self, account: str, forum: str) -> AbstractAsyncContextManager[Work | None]:
        """Lock the forum and begin; None when the account has no such forum."""

    async def forum_of_topic(self, account: str, topic: str) -> str | None:
        """Return the id of the forum that a topic belongs to."""

    async def forum_of_post(self, account: str, post: str) -> str | None:
        """Return the id of the forum that a post belongs to."""

    async def read(self, request: ReadForum) -> forum.Forum:
        """Return a forum that the asker may see."""

    async def change(self, request: ChangeForum, now: datetime) -> forum.Forum:
        """Write its settings, if the asker runs it and has read this version."""

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

    async def join(self, request: JoinForum, email: str, now: datetime) -> forum.Forum:
        """Let the asker take part by themselves, if they may."""

    async def quit(self, request: QuitForum, now: datetime) -> forum.Forum:
        """Let the asker leave."""

    async def change(self, request: ChangeMember, now: datetime) -> forum.Member:
        """Change a member, if the asker may."""

    async def remove(self, request: RemoveMember, now: datetime) -> forum.Member:
        """End somebody's part, if the asker may."""

    async def silence(self, account: str, email: str, version: int, *, silent: bool) -> None:
        """Send an address of the account no posts, or again; an older version changes nothing."""


class Deliveries(Protocol):
    """The copies and how they fare."""

    async def find(self, serial: int) -> Delivery | None:
        """Return a copy."""

    async def report(self, account: str, post: str, results: Sequence[DeliveryResult]) -> None:
        """Write down the results of an attempt; a final state stays."""

    async def returned(self, serial: int, mail: str, told: Return, now: datetime) -> bool:
        """Write down what a mail told, once; return whether it changed the copy."""


class Fanouts(Protocol):
    """What the relay reads."""

    async def letter(self, post: str) -> tuple[Letter, list[Copy]] | None:
        """Return a post with its copies."""

    async def give_up(self, post: str, reason: str) -> None:
        """Mark all copies of a post as failed."""

    async def change(self, member: str) -> "MemberChange | None":
        """Return how it stands with a member."""

    async def forum(self, name: str) -> "ForumChange | None":
        """Return how it stands with a forum."""

    async def topic(self, name: str) -> "TopicChange | None":
        """Return how it stands with a topic."""

    async def moderated(self, post: str) -> "PostChange | None":
        """Return how it stands with a post."""

    async def returned(self, mail: str) -> "ReturnedCopy | None":
        """Return what a mail told of a copy."""


class ReturnedCopy(msgspec.Struct, frozen=True, kw_only=True):
    """A copy that a mail told of."""

    account: str
    forum: str
    post: str
    subject: str
    message_id: str
    serial: int
    address: str
    mail: str
    kind: ReturnKind
    status: str
    words: str
    at: datetime


class MemberChange(msgspec.Struct, frozen=True, kw_only=True):
    """A member that joined, left or was changed."""

    account: str
    forum: str
    member: str
    email: str
    role: ForumRole
    delivery: DeliveryMode
    joined_at: datetime
    left_at: datetime | None
    changed_at: datetime


class ForumChange(msgspec.Struct, frozen=True, kw_only=True):
    """A forum whose settings were changed."""

    account: str
    forum: str
    name: str
    joining: Joining
    visible: Visible
    changed_at: datetime


class TopicChange(msgspec.Struct, frozen=True, kw_only=True):
    """A topic that was closed or opened again."""

    account: str
    forum: str
    topic: str
    closed: bool
    changed_at: datetime


class PostChange(msgspec.Struct, frozen=True, kw_only=True):
    """A post that is held, was removed, or is shown again."""

    account: str
    forum: str
    topic: str
    post: str
    state: PostState
    changed_at: datetime


class Lists(Protocol):
    """What pages show."""

    async def forums(self, request: forum.ListForums) -> forum.Forums:
        """All forums of an account."""

    async def members(self, request: forum.ListMembers) -> forum.Members:
        """A page of members."""

    async def facts(self, request: forum.AskFacts) -> MailFacts:
        """What is known of a mail."""

    async def topics(self, request: forum.ListTopics) -> forum.Topics:
        """A page of topics."""

    async def posts(self, request: forum.ListPosts) -> forum.Posts:
        """A page of posts."""


class Outbox(Protocol):
    """Rendered mails."""

    async def rendered(self, account: str, outbox: str) -> OutboxMail | None:
        """Return the rendered mail, or None when it is gone."""
