"""What the api asks of the forum-bridge, as request and answer."""

from datetime import datetime
from typing import ClassVar, Generic, Literal, TypeVar

import msgspec

from postroom_contract.mail import AttachmentSummary, MailFacts

Answer = TypeVar("Answer")
DeliveryMode = Literal["each", "none"]
"""Each post by mail · no mail."""
ForumRole = Literal["member", "moderator"]
Joining = Literal["open", "invite"]
"""Every user of the account joins by themselves · only those who run the forum add people."""
Visible = Literal["account", "members"]
"""To every user of the account · to members and to those who run it alone."""
PostState = Literal["shown", "removed", "held"]
"""`removed` by those who run the forum · `held`: it came to a closed topic and waits for them."""


class Request(msgspec.Struct, Generic[Answer], frozen=True, kw_only=True):
    """A question with the type of its answer; `service` and `verb` make its subject."""

    service: ClassVar[str] = "forum-bridge"
    verb: ClassVar[str]
    answer: ClassVar[type]

    account: str


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """A person who asks; what they may is decided by the address that they take part with."""

    email: str
    administrator: bool = False
    """Manages the account, and so runs every forum of it."""


class PersonalRequest(Request[Answer], Generic[Answer], frozen=True, kw_only=True):
    """A question of a person. Without `asker` a service of ours asks, and nothing is hidden."""

    asker: Asker | None = None


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request was not met."""

    code: Literal["not_found", "conflict", "invalid", "unavailable", "forbidden", "stale"]
    detail: str


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Where to go on reading; None at the end. `limit` is 1 to 200."""

    cursor: str | None = None
    limit: int = 50


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """How the asker takes part in a forum."""

    member: str
    role: ForumRole
    delivery: DeliveryMode
    joined_at: datetime


class Forum(msgspec.Struct, frozen=True, kw_only=True):
    """A forum, as the asker sees it."""

    id: str
    name: str
    address: str
    state: Literal["opening", "open"]
    members: int
    topics: int
    posts: int
    last_post_at: datetime | None
    description: str = ""
    joining: Joining = "open"
    visible: Visible = "account"
    version: int = 1
    """Grows with each change of its settings."""
    part: Part | None = None
    """None: the asker does not take part."""
    runs: bool = False
    """Whether the asker runs it: a moderator of it, or who manages the account."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """Someone who takes part."""

    id: str
    email: str
    name: str
    delivery: DeliveryMode
    state: Literal["active", "left"]
    joined_at: datetime
    role: ForumRole = "member"
    silenced: bool = False
    """A user who was deactivated: gets no mail, whatever `delivery` says, until they are back."""


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
    closed: bool = False
    """Only those who run the forum write in it; a mail to it is held for them."""


class Deliveries(msgspec.Struct, frozen=True, kw_only=True):
    """How many copies of a post are in which state."""

    pending: int = 0
    delivered: int = 0
    deferred: int = 0
    failed: int = 0
    captured: int = 0
    suppressed: int = 0
    bounced: int = 0
    complained: int = 0


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """A post on its page. A placeholder stands for a mail that has not come (yet).

    What was removed comes without author and words to all who do not run the forum; what is held
    does not come to them at all.
    """

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
    state: PostState = "shown"
    removed_at: datetime | None = None
    removed_by: str = ""
    """Their name, for those who run the forum."""
    own: str = ""
    """`text` without `elided`; empty where nothing is elided."""
    elided: str = ""
    """What `text` quotes of other mails and signs with: pages fold it away."""


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


class ListForums(PersonalRequest[Forums], frozen=True, kw_only=True):
    """All forums that the asker may see."""

    verb: ClassVar[str] = "forums"
    answer: ClassVar[type] = Forums


class AddMember(PersonalRequest[Member], frozen=True, kw_only=True):
    """Let someone take part; a known address gets its name and delivery changed.

    `role` None: as it is, and of somebody new `member`.
    """

    verb: ClassVar[str] = "add_member"
    answer: ClassVar[type] = Member
    forum: str
    email: str
    name: str = ""
    delivery: DeliveryMode = "each"
    role: ForumRole | None = None


class ListMembers(PersonalRequest[Members], frozen=True, kw_only=True):
    """The active members of a forum; `search` is a part of name or address."""

    verb: ClassVar[str] = "members"
    answer: ClassVar[type] = Members
    forum: str
    search: str = ""
    page: Page = Page()


class ListTopics(PersonalRequest[Topics], frozen=True, kw_only=True):
    """The topics of a forum."""

    verb: ClassVar[str] = "topics"
    answer: ClassVar[type] = Topics
    forum: str
    page: Page = Page()


class ListPosts(PersonalRequest[Posts], frozen=True, kw_only=True):
    """The posts of a topic; the id of a topic that was joined to another leads there."""

    verb: ClassVar[str] = "posts"
    answer: ClassVar[type] = Posts
    topic: str
    page: Page = Page()


class WritePost(PersonalRequest[Post], frozen=True, kw_only=True):
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


class AskFacts(Request[MailFacts], frozen=True, kw_only=True):
    """Ask what the forums know of a mail."""

    verb: ClassVar[str] = "facts"
    answer: ClassVar[type] = MailFacts
    author: str
    references: tuple[str, ...]


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
    AskFacts,
)  # type: ignore[assignment]  # fmt: skip  # a Request[X] is a Request[object] for our use
