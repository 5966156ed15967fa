"""What comes back: reports of deliveries, bounces, members who leave by mail or are deactivated.

Laws: a token stands for one copy in one forum; in another forum it stands for nothing. A mail that
tells of a copy is heard only with a token of ours, and an address in it finds no copy.
"""

from collections.abc import Callable
from typing import Final, get_args

import structlog

from postroom_contract.commands import LeaveForum, RecordBounce, SilencePerson
from postroom_contract.events import DeliveryReported
from postroom_forum_bridge.domain.authority import Delivery, serial_of
from postroom_forum_bridge.domain.returns import meaning
from postroom_forum_bridge.ports import Deliveries, Mails, Members, ReadReport
from postroom_mail.tokens import Kind, TokenKeys
from postroom_mail.values import Report
from postroom_runtime.clock import Clock

_KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


class Notices:
    """Handles RecordBounce, LeaveForum, SilencePerson and DeliveryReported."""

    def __init__(
        self,
        deliveries: Deliveries,
        members: Members,
        mails: Mails,
        read: ReadReport,
        keys: TokenKeys,
        clock: Clock,
        committed: Callable[[], None],
    ) -> None:
        self._deliveries = deliveries
        self._members = members
        self._mails = mails
        self._read = read
        self._keys = keys
        self._clock = clock
        self._committed = committed
        self._log = structlog.get_logger()

    async def on_bounce(self, command: RecordBounce) -> None:
        """Read what the mail tells of its copy; an unknown token changes nothing.

        RefusedError for a mail that is gone, or goes beyond limits.
        """
        delivery = await self._delivery(command, "b") if command.token else None
        if command.token and delivery is None:
            return
        raw = await self._mails.fetch(command.account, command.mail)
        report = await self._read(raw.data)
        if delivery is None:
            delivery = await self._complained_of(command, report)
        if delivery is None:
            return
        told = meaning(report, delivery.address)
        self._log.info("told of a copy", mail=command.mail.id, kind=told.kind, status=told.status)
        now = self._clock.now()
        if await self._deliveries.returned(delivery.serial, command.mail.id, told, now):
            self._committed()

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
        """Write down how an attempt went; what a mail told we wrote down before we said so."""
        if event.mail:
            return
        await self._deliveries.report(event.account, event.origin, event.results)

    async def _complained_of(self, command: RecordBounce, report: Report) -> Delivery | None:
        """Return the copy whose token stands in a complaint; each copy has one of each kind."""
        if report.complaint is None:
            return None
        for token in report.tokens:
            for kind in _KINDS:
                found = await self._found(command, token, kind)
                if found is not None:
                    return found
        self._log.info("a complaint without a token of ours", mail=command.mail.id)
        return None

    async def _delivery(self, command: RecordBounce | LeaveForum, kind: Kind) -> Delivery | None:
        found = await self._found(command, command.token, kind)
        if found is not None:
            return found
        self._log.info("a token that is not ours", mail=command.mail.id, forum=command.forum)
        return None

    async def _found(
        self, command: RecordBounce | LeaveForum, token: str | None, kind: Kind
    ) -> Delivery | None:
        serial = serial_of(self._keys, token, kind)
        found = await self._deliveries.find(serial) if serial is not None else None
        if found and (found.account, found.forum) == (command.account, command.forum):
            return found
        return None
