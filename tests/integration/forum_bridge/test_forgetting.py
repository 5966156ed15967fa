"""An account is forgotten piece by piece, and nobody else's forum with it."""

import asyncpg
import pytest

from postroom_contract import forum
from postroom_forum_bridge.postgres import forgetting
from postroom_forum_bridge.postgres.forums import PostgresForums
from postroom_runtime.postgres import Database
from support.servers import Database as Made

FILL = """
INSERT INTO forum.forum (id, account, name, address, state)
    VALUES ('{f}', '{a}', 'F', '{f}@example.org', 'open');
INSERT INTO forum.member (id, forum, email, email_key, name, delivery, state)
    VALUES ('mem_{f}', '{f}', 'a@b.c', 'a@b.c', '', 'each', 'active');
INSERT INTO forum.silenced (account, email_key, silent, version)
    VALUES ('{a}', 'a@b.c', true, 1);
INSERT INTO forum.topic (id, forum, title, started_by, started_at, last_post_at)
    VALUES ('top_{f}', '{f}', 'T', 'A', now(), now());
INSERT INTO forum.topic (id, forum, title, started_by, started_at, last_post_at, merged_into)
    VALUES ('old_{f}', '{f}', 'T', 'A', now(), now(), 'top_{f}');
INSERT INTO forum.post (id, forum, topic, parent, message_id, placeholder, origin, created_at)
    SELECT 'pst_{f}' || n, '{f}', 'top_{f}', CASE WHEN n > 1 THEN 'pst_{f}' || n - 1 END,
        'm' || n, false, 'web', now() FROM generate_series(1, 25) n;
INSERT INTO forum.reference (forum, message_id, topic) VALUES ('{f}', 'r', 'top_{f}');
INSERT INTO forum.original (post, raw) SELECT id, 'x' FROM forum.post WHERE forum = '{f}';
INSERT INTO forum.mail (forum, id, outcome, post)
    VALUES ('{f}', 'msg_1', 'posted', 'pst_{f}1'), ('{f}', 'msg_2', 'robot', NULL);
INSERT INTO forum.delivery (post, member, address)
    SELECT id, 'mem_{f}', 'a@b.c' FROM forum.post WHERE forum = '{f}';
INSERT INTO forum.bounce (kind, mail, delivery)
    SELECT 'hard', 'bounce_{f}', max(serial) FROM forum.delivery WHERE member = 'mem_{f}';
"""


async def counts(connection: asyncpg.Connection) -> dict[str, int]:
    tables = await connection.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'forum'"
        " AND table_name NOT IN ('migration', 'outbox')"
    )
    return {
        row["table_name"]: await connection.fetchval(
            f"SELECT count(*) FROM forum.{row['table_name']}"
        )
        for row in tables
    }


async def test_an_account_is_forgotten_and_another_stays(
    database: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "POSTS", 10)
    connection = await asyncpg.connect(database.forum_url)
    login = Database(database.forum_url, "forum")
    forums = PostgresForums(login)
    try:
        await connection.execute(FILL.format(f="frm_a", a="acc_a"))
        before = await counts(connection)
        assert all(before.values()), "fill every table, and name it in forgetting.py"
        await connection.execute(FILL.format(f="frm_b", a="acc_b"))
        pieces = 1
        while (await forums.forget_account("acc_b")) == forum.Forgotten(more=True):
            pieces += 1
        assert pieces == 4
        assert await forums.forget_account("acc_b") == forum.Forgotten(more=False)
        assert await counts(connection) == before
    finally:
        await connection.close()
        await login.close()
