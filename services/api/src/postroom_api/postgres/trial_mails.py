"""What the log says of one mail that was sent to see it arrive."""

from datetime import datetime

from postroom_api.domain.trial_mail import Arrival, Sent
from postroom_api.domain.values import Principal
from postroom_api.postgres.access import Access


class TrialMails:
    """Looks among the deliveries, and the mails that came to a mailbox since a moment."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def found(
        self, who: Principal, serial: int, mailbox: str, message_id: str, since: datetime
    ) -> tuple[Sent | None, Arrival | None]:
        """Return what is known of its delivery (by its recipient's serial), and of its arrival."""
        async with self._access.principal(who) as connection:
            sent = await connection.fetchrow(
                "SELECT state, reply FROM config.delivery WHERE account = $1 AND serial = $2",
                who.account,
                serial,
            )
            arrived = await connection.fetchrow(
                "SELECT id, received_at FROM config.message WHERE account = $1"
                " AND mailbox = $2 AND received_at >= $3"
                " AND event->'summary'->>'message_id' = $4 LIMIT 1",
                who.account,
                mailbox,
                since,
                message_id,
            )
        return (
            Sent(sent["state"], sent["reply"]) if sent else None,
            Arrival(arrived["id"], arrived["received_at"]) if arrived else None,
        )
