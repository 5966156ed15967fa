"""What people ask about forums for themselves, and what those who run one ask about the others."""

from collections.abc import Callable

import msgspec

from postroom_contract import forum, membership
from postroom_forum_bridge.domain.entry import MAX_NAME
from postroom_forum_bridge.ports import Forums, Members, ProblemError
from postroom_mail.address import AddressError, parse_address
from postroom_mail.text import one_line, plain
from postroom_runtime.clock import Clock

MAX_FORUM_NAME = 100
MAX_DESCRIPTION = 1_000

Asked = (
    forum.AddMember | membership.ReadForum | membership.ChangeForum | membership.JoinForum
    | membership.QuitForum | membership.ChangeMember | membership.RemoveMember
)  # fmt: skip


class People:
    """Handles the questions of `Asked`."""

    def __init__(
        self, forums: Forums, members: Members, clock: Clock, committed: Callable[[], None]
    ) -> None:
        self._forums = forums
        self._members = members
        self._clock = clock
        self._committed = committed

    async def answer(self, request: Asked) -> forum.Forum | forum.Member:
        """Return the answer; ProblemError for a no."""
        answer = await self._answer(request)
        self._committed()
        return answer

    async def _answer(self, request: Asked) -> forum.Forum | forum.Member:  # noqa: PLR0911 - one return a question
        now = self._clock.now()
        match request:
            case membership.ReadForum():
                return await self._forums.read(request)
            case membership.ChangeForum():
                return await self._forums.change(_clean(request), now)
            case membership.JoinForum():
                joining = msgspec.structs.replace(request, name=one_line(request.name, MAX_NAME))
                return await self._members.join(joining, _address(_asker(request).email), now)
            case membership.QuitForum():
                _asker(request)
                return await self._members.quit(request, now)
            case membership.ChangeMember():
                return await self._members.change(request, now)
            case membership.RemoveMember():
                return await self._members.remove(request, now)
            case forum.AddMember():
                adding = msgspec.structs.replace(request, name=one_line(request.name, MAX_NAME))
                return await self._members.add(adding, _address(request.email), now)


def _asker(request: membership.JoinForum | membership.QuitForum) -> forum.Asker:
    if request.asker is None:
        raise ProblemError("invalid", "Nobody asks: only a person takes part.")
    return request.asker


def _address(text: str) -> str:
    try:
        return str(parse_address(text.strip()))
    except AddressError as error:
        raise ProblemError("invalid", f"This is not an address: {error}.") from error


def _clean(request: membership.ChangeForum) -> membership.ChangeForum:
    description = plain(request.description).strip()
    if len(description) > MAX_DESCRIPTION:
        words = f"A forum's description has at most {MAX_DESCRIPTION} characters."
        raise ProblemError("invalid", words)
    return msgspec.structs.replace(request, name=forum_name(request.name), description=description)


def forum_name(text: str) -> str:
    """Return a forum's name on one line; ProblemError when it is none."""
    name = one_line(text, MAX_FORUM_NAME + 1)
    if not name or len(name) > MAX_FORUM_NAME:
        raise ProblemError("invalid", f"A forum's name has 1 to {MAX_FORUM_NAME} characters.")
    return name
