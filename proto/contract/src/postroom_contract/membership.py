"""What people do about forums: join and leave, run them, and keep order in them.

Each of these is a person's question: the forum-bridge decides by `asker` who may (`forbidden`), and
says `not_found` of a forum that they must not know of.
"""

from typing import ClassVar

from postroom_contract.forum import (
    DeliveryMode,
    Forum,
    ForumRole,
    Joining,
    Member,
    PersonalRequest,
    Post,
    PostState,
    Request,
    Topic,
    Visible,
)


class ReadForum(PersonalRequest[Forum], frozen=True, kw_only=True):
    """One forum."""

    verb: ClassVar[str] = "forum"
    answer: ClassVar[type] = Forum
    forum: str


class ChangeForum(PersonalRequest[Forum], frozen=True, kw_only=True):
    """Write a forum's settings; `stale` when it has another version by now."""

    verb: ClassVar[str] = "change"
    answer: ClassVar[type] = Forum
    forum: str
    version: int
    name: str
    description: str
    joining: Joining
    visible: Visible


class JoinForum(PersonalRequest[Forum], frozen=True, kw_only=True):
    """The asker takes part, or gets another delivery; who comes back finds theirs as it was."""

    verb: ClassVar[str] = "join"
    answer: ClassVar[type] = Forum
    forum: str
    name: str = ""
    delivery: DeliveryMode | None = None
    """None: as it was, and of somebody new `each`."""


class QuitForum(PersonalRequest[Forum], frozen=True, kw_only=True):
    """The asker takes part no more; asking again changes nothing."""

    verb: ClassVar[str] = "quit"
    answer: ClassVar[type] = Forum
    forum: str


class ChangeMember(PersonalRequest[Member], frozen=True, kw_only=True):
    """What those who run a forum change of a member; only who manages the account gives roles."""

    verb: ClassVar[str] = "change_member"
    answer: ClassVar[type] = Member
    forum: str
    member: str
    role: ForumRole | None = None
    delivery: DeliveryMode | None = None


class RemoveMember(PersonalRequest[Member], frozen=True, kw_only=True):
    """End somebody's part: they do not come back by themselves."""

    verb: ClassVar[str] = "remove_member"
    answer: ClassVar[type] = Member
    forum: str
    member: str


class ModeratePost(PersonalRequest[Post], frozen=True, kw_only=True):
    """Remove a post, or show it (again); a held one goes out by mail then."""

    verb: ClassVar[str] = "moderate"
    answer: ClassVar[type] = Post
    post: str
    state: PostState
    """`shown` or `removed`."""
    by: str
    """The asker's name."""


class CloseTopic(PersonalRequest[Topic], frozen=True, kw_only=True):
    """Close a topic, or open it again."""

    verb: ClassVar[str] = "close"
    answer: ClassVar[type] = Topic
    topic: str
    closed: bool


REQUESTS: tuple[type[Request[object]], ...] = (
    ReadForum, ChangeForum, JoinForum, QuitForum, ChangeMember, RemoveMember, ModeratePost,
    CloseTopic,
)  # type: ignore[assignment]  # fmt: skip  # a Request[X] is a Request[object] for our use
