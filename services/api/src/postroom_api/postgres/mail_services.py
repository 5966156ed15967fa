"""E-mail services as rows. What ships is copied into an account at its administrators' first look.

Law: a preset that was changed or taken away stays so: its row has the id that seeding would draw.
"""

from collections.abc import Sequence
from typing import Any, Final

from postroom_api.domain.mail_services import MailService, OAuthView, ServiceServer, ServiceSettings
from postroom_api.domain.mailbox_settings import PasswordState
from postroom_api.domain.presets import PRESETS
from postroom_api.domain.values import Principal
from postroom_api.ports import StaleError
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import record
from postroom_api.postgres.configuration import note
from postroom_contract.ids import derived_id
from postroom_runtime.postgres import Connection

_SELECT: Final = (
    "SELECT s.*, (SELECT count(*) FROM config.mailbox m WHERE m.service = s.id) AS mailboxes"
    " FROM config.mail_service s WHERE s.deleted_at IS NULL"
)
_WRITE: Final = (
    "UPDATE config.mail_service SET name = $2, domains = $3, imap_host = $4, imap_port = $5,"
    " imap_tls = $6, imap_verify = $7, imap_ca = $8, smtp_host = $9, smtp_port = $10,"
    " smtp_tls = $11, web_link = $12, free = $13, oauth = $14, oauth_client = $15,"
    " oauth_authorize_url = $16, oauth_token_url = $17, oauth_scopes = $18, active = $19,"
    " oauth_sealed_secret = coalesce($20, oauth_sealed_secret),"
    " oauth_secret_set_at = CASE WHEN $20 IS NULL THEN oauth_secret_set_at ELSE now() END"
    " WHERE id = $1 AND deleted_at IS NULL"
)
_SEED: Final = (
    "INSERT INTO config.mail_service (id, account, preset, name, position, domains, imap_host,"
    " imap_port, imap_tls, imap_verify, smtp_host, smtp_port, smtp_tls, web_link, free, oauth)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
    " ON CONFLICT (id) DO NOTHING"
)


class MailServices:
    """The catalogue of the account that asks."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def all(self, who: Principal) -> list[MailService]:
        """Return the catalogue in its order; to who does not manage it, what they may choose."""
        async with self._access.principal(who) as connection:
            if who.administrator:
                await _seed(connection, who.account)
            rows = await connection.fetch(f"{_SELECT} ORDER BY s.position, s.id")
        return [_service(row) for row in rows]

    async def one(self, who: Principal, service: str) -> MailService | None:
        """Return one service, or None."""
        async with self._access.principal(who) as connection:
            if who.administrator:
                await _seed(connection, who.account)
            row = await connection.fetchrow(f"{_SELECT} AND s.id = $1", service)
        return _service(row) if row else None

    async def add(
        self, who: Principal, service: str, settings: ServiceSettings, sealed: str | None
    ) -> None:
        """Append a service; it is not permitted yet."""
        async with self._access.principal(who) as connection:
            await connection.execute(
                "INSERT INTO config.mail_service (id, account, name, position, imap_host,"
                " imap_port, imap_tls) VALUES ($1, $2, $3, coalesce((SELECT max(position) + 10"
                " FROM config.mail_service), 10), '', 0, 'implicit')",
                service,
                who.account,
                settings.name,
            )
            await _write(connection, service, settings, sealed)
            await record(connection, who, "service.created", service, name=settings.name)

    async def change(
        self,
        who: Principal,
        service: str,
        settings: ServiceSettings,
        sealed: str | None,
        version: int | None,
    ) -> bool:
        """Write a service; False when there is none. Its mailboxes stay as they are.

        StaleError when it has no longer this version.
        """
        async with self._access.principal(who) as connection:
            before = await connection.fetchval(
                "SELECT version FROM config.mail_service WHERE id = $1 AND deleted_at IS NULL"
                " FOR UPDATE",
                service,
            )
            if before is not None and version not in {None, before}:
                raise StaleError
            if not await _write(connection, service, settings, sealed):
                return False
            # Where their tokens are had stands in their documents.
            boxes = await connection.fetch(
                "UPDATE config.mailbox SET version = nextval('config.version')"
                " WHERE service = $1 AND auth = 'oauth2' RETURNING id",
                service,
            )
            await note(connection, *(f"mailbox {row['id']}" for row in boxes))
            imap = settings.imap
            await record(
                connection, who, "service.changed", service, name=settings.name,
                imap=f"{imap.host}:{imap.port} {imap.tls}", active=settings.active,
            )  # fmt: skip
        return True

    async def order(self, who: Principal, services: Sequence[str]) -> None:
        """Put these first, in this order; the others follow as they were."""
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                # Locked in an order that never changes: two at once would wait for each other.
                "SELECT id, position FROM config.mail_service WHERE deleted_at IS NULL"
                " ORDER BY id FOR UPDATE"
            )
            known = [
                row["id"] for row in sorted(rows, key=lambda row: (row["position"], row["id"]))
            ]
            wanted = [one for one in dict.fromkeys(services) if one in known]
            order = [*wanted, *(one for one in known if one not in wanted)]
            await connection.executemany(
                "UPDATE config.mail_service SET position = $2 WHERE id = $1",
                [(one, 10 * place) for place, one in enumerate(order, 1)],
            )
            await record(connection, who, "service.ordered", who.account, first=wanted[:20])

    async def delete(self, who: Principal, service: str) -> int | None:
        """Take a service away; return how many mailboxes hold it back, None when it is not there.

        The row stays, so that a preset does not come back.
        """
        async with self._access.principal(who) as connection:
            row = await connection.fetchrow(
                f"{_SELECT} AND s.id = $1 FOR UPDATE OF s",
                service,
            )
            if row is None or row["mailboxes"]:
                return row["mailboxes"] if row else None
            await connection.execute("DELETE FROM config.connect_link WHERE service = $1", service)
            await connection.execute(
                "UPDATE config.mail_service SET deleted_at = now(), permitted = false,"
                " grace_until = NULL, oauth_sealed_secret = '', oauth_secret_set_at = NULL"
                " WHERE id = $1",
                service,
            )
            await record(connection, who, "service.deleted", service, name=row["name"])
        return 0

    async def policy(self, who: Principal) -> tuple[int, int]:
        """Return how many mailboxes each user may have, and the version of that."""
        async with self._access.principal(who) as connection:
            row = await connection.fetchrow(
                "SELECT mailboxes_per_user, version FROM config.account WHERE id = $1", who.account
            )
        assert row is not None, "who asks has an account"
        return row["mailboxes_per_user"], row["version"]

    async def set_per_user(self, who: Principal, count: int, version: int | None) -> None:
        """Change how many mailboxes each user may have; those there are stay.

        StaleError when the account has no longer this version.
        """
        async with self._access.principal(who) as connection:
            status = await connection.execute(
                "UPDATE config.account SET mailboxes_per_user = $2 WHERE id = $1"
                " AND ($3::bigint IS NULL OR version = $3)",
                who.account,
                count,
                version,
            )
            if status != "UPDATE 1":
                raise StaleError
            await record(connection, who, "account.changed", who.account, mailboxes_per_user=count)


async def _seed(connection: Connection, account: str) -> None:
    known = await connection.fetchval(
        "SELECT count(*) FROM config.mail_service WHERE account = $1 AND preset <> ''", account
    )
    if known >= len(PRESETS):
        return
    await connection.executemany(
        _SEED,
        [
            (
                derived_id("svc", account, one.key), account, one.key, one.name, 10 * place,
                list(one.domains), one.imap, one.imap_port, one.imap_tls, one.verify, one.smtp,
                one.smtp_port if one.smtp else 0, one.smtp_tls, one.web, one.free, one.oauth,
            )
            for place, one in enumerate(PRESETS, 1)
        ],
    )  # fmt: skip


async def _write(
    connection: Connection, service: str, settings: ServiceSettings, sealed: str | None
) -> bool:
    imap, smtp, oauth = settings.imap, settings.smtp, settings.oauth
    status = await connection.execute(
        _WRITE, service, settings.name, settings.domains, imap.host, imap.port, imap.tls,
        imap.verify, imap.ca, smtp.host, smtp.port, smtp.tls, settings.web_link, settings.free,
        oauth.use, oauth.client_id, oauth.authorize_url, oauth.token_url, oauth.scopes,
        settings.active, sealed,
    )  # fmt: skip
    return bool(status == "UPDATE 1")


def _service(row: Any) -> MailService:
    return MailService(
        id=row["id"],
        preset=row["preset"],
        name=row["name"],
        position=row["position"],
        domains=list(row["domains"]),
        imap=ServiceServer(
            host=row["imap_host"],
            port=row["imap_port"],
            tls=row["imap_tls"],
            verify=row["imap_verify"],
            ca=row["imap_ca"],
        ),
        smtp=ServiceServer(host=row["smtp_host"], port=row["smtp_port"], tls=row["smtp_tls"]),
        web_link=row["web_link"],
        free=row["free"],
        oauth=OAuthView(
            use=row["oauth"],
            client_id=row["oauth_client"],
            client_secret=PasswordState(
                bool(row["oauth_sealed_secret"]), row["oauth_secret_set_at"]
            ),
            authorize_url=row["oauth_authorize_url"],
            token_url=row["oauth_token_url"],
            scopes=row["oauth_scopes"],
        ),
        active=row["active"],
        permitted=row["permitted"],
        grace_until=row["grace_until"],
        mailboxes=row["mailboxes"],
        version=row["version"],
    )
