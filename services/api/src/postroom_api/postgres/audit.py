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


async def note_reading(connection: Connection, who: Principal, message: str, mailbox: str) -> None:
    """Note that somebody opened a mail of another one's mailbox: once a person, mail and day."""
    owner = await connection.fetchval(
        "SELECT owner FROM config.mailbox WHERE id = $1 AND kind = 'user' AND owner <> $2"
        " AND NOT EXISTS (SELECT 1 FROM config.audit WHERE action = 'message.read'"
        " AND about = $3 AND person = $2 AND at >= date_trunc('day', now()))",
        mailbox,
        who.id,
        message,
    )
    if owner is not None:
        await record(connection, who, "message.read", message, mailbox=mailbox, owner=owner)
