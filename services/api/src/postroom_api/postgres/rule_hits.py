"""What rules match, counted by the day: a projection of what was decided."""

from typing import Final

from postroom_contract.events import MailSorted
from postroom_runtime.postgres import Connection

_COUNT: Final = (
    "INSERT INTO config.rule_hit AS h (account, rule, day, live, shadow, last_at)"
    " SELECT $1, rule, $2, live, shadow, $3 FROM unnest($4::text[], $5::int[], $6::int[])"
    " AS t (rule, live, shadow) ON CONFLICT (account, rule, day) DO UPDATE SET"
    " live = h.live + excluded.live, shadow = h.shadow + excluded.shadow,"
    " last_at = greatest(h.last_at, excluded.last_at)"
)


async def count_hits(connection: Connection, event: MailSorted) -> None:
    """Count the rules that matched a mail, once each; asked once a mail."""
    matched = {one.rule: one.shadow for one in event.decision.trace if one.matched and one.rule}
    if not matched:
        return
    await connection.execute(
        _COUNT,
        event.account,
        event.time.date(),
        event.time,
        list(matched),
        [int(not shadow) for shadow in matched.values()],
        [int(shadow) for shadow in matched.values()],
    )
