"""What the api asks of the forum-bridge, as request and answer."""

from datetime import datetime
from typing import ClassVar, Generic, Literal, TypeVar

import msgspec

from postroom_contract.mail import AttachmentSummary

Answer = TypeVar("Answer")


class Request(msgspec.Struct, Generic[Answer], frozen=True, kw_only=True):
    """A question with the type of its answer; `service` and `verb` make its subject."""

    service: ClassVar[str] = "forum-bridge"
    verb: ClassVar[str]
    answer: ClassVar[type]

    account: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request was not met."""

    code: Literal["not_found", "conflict", "invalid", "unavailable"]
    detail: str


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Where to go on reading; None at the end. `limit` is 1 to 200."""

    cursor: str | None = None
    limit: int = 50


class Forum(msgspec.Struct, frozen=True, kw_only=True):
    """A forum in a list."""

    id: str
    name: str
    address: str
    state: Literal["opening", "open"]
    members: int
    topics: int
    posts: int
    last_post_at: datetime | None


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """Someone who takes part."""

    id: str
    email: str
    name: str
    delivery: Literal["each", "none"]
    state: Literal["active", "left"]
    joined_at: datetime


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """A topic in a list. Placeholders are not counted."""

    id: str
    forum: str
    title: str
    posts: int
    authors: int
    started_by: str
    started_at: datetime
    last_post_at: datetime


class Deliveries(msgspec.Struct, frozen=True, kw_only=True):
    """How many copies of a post are in which state."""

    pending: int = 0
    delivered: int = 0
    deferred: int = 0
    failed: int = 0
    captured: int = 0


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """A post on its page. A placeholder stands for a mail that has not come (yet)."""

    id: str
    topic: str
    parent: str | None
    placeholder: bool
    author_name: str
    author_email: str
    subject: str
    text: str
    message_id: str
    origin: Literal["mail", "web"]
    mail: str | None
    attachments: tuple[AttachmentSummary, ...]
    created_at: datetime
    deliveries: Deliveries


class Topics(msgspec.Struct, frozen=True, kw_only=True):
    """A page of topics, newest activity first."""

    data: tuple[Topic, ...]
    next_cursor: str | None


class Posts(msgspec.Struct, frozen=True, kw_only=True):
    """A page of posts in the order of their time, with the topic they belong to."""

    topic: Topic
    forum: Forum
    data: tuple[Post, ...]
    next_cursor: str | None


class Forums(msgspec.Struct, frozen=True, kw_only=True):
    """All forums of an account."""

    data: tuple[Forum, ...]


class Members(msgspec.Struct, frozen=True, kw_only=True):
    """A page of members in the order of their address."""

    data: tuple[Member, ...]
    next_cursor: str | None


class Done(msgspec.Struct, frozen=True):
    """It is so."""


class CreateForum(Request[Forum], frozen=True, kw_only=True):
    """Make a forum under an id drawn by the api; asking again changes nothing."""

    verb: ClassVar[str] = "create"
    answer: ClassVar[type] = Forum
    id: str
    name: str
    address: str


class OpenForum(Request[Forum], frozen=True, kw_only=True):
    """The saga's last step: the forum takes mail and posts."""

    verb: ClassVar[str] = "open"
    answer: ClassVar[type] = Forum
    id: str


class DiscardForum(Request[Done], frozen=True, kw_only=True):
    """Undo a creation that did not finish; `conflict` when the forum is open."""

    verb: ClassVar[str] = "discard"
    answer: ClassVar[type] = Done
    id: str


class ListForums(Request[Forums], frozen=True, kw_only=True):
    """All forums."""

    verb: ClassVar[str] = "forums"
    answer: ClassVar[type] = Forums


class AddMember(Request[Member], frozen=True, kw_only=True):
    """Let someone take part; a known address gets its name and delivery changed."""

    verb: ClassVar[str] = "add_member"
    answer: ClassVar[type] = Member
    forum: str
    email: str
    name: str = ""
    delivery: Literal["each", "none"] = "each"


class ListMembers(Request[Members], frozen=True, kw_only=True):
    """The active members of a forum."""

    verb: ClassVar[str] = "members"
    answer: ClassVar[type] = Members
    forum: str
    page: Page = Page()


class ListTopics(Request[Topics], frozen=True, kw_only=True):
    """The topics of a forum."""

    verb: ClassVar[str] = "topics"
    answer: ClassVar[type] = Topics
    forum: str
    page: Page = Page()


class ListPosts(Request[Posts], frozen=True, kw_only=True):
    """The posts of a topic; the id of a topic that was joined to another leads there."""

    verb: ClassVar[str] = "posts"
    answer: ClassVar[type] = Posts
    topic: str
    page: Page = Page()


class WritePost(Request[Post], frozen=True, kw_only=True):
    """Write on the web: a reply with `topic` (and `parent`, else the last post), or a new topic.

    `id` is drawn by the api, so that asking again after a lost answer writes nothing twice.
    """

    verb: ClassVar[str] = "write"
    answer: ClassVar[type] = Post
    id: str
    author_name: str
    author_email: str
    text: str
    forum: str | None = None
    topic: str | None = None
    parent: str | None = None
    subject: str | None = None


class Leave(Request[Member], frozen=True, kw_only=True):
    """One-click unsubscription (RFC 8058) by token; `account` is empty, the token decides."""

    verb: ClassVar[str] = "leave"
    answer: ClassVar[type] = Member
    token: str


class FindLeaver(Request[Member], frozen=True, kw_only=True):
    """Who would leave with this token: shown before anything happens."""

    verb: ClassVar[str] = "find_leaver"
    answer: ClassVar[type] = Member
    token: str


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """One member's copy of a post, byte for byte (base64 in JSON)."""

    sender: str
    recipient: str
    raw: bytes


class ReadCopy(Request[Copy], frozen=True, kw_only=True):
    """The copy behind a delivery; `not_found` once its rendered mail is gone (14 days)."""

    verb: ClassVar[str] = "copy"
    answer: ClassVar[type] = Copy
    serial: int


class Forgotten(msgspec.Struct, frozen=True):
    """A part of an account is gone."""

    more: bool
    """There is more of it: ask again."""


class ForgetAccount(Request[Forgotten], frozen=True, kw_only=True):
    """Delete everything of an account, piece by piece; asking again changes nothing."""

    verb: ClassVar[str] = "forget_account"
    answer: ClassVar[type] = Forgotten


REQUESTS: tuple[type[Request[object]], ...] = (
    CreateForum, OpenForum, DiscardForum, ListForums, AddMember, ListMembers, ListTopics,
    ListPosts, WritePost, Leave, FindLeaver, ReadCopy, ForgetAccount,
)  # type: ignore[assignment]  # fmt: skip  # a Request[X] is a Request[object] for our use
