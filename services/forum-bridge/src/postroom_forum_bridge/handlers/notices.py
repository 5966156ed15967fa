"""What comes back: reports of deliveries, bounces, members who leave by mail or are deactivated.

Law: a token stands for one copy in one forum; in another forum it stands for nothing.
"""

from collections.abc import Callable

import structlog

from postroom_contract.commands import LeaveForum, RecordBounce, SilencePerson
from postroom_contract.events import DeliveryReported
from postroom_forum_bridge.domain.authority import Delivery, serial_of
from postroom_forum_bridge.ports import Deliveries, Members
from postroom_mail.tokens import Kind, TokenKeys
from postroom_runtime.clock import Clock


class Notices:
    """Handles RecordBounce, LeaveForum, SilencePerson and DeliveryReported."""

    def __init__(
        self,
        deliveries: Deliveries,
        members: Members,
        keys: TokenKeys,
        clock: Clock,
        committed: Callable[[], None],
    ) -> None:
        self._deliveries = deliveries
        self._members = members
        self._keys = keys
        self._clock = clock
        self._committed = committed
        self._log = structlog.get_logger()

    async def on_bounce(self, command: RecordBounce) -> None:
        """Mark the copy that came back; an unknown token changes nothing."""
        delivery = await self._delivery(command, "b")
        if delivery is not None:
            await self._deliveries.bounce(delivery.serial, command.mail.id, self._clock.now())

    async def on_leave(self, command: LeaveForum) -> None:
        """Let the member leave; an unknown token changes nothing."""
        delivery = await self._delivery(command, "u")
        if delivery is not None:
            await self._members.leave(delivery.serial, self._clock.now())
            self._committed()

    async def on_silence(self, command: SilencePerson) -> None:
        """Send a deactivated user no posts; what was sent on before goes its way."""
        await self._members.silence(
            command.account, command.email, command.version, silent=command.silent
        )

    async def on_report(self, event: DeliveryReported) -> None:
        """Write down how an attempt went."""
        await self._deliveries.report(event.account, event.origin, event.results)

    async def _delivery(self, command: RecordBounce | LeaveForum, kind: Kind) -> Delivery | None:
        serial = serial_of(self._keys, command.token, kind)
        found = await self._deliveries.find(serial) if serial is not None else None
        if found and (found.account, found.forum) == (command.account, command.forum):
            return found
        self._log.info("a token that is not ours", mail=command.mail.id, forum=command.forum)
        return None
