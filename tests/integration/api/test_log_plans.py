"""The message log with 20,000 mails: which indexes its pages use, as `app` under row level security.

The planner's counters say it (pg_stat_user_indexes), also of what runs inside functions.
"""

import asyncpg
import pytest

from postroom_api.domain.message_search import MessageQuery
from postroom_api.domain.values import Principal
from postroom_api.postgres.access import Access
from postroom_api.postgres.log import Log
from postroom_runtime.postgres import Database
from support.many_messages import BIG, fill
from support.waiting import eventually

MAILS = 20_000
BOSS = Principal(account=BIG, id="usr_boss", email="", name="", role="account_administrator")
BY_TIME = {"message_by_time"}
PLANS = {
    "first page": (MessageQuery(), BY_TIME),
    "deleted": (MessageQuery(deleted=True), {"message_deleted"}),
    "quarantine": (MessageQuery(quarantine=True), {"message_apart"}),
    "one mailbox": (MessageQuery(mailbox=f"mbx_{BIG}_3"), {"message_by_mailbox"}),
    "unread": (MessageQuery(read=False), BY_TIME),
    "a rare tag": (MessageQuery(tag="nothing"), BY_TIME | {"message_tags"}),
    "nobody": (MessageQuery(sender="nobody.at.all"), BY_TIME | {"message_sender_parts"}),
    "no recipient": (MessageQuery(recipient="nowhere@"), BY_TIME | {"message_recipient_parts"}),
    "no such word": (MessageQuery(search="zzzz"), BY_TIME | {"message_words"}),
    "a word that is everywhere": (MessageQuery(search="aaaaa"), BY_TIME),
}
"""What is asked, and the indexes of config.message that answer it."""


async def counted(connection: asyncpg.Connection) -> dict[str, int]:
    """How often each index of the table was used, and under its own name the table from end to end."""
    rows = await connection.fetch(
        "SELECT indexrelname AS name, idx_scan AS scans FROM pg_stat_user_indexes"
        " WHERE schemaname = 'config' AND relname = 'message' UNION ALL"
        " SELECT relname, seq_scan FROM pg_stat_user_tables"
        " WHERE schemaname = 'config' AND relname = 'message'"
    )
    return {row["name"]: row["scans"] or 0 for row in rows}


async def sessions(owner: asyncpg.Connection) -> set[int]:
    """The processes of those who are connected as `app`."""
    rows = await owner.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND usename LIKE '%app%'"
    )
    return {row["pid"] for row in rows}


async def asked(log: Log, query: MessageQuery) -> None:
    if query.narrow:
        await log.search(BOSS, query, None, 50)
    else:
        await log.messages(
            BOSS, None, 50, deleted=query.deleted, quarantine=query.quarantine,
            mailbox=query.mailbox or None,
        )  # fmt: skip


@pytest.mark.timeout(300)
async def test_each_page_uses_its_indexes_and_never_reads_all(desks) -> None:
    worker = await asyncpg.connect(desks.database.worker_url)
    owner = await asyncpg.connect(desks.database.owner_url)
    await fill(worker, owner, MAILS, 3)
    await owner.execute("SELECT pg_stat_force_next_flush()")  # what making indexes counted
    used: dict[str, set[str]] = {}
    for name, (query, _) in PLANS.items():
        before, others = await counted(owner), await sessions(owner)
        app = Database(desks.database.app_url, "app")
        await asked(Log(Access(app)), query)
        await app.close()

        async def ended(others: set[int] = others) -> bool:
            return await sessions(owner) <= others

        await eventually(ended, what="the session has ended and told what it counted")
        after = await counted(owner)
        used[name] = {one for one, scans in after.items() if scans > before.get(one, 0)}
    await worker.close()
    await owner.close()
    # The rows of what was found are read by their ids.
    wanted = {name: indexes for name, (_, indexes) in PLANS.items()}
    assert {name: found - {"message_pkey"} for name, found in used.items()} == wanted
