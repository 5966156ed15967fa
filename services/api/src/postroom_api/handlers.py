"""The creation of a forum: a saga over two owners (DESIGN §1).

Law: every step may be repeated; a saga that stops anywhere is finished or removed by the
reconciler within a minute, and until it is open the forum takes neither mail nor posts.
"""

import contextlib
from datetime import datetime, timedelta
from typing import Final

import structlog

from postroom_api.domain.values import Principal
from postroom_api.ports import (
    ForumConfiguration,
    Publisher,
    ServiceProblemError,
    Services,
    TakenError,
)
from postroom_contract.forum import CreateForum, DiscardForum, Forum, OpenForum

LIVE_SECONDS: Final = 3.0
UNFINISHED_AFTER: Final = timedelta(seconds=60)


class ForumSaga:
    """Makes forums."""

    def __init__(
        self, forums: Services, configuration: ForumConfiguration, publisher: Publisher
    ) -> None:
        self._forums = forums
        self._configuration = configuration
        self._publisher = publisher
        self._log = structlog.get_logger()

    async def create(self, who: Principal, forum: str, name: str, address: str) -> Forum:
        """Make and open a forum; TakenError when the address is not free.

        On return its address is live at the SMTP server (or will be as soon as the broker answers).
        """
        forum = await self._configuration.begin_forum(who, forum, name, address)
        try:
            return await self._finish(who.account, forum, name, address)
        except (TakenError, ServiceProblemError):
            await self._remove(who.account, forum)
            raise

    async def _finish(self, account: str, forum: str, name: str, address: str) -> Forum:
        await self._forums.ask(CreateForum(account=account, id=forum, name=name, address=address))
        await self._configuration.attach_forum(account, forum, name, address)
        opened = await self._forums.ask(OpenForum(account=account, id=forum))
        await self._configuration.open_forum(account, forum)
        if not await self._publisher.settled(LIVE_SECONDS):
            self._log.warning("configuration is not published yet", forum=forum)
        return opened

    async def _remove(self, account: str, forum: str) -> None:
        with contextlib.suppress(ServiceProblemError):  # it was never made
            await self._forums.ask(DiscardForum(account=account, id=forum))
        await self._configuration.abandon_forum(account, forum)

    async def repair(self, account: str, forum: str, name: str, address: str) -> None:
        """Finish a saga that stopped, or remove it where it cannot be finished."""
        try:
            await self._finish(account, forum, name, address)
        except (TakenError, ServiceProblemError) as error:
            self._log.warning("forum cannot be opened; removing it", forum=forum, why=str(error))
            await self._remove(account, forum)


def unfinished_before(now: datetime) -> datetime:
    """Return the time before which a saga should have come to its end."""
    return now - UNFINISHED_AFTER
