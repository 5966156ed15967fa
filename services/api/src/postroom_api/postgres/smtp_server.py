"""Whether the SMTP server is open, and what it refused."""

from typing import Any, Final

from postroom_api.domain import cursors
from postroom_api.domain.smtp_server import RefusalRow
from postroom_api.domain.values import PageOf, Principal
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record
from postroom_api.postgres.configuration import note
from postroom_api.postgres.pages import page_of

_REFUSAL: Final = "id, at, network, reason, reply, count, helo, sender, recipient"


class SmtpServerRows:
    """Reads, and changes with their audit and their note for smtp."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def refusals(self, who: Principal, cursor: str | None, limit: int) -> PageOf[RefusalRow]:
        """Return a page of what was refused for recipients of the account, newest first."""
        before, last = cursors.decode_time_and_id(cursor) if cursor else (None, "")
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                f"SELECT {_REFUSAL} FROM config.refusal WHERE account = $1"  # noqa: S608 - constant
                " AND ($2::timestamptz IS NULL OR (at, id) < ($2, $3))"
                " ORDER BY at DESC, id DESC LIMIT $4",
                who.account,
                before,
                last,
                limit + 1,
            )
        return page_of(rows, limit, RefusalRow, lambda one: (one.at, one.id))

    async def door(self, who: Principal) -> Any:
        """Return `open`, `changed_at` and `changed_by`, or None as long as nobody changed it."""
        async with self._access.principal(who) as connection:
            return await connection.fetchrow("SELECT open, changed_at, changed_by FROM config.door")

    async def set_door(self, who: Principal, *, open_: bool) -> None:
        """Open or close the SMTP server."""
        async with self._access.principal(who) as connection:
            await connection.execute(
                "INSERT INTO config.door (open, changed_by) VALUES ($1, $2)"
                " ON CONFLICT (only_one) DO UPDATE SET open = $1, changed_by = $2,"
                " changed_at = now(), version = nextval('config.version')",
                open_,
                who.name,
            )
            await note(connection, "door smtp")
            await record(connection, who, "smtp.opened" if open_ else "smtp.closed", "smtp")
