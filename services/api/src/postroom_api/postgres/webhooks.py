"""Webhooks as those who manage the account keep them."""

from datetime import datetime
from typing import Any, Final

from postroom_api.domain import cursors
from postroom_api.domain.values import PageOf, Principal
from postroom_api.domain.webhooks import CallState, Webhook, WebhookCall
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record
from postroom_api.postgres.pages import page_of
from postroom_runtime.postgres import Connection

_SELECT: Final = """
    SELECT w.id, w.name, w.url, w.active, w.trouble, w.created_at, w.version,
        (SELECT count(*) FROM config.webhook_call c WHERE c.webhook = w.id AND c.state = 'waiting')
            AS waiting,
        (SELECT count(*) FROM config.webhook_call c WHERE c.webhook = w.id AND c.state = 'dead')
            AS dead
    FROM config.webhook w WHERE w.account = $1 AND ($2::text IS NULL OR w.id = $2)
    ORDER BY w.created_at, w.id
"""
_CALL: Final = "id, mail, state, attempts, next_attempt_at, reply, created_at"


class Webhooks:
    """Reads and writes, each change with its audit."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def all(self, who: Principal, webhook: str | None = None) -> list[Webhook]:
        """Return the account's webhooks, or the one."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(_SELECT, who.account, webhook)
        return [Webhook(**dict(row)) for row in rows]

    async def add(
        self, who: Principal, webhook: str, name: str, url: str, sealed: str, most: int
    ) -> bool:
        """Keep a new one; False when there are too many."""
        async with self._access.principal(who) as connection:
            added = await connection.fetchval(
                "INSERT INTO config.webhook (id, account, name, url, sealed_secret)"
                " SELECT $1, $2, $3, $4, $5"
                " WHERE (SELECT count(*) FROM config.webhook WHERE account = $2) < $6 RETURNING id",
                webhook,
                who.account,
                name,
                url,
                sealed,
                most,
            )
            if added:
                await record(connection, who, "webhook.added", webhook, name=name, url=url)
        return added is not None

    async def change(self, who: Principal, webhook: str, expected: int, **values: object) -> bool:
        """Change columns of one; False when it is not the expected version."""
        names = list(values)
        columns = ", ".join(f"{name} = ${number}" for number, name in enumerate(names, 4))
        async with self._access.principal(who) as connection:
            changed = await connection.fetchval(
                f"UPDATE config.webhook SET {columns}, version = nextval('config.version')"  # noqa: S608 - names of ours
                " WHERE id = $1 AND account = $2 AND version = $3 RETURNING id",
                webhook,
                who.account,
                expected,
                *values.values(),
            )
            if changed:
                told = {name: str(values[name]) for name in names if name != "sealed_secret"}
                await record(connection, who, "webhook.changed", webhook, **told)
        return changed is not None

    async def remove(self, who: Principal, webhook: str) -> bool:
        """Forget one with its calls; False when there is none."""
        async with self._access.principal(who) as connection:
            gone: Any = await connection.fetchval(
                "DELETE FROM config.webhook WHERE id = $1 AND account = $2 RETURNING name",
                webhook,
                who.account,
            )
            if gone is not None:
                await record(connection, who, "webhook.removed", webhook, name=gone)
        return gone is not None

    async def calls(
        self,
        who: Principal,
        webhook: str,
        state: CallState | None,
        cursor: str | None,
        limit: int,
    ) -> PageOf[WebhookCall]:
        """Return a page of calls, the newest first."""
        before, row = cursors.decode_time_and_id(cursor) if cursor else (None, "")
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                f"SELECT {_CALL} FROM config.webhook_call WHERE account = $1 AND webhook = $2"  # noqa: S608 - constant
                " AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4))"
                " AND ($5::text IS NULL OR state = $5)"
                " ORDER BY created_at DESC, id DESC LIMIT $6",
                who.account,
                webhook,
                before,
                row,
                state,
                limit + 1,
            )
        return page_of(rows, limit, WebhookCall, lambda one: (one.created_at, one.id))

    async def call_again(self, who: Principal, webhook: str, call: str, now: datetime) -> bool:
        """Make a call once more, from its first attempt on; False when there is none."""
        async with self._access.principal(who) as connection:
            found = await self._again(connection, who, webhook, call, now)
            if found:
                await record(connection, who, "webhook.called_again", webhook, call=call)
        return found

    async def _again(
        self, connection: Connection, who: Principal, webhook: str, call: str, now: datetime
    ) -> bool:
        status = await connection.execute(
            "UPDATE config.webhook_call SET state = 'waiting', attempts = 0, next_attempt_at = $4"
            " WHERE id = $3 AND webhook = $2 AND account = $1",
            who.account,
            webhook,
            call,
            now,
        )
        return bool(status == "UPDATE 1")
