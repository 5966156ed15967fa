"""The story of one mail, as who asks may hear it."""

import msgspec

from postroom_api.domain.story import Story, told
from postroom_api.domain.values import Principal
from postroom_api.http.desk import Desk
from postroom_api.postgres.log import MessageDetail
from postroom_api.postgres.story import StoryRows


class Told(msgspec.Struct, frozen=True):
    """A mail and its story."""

    detail: MessageDetail
    story: Story


class Storyteller:
    """Puts together what is recorded in many places."""

    def __init__(self, desk: Desk, rows: StoryRows) -> None:
        self._desk = desk
        self._rows = rows

    async def tell(self, who: Principal, message: str) -> Told:
        """Return the story; 404 where there is no such mail, or it is not theirs."""
        detail = await self._desk.message(who, message)
        happened, more = await self._rows.happened(who, detail.row, detail.raw)
        return Told(detail, told(detail.event, happened, more))
