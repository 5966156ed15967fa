"""What the api asks: one method a question, the answer's type as the contract has it."""

from collections.abc import Callable

from postroom_contract import forum, membership
from postroom_forum_bridge.domain.addresses import forum_address
from postroom_forum_bridge.domain.authority import serial_of
from postroom_forum_bridge.domain.cursors import CursorError
from postroom_forum_bridge.domain.fanout import Copy, Voice, outbox_id, recipient
from postroom_forum_bridge.handlers.moderating import Moderation
from postroom_forum_bridge.handlers.people import Asked, People, forum_name
from postroom_forum_bridge.handlers.writing import WritePosts
from postroom_forum_bridge.ports import (
    Deliveries,
    Forums,
    Lists,
    Members,
    Outbox,
    ProblemError,
)
from postroom_mail import template
from postroom_mail.address import AddressError
from postroom_runtime.clock import Clock


class Questions:
    """Answers every request of the contract; ProblemError for a no."""

    def __init__(
        self,
        forums: Forums,
        members: Members,
        deliveries: Deliveries,
        lists: Lists,
        outbox: Outbox,
        writing: WritePosts,
        people: People,
        moderation: Moderation,
        voice: Voice,
        clock: Clock,
        committed: Callable[[], None],
    ) -> None:
        self._forums = forums
        self._members = members
        self._deliveries = deliveries
        self._lists = lists
        self._outbox = outbox
        self._writing = writing
        self._people = people
        self._moderation = moderation
        self._voice = voice
        self._clock = clock
        self._committed = committed

    async def answer(self, request: forum.Request[object]) -> object:  # noqa: C901, PLR0911 - one return a question
        """Return the answer."""
        match request:
            case forum.CreateForum():
                return await self._create(request)
            case forum.OpenForum():
                return await self._forums.open(request)
            case forum.DiscardForum():
                return await self._forums.discard(request)
            case membership.ModeratePost():
                return await self._moderation.moderate(request)
            case membership.CloseTopic():
                return await self._moderation.close(request)
            case forum.WritePost():
                return await self._writing.write(request)
            case forum.FindLeaver() | forum.Leave():
                return await self._leaver(request)
            case forum.ReadCopy():
                return await self._copy(request)
            case forum.ForgetAccount():
                return await self._forums.forget_account(request.account)
            case _:
                if isinstance(request, Asked):
                    return await self._people.answer(request)
                return await self._list(request)

    async def _list(self, request: forum.Request[object]) -> object:
        try:
            match request:
                case forum.ListForums():
                    return await self._lists.forums(request)
                case forum.ListMembers():
                    return await self._lists.members(request)
                case forum.ListTopics():
                    return await self._lists.topics(request)
                case forum.ListPosts():
                    return await self._lists.posts(request)
                case forum.AskFacts():
                    return await self._lists.facts(request)
                case _:
                    raise ProblemError("invalid", f"Unknown question {type(request).__name__}.")
        except CursorError as error:
            raise ProblemError("invalid", str(error)) from error

    async def _create(self, request: forum.CreateForum) -> forum.Forum:
        name = forum_name(request.name)
        try:
            address = forum_address(request.address).canonical
        except AddressError as error:
            raise ProblemError("invalid", f"The address cannot be a forum's: {error}.") from error
        return await self._forums.create(
            forum.CreateForum(account=request.account, id=request.id, name=name, address=address)
        )

    async def _leaver(self, request: forum.FindLeaver | forum.Leave) -> forum.Member:
        serial = serial_of(self._voice.keys, request.token, "u")
        member: forum.Member | None = None
        if serial is not None and isinstance(request, forum.Leave):
            member = await self._members.leave(serial, self._clock.now())
            self._committed()
        elif serial is not None:
            member = await self._members.by_delivery(serial)
        if member is None:
            raise ProblemError("not_found", "This link is not one of ours.")
        return member

    async def _copy(self, request: forum.ReadCopy) -> forum.Copy:
        delivery = await self._deliveries.find(request.serial)
        if delivery is None or delivery.account != request.account:
            raise ProblemError("not_found", "There is no such copy.")
        rendered = await self._outbox.rendered(request.account, outbox_id(delivery.post))
        if rendered is None:
            raise ProblemError("not_found", "The mail is not (or no longer) in the outbox.")
        copy = Copy(delivery.serial, delivery.address)
        to = recipient(delivery.forum_address, copy, self._voice)
        mail = template.Template(rendered.template.segments, rendered.template.places)
        return forum.Copy(
            sender=to.sender, recipient=to.address, raw=template.fill(mail, to.places)
        )
