"""What a change of a service does to its mailboxes: who is affected, pausing, resuming, pushing.

Law: a mailbox whose host, port, TLS mode or verification is pushed loses its password in the same
statement: no moment in which the old password stands beside the new place.
"""

from datetime import datetime
from typing import Any, Final

from postroom_api.domain.mail_services import (
    AffectedMailbox,
    AffectedOwner,
    Impact,
    MailService,
    Target,
    forgets,
    moves,
)
from postroom_api.domain.values import Principal
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record, record_all
from postroom_api.postgres.configuration import note
from postroom_api.postgres.mailbox_rows import DEACTIVATED
from postroom_runtime.postgres import Connection

NAMED: Final = 200
PUSHED_AT_ONCE: Final = 500
_COLUMNS: Final = (
    "SELECT m.id, m.name, m.login, m.owner, p.name AS owner_name, p.email AS owner_email,"
    " m.active, m.host, m.port, m.tls, m.verify, m.ca"
    " FROM config.mailbox m LEFT JOIN config.person p ON p.id = m.owner WHERE m.service = $1"
)
_AFFECTED: Final = f"{_COLUMNS} ORDER BY m.name, m.id"
_LOCKED: Final = f"{_COLUMNS} AND m.id = ANY($2) ORDER BY m.id FOR UPDATE OF m"
_PAUSE: Final = (
    "UPDATE config.mailbox SET active = false, paused_for = 'restriction',"
    " version = nextval('config.version') WHERE service = $1 AND active RETURNING id"
)
_RESUME: Final = (
    "UPDATE config.mailbox m SET paused_for = '', version = nextval('config.version'),"  # noqa: S608 - constant
    " active = NOT EXISTS (SELECT FROM config.person p"
    f" WHERE p.id = m.owner AND {DEACTIVATED})"
    " WHERE m.service = $1 AND m.paused_for = 'restriction' RETURNING m.id, m.active"
)
"""Those of owners who were deactivated meanwhile stay paused, but not for the restriction."""
_PUSH: Final = (
    "UPDATE config.mailbox SET host = $2, port = $3, tls = $4, verify = $5, ca = $6,"
    " sealed_password = CASE WHEN id = ANY($7) THEN '' ELSE sealed_password END,"
    " password_set_at = CASE WHEN id = ANY($7) THEN NULL ELSE password_set_at END,"
    " version = nextval('config.version') WHERE id = ANY($1)"
)


class ServiceChanges:
    """Restricts and permits services, and pushes their servers to mailboxes."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def restriction_impact(self, who: Principal, service: MailService) -> Impact:
        """Return whom a restriction would reach: the mailboxes that fetch now."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(_AFFECTED, service.id)
        found = [(row, _affected(row)) for row in rows if row["active"]]
        return _impact(service.id, found)

    async def push_impact(self, who: Principal, service: MailService) -> Impact:
        """Return which mailboxes differ from their service, and which must sign in again."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(_AFFECTED, service.id)
        return _impact(service.id, _differing(rows, service))

    async def push(self, who: Principal, service: MailService) -> Impact:
        """Give the service's server to its mailboxes.

        Some hundreds in a transaction: what others change meanwhile is published between them. Cut
        short, it is gone on with by the next push, which finds what still differs.
        """
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(_AFFECTED, service.id)
        found = _differing(rows, service)
        for first in range(0, len(found), PUSHED_AT_ONCE):
            some = [one.id for _, one in found[first : first + PUSHED_AT_ONCE]]
            await self._push_some(who, service, some)
        async with self._access.principal(who) as connection:
            await record(connection, who, "service.pushed", service.id, mailboxes=len(found))
        return _impact(service.id, found)

    async def _push_some(self, who: Principal, service: MailService, some: list[str]) -> None:
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(_LOCKED, service.id, some)
            found = _differing(rows, service)
            imap = service.imap
            await connection.execute(
                _PUSH, [one.id for _, one in found], imap.host, imap.port, imap.tls, imap.verify,
                imap.ca, [one.id for _, one in found if forgets(one.changes)],
            )  # fmt: skip
            await record_all(
                connection, who, "mailbox.changed",
                {one.id: {"by_service": service.id, **one.changes} for _, one in found},
            )  # fmt: skip
            await note(connection, *(f"mailbox {one.id}" for _, one in found))

    async def restrict(
        self, who: Principal, service: MailService, until: datetime, now: datetime
    ) -> None:
        """Let nobody choose it any more; its mailboxes go on until then, and pause after it."""
        async with self._access.principal(who) as connection:
            await connection.execute(
                "UPDATE config.mail_service SET permitted = false, grace_until = $2,"
                " paused_at = NULL WHERE id = $1",
                service.id,
                until,
            )
            await record(
                connection, who, "service.restricted", service.id,
                name=service.name, grace_until=until.isoformat(),
            )  # fmt: skip
            if until <= now:
                await pause_restricted(connection, who, service.id)

    async def permit(self, who: Principal, service: MailService) -> int:
        """Let users choose it; resume what a restriction paused, and return how many that are."""
        async with self._access.principal(who) as connection:
            await connection.execute(
                "UPDATE config.mail_service SET permitted = true, grace_until = NULL,"
                " paused_at = NULL WHERE id = $1",
                service.id,
            )
            released = await connection.fetch(_RESUME, service.id)
            await note(connection, *(f"mailbox {row['id']}" for row in released))
            resumed = [row["id"] for row in released if row["active"]]
            await record(
                connection, who, "service.permitted", service.id,
                name=service.name, resumed=len(resumed),
            )  # fmt: skip
        return len(resumed)


async def pause_restricted(connection: Connection, who: Principal, service: str) -> int:
    """Pause a restricted service's mailboxes, once; return how many."""
    due = await connection.fetchval(
        "UPDATE config.mail_service SET paused_at = now() WHERE id = $1 AND NOT permitted"
        " AND grace_until IS NOT NULL AND paused_at IS NULL RETURNING id",
        service,
    )
    if due is None:
        return 0
    paused = await connection.fetch(_PAUSE, service)
    await note(connection, *(f"mailbox {row['id']}" for row in paused))
    await record(connection, who, "service.grace_over", service, paused=len(paused))
    return len(paused)


def _affected(
    row: Any, changes: dict[str, list[str | int | bool]] | None = None
) -> AffectedMailbox:
    return AffectedMailbox(
        id=row["id"],
        name=row["name"],
        login=row["login"],
        owner=row["owner"],
        owner_name=row["owner_name"],
        active=row["active"],
        changes=changes or {},
        sign_in_again=forgets(changes or {}),
    )


def _differing(rows: list[Any], service: MailService) -> list[tuple[Any, AffectedMailbox]]:
    found = []
    for row in rows:
        here = Target(row["host"], row["port"], row["tls"], row["verify"], row["ca"])
        if changes := moves(here, service.imap):
            found.append((row, _affected(row, changes)))
    return found


def _impact(service: str, found: list[tuple[Any, AffectedMailbox]]) -> Impact:
    owners: dict[str | None, tuple[Any, int]] = {}
    for row, one in found:
        owners[one.owner] = (row, owners.get(one.owner, (row, 0))[1] + 1)
    return Impact(
        service=service,
        count=len(found),
        mailboxes=[one for _, one in found[:NAMED]],
        owners=[
            AffectedOwner(id=id_, name=row["owner_name"], email=row["owner_email"], mailboxes=count)
            for id_, (row, count) in list(owners.items())[:NAMED]
        ],
    )
