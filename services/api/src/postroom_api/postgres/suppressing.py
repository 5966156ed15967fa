"""What failures and complaints do to addresses, under the login `worker`, in the projection.

Law: each copy counts once as a failure and once as a complaint, whatever is told twice.
"""

from datetime import timedelta
from typing import Final

from postroom_api.domain.suppressions import DAYS, MANY, MAX_WORDS, Reason, weight
from postroom_api.postgres.configuration import note
from postroom_contract.events import DeliveryReported, DeliveryResult
from postroom_contract.ids import derived_id
from postroom_mail.address import AddressError, parse_address
from postroom_runtime.postgres import Connection

_FAILED: Final = {"failed", "bounced"}
# Mail to an address of ours goes in by our own door, which suppresses nothing.
_COUNT: Final = """
    INSERT INTO config.address_failure (account, serial, complaint, address, at)
    SELECT $1, $2, $3, $4, $5
     WHERE EXISTS (SELECT 1 FROM config.account WHERE id = $1 AND removed_at IS NULL)
       AND NOT EXISTS (SELECT 1 FROM config.address WHERE address = $4)
    ON CONFLICT DO NOTHING RETURNING serial
"""
_FAILURES: Final = """
    SELECT count(*) FROM config.address_failure
     WHERE account = $1 AND address = $2 AND NOT complaint AND NOT forgiven AND at > $3
"""
_SUPPRESS: Final = """
    INSERT INTO config.suppression AS s (id, account, address, reason, words, status, since, count)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (account, address) DO UPDATE
       SET count = s.count + 1, version = nextval('config.version')
    RETURNING xmax = 0
"""


async def suppress_failing(connection: Connection, event: DeliveryReported) -> None:
    """Count what failed for good or was complained of, and suppress where that is enough."""
    for result in event.results:
        if result.state == "complained":
            await _count(connection, event, result, complaint=True)
        elif result.state in _FAILED and weight(result.status) != "nothing":
            await _count(connection, event, result, complaint=False)


async def _count(
    connection: Connection, event: DeliveryReported, result: DeliveryResult, *, complaint: bool
) -> None:
    try:
        address = parse_address(result.recipient).canonical
    except AddressError:
        return
    fresh = await connection.fetchval(
        _COUNT, event.account, result.serial, complaint, address, event.time
    )
    if fresh is None:
        return
    since = event.time - timedelta(days=DAYS)
    failures = await connection.fetchval(_FAILURES, event.account, address, since)
    await connection.execute(
        "DELETE FROM config.address_failure WHERE account = $1 AND address = $2 AND at <= $3",
        event.account,
        address,
        since,
    )
    if complaint or weight(result.status) == "at_once" or failures >= MANY:
        reason: Reason = "complaint" if complaint else "hard_bounce"
        await _suppress(connection, event, result, address, reason, max(failures, 1))


async def _suppress(
    connection: Connection,
    event: DeliveryReported,
    result: DeliveryResult,
    address: str,
    reason: Reason,
    count: int,
) -> None:
    added = await connection.fetchval(
        _SUPPRESS,
        derived_id("sup", event.account, address),
        event.account,
        address,
        reason,
        result.reply.replace("\x00", "")[:MAX_WORDS],
        result.status,
        event.time,
        count,
    )
    if added:
        await note(connection, f"suppressed {event.account} {address}")
