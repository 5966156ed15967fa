"""What people ask of forums besides reading and writing: to take part, and to run them.

Law: who may is decided by the forum-bridge, from the address and role of who asks; what somebody
does to others, or to the forum, is noted in the audit.
"""

from collections.abc import Sequence

import msgspec

from postroom_api.domain.values import Principal
from postroom_api.http.entries import address_of, asker_of
from postroom_api.http.problems import invalid
from postroom_api.ports import ServiceProblemError, Services, StaleError
from postroom_api.postgres.audit import Acts
from postroom_contract import forum, membership
from postroom_contract.forum import DeliveryMode, ForumRole, Joining, PostState, Visible
from postroom_mail.text import one_line


class ForumSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What those who run a forum set: None = as it is."""

    name: str | None = None
    description: str | None = None
    joining: Joining | None = None
    visible: Visible | None = None


class ForumDesk:
    """Everything that may be asked about forums and the people in them."""

    def __init__(self, services: Services, acts: Acts) -> None:
        self._services = services
        self._acts = acts

    async def one(self, who: Principal, forum_id: str) -> forum.Forum:
        """Return a forum, or 404: it may be hidden from them."""
        return await self._services.ask(
            membership.ReadForum(account=who.account, asker=asker_of(who), forum=forum_id)
        )

    async def all(self, who: Principal) -> Sequence[forum.Forum]:
        """Return all forums that they may see."""
        question = forum.ListForums(account=who.account, asker=asker_of(who))
        return (await self._services.ask(question)).data

    async def mine(self, who: Principal) -> list[forum.Forum]:
        """Return the forums they take part in."""
        return [one for one in await self.all(who) if one.part is not None]

    async def change(
        self, who: Principal, forum_id: str, wanted: ForumSettings, version: int
    ) -> forum.Forum:
        """Write a forum's settings; StaleError when it has no longer this version."""
        before = await self.one(who, forum_id)
        name = before.name if wanted.name is None else one_line(wanted.name).strip()
        if not name:
            raise invalid("name", "empty", "A forum needs a name.")
        description = before.description if wanted.description is None else wanted.description
        try:
            changed = await self._services.ask(
                membership.ChangeForum(
                    account=who.account, asker=asker_of(who), forum=forum_id, version=version,
                    name=name, description=description.replace("\r\n", "\n").replace("\x00", ""),
                    joining=wanted.joining or before.joining,
                    visible=wanted.visible or before.visible,
                )
            )  # fmt: skip
        except ServiceProblemError as error:
            if error.problem.code == "stale":
                raise StaleError from error
            raise
        await self._acts.note(who, "forum.changed", forum_id, **_differences(before, changed))
        return changed

    async def join(
        self, who: Principal, forum_id: str, delivery: DeliveryMode | None = None
    ) -> forum.Forum:
        """Take part, or get another delivery; None = as it was before, and at first each post."""
        return await self._services.ask(
            membership.JoinForum(
                account=who.account, asker=asker_of(who), forum=forum_id, name=who.name,
                delivery=delivery,
            )
        )  # fmt: skip

    async def leave(self, who: Principal, forum_id: str) -> forum.Forum:
        """Take part no more; joining again brings everything back."""
        return await self._services.ask(
            membership.QuitForum(account=who.account, asker=asker_of(who), forum=forum_id)
        )

    async def members(
        self, who: Principal, forum_id: str, search: str, cursor: str | None, limit: int
    ) -> forum.Members:
        """Return a page of members, for those who run the forum."""
        return await self._services.ask(
            forum.ListMembers(
                account=who.account, asker=asker_of(who), forum=forum_id,
                search=search.replace("\x00", "").strip(),
                page=forum.Page(cursor=cursor, limit=limit),
            )
        )  # fmt: skip

    async def add_member(
        self,
        who: Principal,
        forum_id: str,
        email: str,
        name: str,
        delivery: DeliveryMode,
        role: ForumRole | None = None,
    ) -> forum.Member:
        """Let someone take part; `role` is for those who manage the account to give."""
        added = await self._services.ask(
            forum.AddMember(
                account=who.account, asker=asker_of(who), forum=forum_id,
                email=address_of("email", email), name=one_line(name).strip(), delivery=delivery,
                role=role,
            )
        )  # fmt: skip
        await self._acts.note(
            who, "member.added", added.id,
            forum=forum_id, email=added.email, role=added.role, delivery=added.delivery,
        )  # fmt: skip
        return added

    async def change_member(
        self,
        who: Principal,
        forum_id: str,
        member: str,
        role: ForumRole | None,
        delivery: DeliveryMode | None,
    ) -> forum.Member:
        """Give a member another role or delivery; None = as it is."""
        changed = await self._services.ask(
            membership.ChangeMember(
                account=who.account, asker=asker_of(who), forum=forum_id, member=member,
                role=role, delivery=delivery,
            )
        )  # fmt: skip
        await self._acts.note(
            who, "member.changed", member,
            forum=forum_id, email=changed.email, role=changed.role, delivery=changed.delivery,
        )  # fmt: skip
        return changed

    async def remove_member(self, who: Principal, forum_id: str, member: str) -> forum.Member:
        """End somebody's part."""
        removed = await self._services.ask(
            membership.RemoveMember(
                account=who.account, asker=asker_of(who), forum=forum_id, member=member
            )
        )
        await self._acts.note(who, "member.removed", member, forum=forum_id, email=removed.email)
        return removed

    async def moderate(self, who: Principal, post: str, state: PostState) -> forum.Post:
        """Remove a post, or show it; one that was held goes out to the members then."""
        changed = await self._services.ask(
            membership.ModeratePost(
                account=who.account, asker=asker_of(who), post=post, state=state, by=who.name
            )
        )
        await self._acts.note(who, f"post.{state}", post, topic=changed.topic)
        return changed

    async def close(self, who: Principal, topic: str, *, closed: bool) -> forum.Topic:
        """Close a topic, or open it again."""
        changed = await self._services.ask(
            membership.CloseTopic(
                account=who.account, asker=asker_of(who), topic=topic, closed=closed
            )
        )
        action = "topic.closed" if closed else "topic.reopened"
        await self._acts.note(who, action, changed.id, forum=changed.forum, title=changed.title)
        return changed


def _differences(before: forum.Forum, after: forum.Forum) -> dict[str, list[str]]:
    return {
        name: [getattr(before, name), getattr(after, name)]
        for name in ForumSettings.__struct_fields__
        if getattr(before, name) != getattr(after, name)
    }
