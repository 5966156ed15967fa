"""What happened because of a mail, and what was done with it, as its story's stages."""

from typing import Any, Final

import msgspec

from postroom_api.domain.story import Outcome, Stage
from postroom_api.domain.values import MessageRow, Principal
from postroom_api.postgres.access import Access
from postroom_contract.mail import Pointer
from postroom_runtime.postgres import Connection

MOST: Final = 200
"""Stages of a kind."""
_DELIVERED: Final[dict[str, Outcome]] = {
    "delivered": "good", "captured": "good", "deferred": "waiting", "failed": "bad",
    "bounced": "bad", "complained": "bad", "suppressed": "bad",
}  # fmt: skip
_CALLED: Final[dict[str, Outcome]] = {"delivered": "good", "waiting": "waiting", "dead": "bad"}


class StoryRows:
    """Reads what is recorded of one mail, as the principal may see it."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def happened(
        self, who: Principal, row: MessageRow, raw: Pointer
    ) -> tuple[list[Stage], int]:
        """Return what happened, and how many deliveries are left out.

        Recipients, webhooks, answers, what was set aside and who did what: for who manages alone.
        """
        stages: list[Stage] = []
        if row.topic:
            link = f"/topics/{row.topic}#{row.post}"
            stages.append(Stage(kind="posted", outcome="good", link=link))
        more = 0
        async with self._access.principal(who) as connection:
            stages += await _tickets(connection, row.id)
            if who.administrator:
                stages += await _deliveries(connection, row)
                more = await _more(connection, row)
                stages += await _effects(connection, row.id)
                stages += await _set_aside(connection, raw)
                stages += await _acts(connection, row.id)
        return stages, more


def _origins(row: MessageRow) -> list[str]:
    """Return what its copies go out as: the post, and (forwards) the mail itself."""
    return [one for one in (row.post, row.id) if one]


async def _deliveries(connection: Connection, row: MessageRow) -> list[Stage]:
    rows: Any = await connection.fetch(
        "SELECT serial, recipient, state, reply, status, attempt, next_attempt_at, reported_at"
        " FROM config.delivery WHERE account = config.my_account() AND origin = ANY($1)"
        " ORDER BY reported_at, serial LIMIT $2",
        _origins(row),
        MOST,
    )
    return [
        Stage(
            kind="delivery",
            at=one["reported_at"],
            title=one["recipient"],
            state=one["state"],
            outcome=_DELIVERED.get(one["state"], ""),
            lines=[said for said in (one["status"], one["reply"]) if said],
            link=f"/outbox/{one['serial']}",
        )
        for one in rows
    ]


async def _more(connection: Connection, row: MessageRow) -> int:
    found = await connection.fetchval(
        "SELECT count(*) FROM config.delivery WHERE account = config.my_account()"
        " AND origin = ANY($1)",
        _origins(row),
    )
    return max(int(found) - MOST, 0)


async def _tickets(connection: Connection, mail: str) -> list[Stage]:
    rows = await connection.fetch(
        "SELECT t.id, t.number, t.subject, m.at, m.what FROM config.ticket_mail m"
        " JOIN config.ticket t ON t.id = m.ticket WHERE m.mail = $1 ORDER BY m.at",
        mail,
    )
    return [
        Stage(
            kind="ticket",
            at=one["at"],
            title=f"#{one['number']} {one['subject']}",
            state=one["what"],
            outcome="good",
            link=f"/tickets/{one['id']}",
        )
        for one in rows
    ]


async def _effects(connection: Connection, mail: str) -> list[Stage]:
    calls = await connection.fetch(
        "SELECT c.webhook, c.created_at, c.state, c.reply, c.attempts, w.name"
        " FROM config.webhook_call c JOIN config.webhook w ON w.id = c.webhook"
        " WHERE c.account = config.my_account() AND c.mail = $1 ORDER BY c.created_at LIMIT $2",
        mail,
        MOST,
    )
    answers = await connection.fetch(
        "SELECT address, at FROM config.auto_answer WHERE account = config.my_account()"
        " AND mail = $1 ORDER BY at",
        mail,
    )
    return [
        *(
            Stage(
                kind="webhook",
                at=one["created_at"],
                title=one["name"],
                state=one["state"],
                outcome=_CALLED.get(one["state"], ""),
                lines=[one["reply"]] if one["reply"] else [],
                link=f"/webhooks/{one['webhook']}",
            )
            for one in calls
        ),
        *(
            Stage(kind="answer", at=one["at"], title=one["address"], outcome="good")
            for one in answers
        ),
    ]


async def _set_aside(connection: Connection, raw: Pointer) -> list[Stage]:
    rows = await connection.fetch(
        "SELECT service, reason, stored_at FROM config.set_aside WHERE"
        " account = config.my_account() AND original_stream = $1 AND original_sequence = $2",
        raw.stream,
        raw.sequence,
    )
    return [
        Stage(
            kind="set_aside",
            at=one["stored_at"],
            title=one["service"],
            outcome="bad",
            lines=[one["reason"]],
            link="/set-aside",
        )
        for one in rows
    ]


async def _acts(connection: Connection, mail: str) -> list[Stage]:
    rows = await connection.fetch(
        "SELECT at, name, action, detail FROM config.audit WHERE account = config.my_account()"
        " AND about = $1 ORDER BY id LIMIT $2",
        mail,
        MOST,
    )
    return [
        Stage(
            kind="person",
            at=one["at"],
            title=one["name"],
            state=one["action"],
            lines=[f"{key}: {value}" for key, value in msgspec.json.decode(one["detail"]).items()],
        )
        for one in rows
    ]
