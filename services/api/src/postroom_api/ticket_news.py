"""Telling that a ticket changed."""

from postroom_api.domain.tickets import Ticket, What
from postroom_contract.codec import encode
from postroom_contract.events import TicketChanged, subject_of
from postroom_contract.ids import derived_id
from postroom_runtime.bus import Bus
from postroom_runtime.messages import Publication


class TicketNews:
    """Publishes `ticket.changed`; the same change twice is told once."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def tell(
        self, ticket: Ticket, account: str, what: What, mail: str, correlation: str, causation: str
    ) -> None:
        """Return when the broker has it. `mail`: the one that did it; empty: somebody did."""
        changed = TicketChanged(
            id=derived_id("evt", "ticket.changed", ticket.id, what, mail or causation),
            time=ticket.changed_at,
            account=account,
            scope=ticket.mailbox,
            about=ticket.id,
            source="api",
            correlation=correlation,
            causation=causation,
            number=ticket.number,
            token=ticket.mark,
            what=what,
            queue=ticket.queue,
            subject=ticket.subject,
            requester=ticket.requester,
            mail=mail,
        )
        await self._bus.publish(Publication(subject_of(changed), encode(changed), changed.id))
