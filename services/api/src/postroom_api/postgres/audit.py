"""Who changed what."""

import msgspec

from postroom_api.domain.values import Principal
from postroom_runtime.postgres import Connection


async def record(
    connection: Connection, who: Principal, action: str, about: str, **detail: object
) -> None:
    """Note a change in its own transaction: `action` as `mailbox.changed`, `about` an id.

    `detail` says what changed in plain JSON values; never a secret.
    """
    await connection.execute(
        "INSERT INTO config.audit (account, person, name, action, about, detail)"
        " VALUES ($1, $2, $3, $4, $5, $6::jsonb)",
        who.account,
        who.id,
        who.name,
        action,
        about,
        msgspec.json.encode(detail).decode(),
    )
