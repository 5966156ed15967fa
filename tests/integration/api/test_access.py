"""Row level security: who asks decides what is there."""

import asyncpg
import pytest

from postroom_api.domain import passwords
from postroom_api.domain.grids import GridQuery
from postroom_api.domain.mailbox_settings import Mailbox
from postroom_api.domain.values import Principal
from postroom_api.ports import TakenError
from postroom_api.postgres.access import Access
from postroom_api.postgres.forums import ForumRows
from postroom_api.postgres.grid import Grid
from postroom_api.postgres.log import Log
from postroom_api.postgres.mailboxes import Mailboxes
from postroom_api.postgres.people import DEFAULT_ACCOUNT, People
from postroom_api.postgres.rules import Rules
from postroom_api.postgres.worker import Worker
from postroom_contract.rules import Group, SetImportance
from postroom_runtime.clock import Clock
from postroom_runtime.postgres import Database
from support.servers import Database as Made

TABLES = [
    "account", "person", "session", "token", "domain", "mailbox", "address", "rule", "ruleset",
    "forum", "message", "delivery", "set_aside", "mailbox_check", "mailbox_share", "audit",
    "operation", "idempotency", "notice", "link", "second_factor", "recovery_code",
    "mail_service", "connect_link", "mailbox_summary", "mailbox_word",
]  # fmt: skip
OTHER = "acc_other"


@pytest.fixture
async def app(database: Made):
    made = Database(database.app_url, "app")
    yield made
    await made.close()


@pytest.fixture
async def people(app: Database) -> People:
    found = People(Access(app))
    assert await found.bootstrap("admin@example.org", "correct horse", "prt_first") == (True, True)
    return found


async def principals(app: Database, people: People):
    mine = await people.by_token("prt_first", Clock().now())
    access = Access(app)
    async with access.account(OTHER) as connection:
        await connection.execute(
            "INSERT INTO config.account (id, name) VALUES ($1, 'Other')", OTHER
        )
        await connection.execute(
            "INSERT INTO config.person (id, account, email, name, role, password_hash)"
            " VALUES ('usr_other', $1, 'other@example.org', 'Other', 'administrator', $2)",
            OTHER,
            passwords.hash_password("x"),
        )
        await connection.execute(
            "INSERT INTO config.token (hash, id, account, person, name)"
            " VALUES ($1, 'tok_other', $2, 'usr_other', 'x')",
            passwords.hash_secret("prt_other"),
            OTHER,
        )
    other = await people.by_token("prt_other", Clock().now())
    assert mine is not None
    assert other is not None
    assert other.account == OTHER
    return mine, other


async def test_bootstrap_is_done_once_and_never_changes_a_password(app: Database) -> None:
    people = People(Access(app))
    now = Clock().now()
    assert await people.bootstrap("admin@example.org", "correct horse", None) == (True, False)
    assert await people.bootstrap("admin@example.org", "another", "prt_t") == (False, True)
    assert await people.sign_in("admin@example.org", "another", now) is None
    assert await people.sign_in("Admin@Example.org ", "correct horse", now) is not None


async def test_a_session_opens_and_ends(people: People) -> None:
    now = Clock().now()
    found = await people.sign_in("admin@example.org", "correct horse", now)
    assert found is not None
    secret, principal = found.secret, found.principal
    assert await people.by_session(secret, now) == principal
    assert await people.by_session(secret + "x", now) is None
    assert await people.by_session(secret, now.replace(year=now.year + 1)) is None
    await people.sign_out(principal, secret)
    assert await people.by_session(secret, now) is None


@pytest.mark.parametrize("credential", ["", "'", "prt_nobody", "admin@example.org", "%"])
async def test_a_wrong_token_is_nobody(people: People, credential: str) -> None:
    assert await people.by_token(credential, Clock().now()) is None


async def test_without_saying_who_asks_there_are_no_rows(
    app: Database, people: People, database: Made
) -> None:
    connection = await asyncpg.connect(database.app_url)
    try:
        for table in TABLES:
            assert await connection.fetchval(f"SELECT count(*) FROM config.{table}") == 0
        # After a setting was used and reset, it is an empty string and not NULL.
        async with connection.transaction():
            await connection.execute("SELECT config.act_as($1, NULL, NULL)", DEFAULT_ACCOUNT)
            assert await connection.fetchval("SELECT count(*) FROM config.account") == 1
        for table in TABLES:
            assert await connection.fetchval(f"SELECT count(*) FROM config.{table}") == 0
    finally:
        await connection.close()


async def test_every_table_is_under_forced_row_level_security(database: Made) -> None:
    """Those without belong to no account: the relay's notes, the projections' positions."""
    connection = await asyncpg.connect(database.owner_url)
    try:
        rows = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'config'::regnamespace"
            " AND relkind = 'r' AND NOT (relrowsecurity AND relforcerowsecurity)"
        )
    finally:
        await connection.close()
    assert {row["relname"] for row in rows} == {"outbox", "projection", "migration"}


async def test_the_login_app_cannot_go_around_it(database: Made) -> None:
    connection = await asyncpg.connect(database.app_url)
    try:
        for statement in (
            "SET ROLE postroom_worker",
            "SET ROLE postroom_owner",
            "ALTER TABLE config.message DISABLE ROW LEVEL SECURITY",
            "SELECT * FROM config.projection",
            "SELECT * FROM config.outbox",
            "DELETE FROM config.message",
            "SELECT * FROM forum.post",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def listed(grid: Grid, who: Principal) -> list[Mailbox]:
    return (await grid.page(who, GridQuery(), None, 200)).data


async def test_one_account_sees_and_changes_nothing_of_another(
    app: Database, people: People
) -> None:
    mine, other = await principals(app, people)
    forums, mailboxes, rules = (kind(Access(app)) for kind in (ForumRows, Mailboxes, Rules))
    forum = await forums.begin_forum(mine, "frm_1", "Garden", "garden@example.org")
    await forums.attach_forum(mine.account, forum, "Garden", "garden@example.org")
    (mailbox,) = await listed(Grid(Access(app)), mine)
    (rule,) = await rules.list_rules(mine)
    assert await listed(Grid(Access(app)), other) == []
    assert await mailboxes.one(other, mailbox.id) is None
    assert await rules.list_rules(other) == []
    assert await rules.delete_rule(other, rule.id) is False
    assert await rules.change_rule(other, rule) is False
    always = Group(mode="all", of=())
    added = await rules.add_rule(other, "rul_x", mailbox.id, "x", always, [SetImportance("high")])
    assert added is None
    with pytest.raises(TakenError):
        await forums.begin_forum(other, "frm_2", "Garden", "garden@example.org")
    forum2 = await forums.begin_forum(other, "frm_2", "Mine", "mine@example.org")
    with pytest.raises(TakenError, match="domain example.org belongs to another account"):
        await forums.attach_forum(OTHER, forum2, "Mine", "mine@example.org")
    assert (await Log(Access(app)).messages(other, None, 50)).data == []


async def somebody(app: Database, people: People, id_: str) -> Principal:
    """A person without a role of their own."""
    async with Access(app).account(DEFAULT_ACCOUNT) as connection:
        await connection.execute(
            "INSERT INTO config.person (id, account, email, name, role, password_hash)"
            " VALUES ($1, $2, $1 || '@example.org', $1, 'user', 'x')",
            id_,
            DEFAULT_ACCOUNT,
        )
        await connection.execute(
            "INSERT INTO config.token (hash, id, account, person, name)"
            " VALUES ($1, 'tok_' || $2, $3, $2, 'x')",
            passwords.hash_secret("prt_" + id_),
            id_,
            DEFAULT_ACCOUNT,
        )
    found = await people.by_token("prt_" + id_, Clock().now())
    assert found is not None
    return found


MAIL = """
    INSERT INTO config.message (id, account, mailbox, received_at, recipient, envelope_sender,
        from_name, from_address, subject, size, importance, stream, sequence, event)
    VALUES ('msg_' || $1, $2, $1, now(), '', '', '', '', $1, 1, 'normal', 'INTAKE_0', 1, '{}')
"""


async def test_people_see_their_own_mailboxes_and_those_shared_with_them(
    app: Database, people: People, database: Made
) -> None:
    admin = await people.by_token("prt_first", Clock().now())
    assert admin is not None
    anna = await somebody(app, people, "usr_anna")
    ben = await somebody(app, people, "usr_ben")
    access, rules, log = Access(app), Rules(Access(app)), Log(Access(app))
    async with access.account(DEFAULT_ACCOUNT) as connection:
        for id_, owner in (("mbx_anna", "usr_anna"), ("mbx_ben", "usr_ben"), ("mbx_all", None)):
            await connection.execute(
                "INSERT INTO config.mailbox (id, account, name, kind, source, owner)"
                " VALUES ($1, $2, $1, $3, 'imap', $4)",
                id_, DEFAULT_ACCOUNT, "user" if owner else "system", owner,
            )  # fmt: skip
    worker = await asyncpg.connect(database.worker_url)
    for id_ in ("mbx_anna", "mbx_ben", "mbx_all"):
        await worker.execute(MAIL, id_, DEFAULT_ACCOUNT)
    await worker.close()

    async def seen(who: Principal) -> tuple[set[str], set[str]]:
        boxes = {box.id for box in await listed(Grid(access), who)}
        return boxes, {row.mailbox for row in (await log.messages(who, None, 50)).data}

    everything = {"mbx_anna", "mbx_ben", "mbx_all"}
    assert await seen(admin) == (everything, everything)
    assert await seen(anna) == ({"mbx_anna"}, {"mbx_anna"})
    assert await log.message(anna, "msg_mbx_ben") is None
    always = Group(mode="all", of=())
    assert (
        await rules.add_rule(anna, "rul_a", "mbx_ben", "x", always, [SetImportance("high")]) is None
    )
    assert await rules.add_rule(ben, "rul_b", "mbx_ben", "x", always, [SetImportance("high")])
    assert await rules.list_rules(anna) == []

    async with access.principal(ben) as connection:
        await connection.execute(
            "INSERT INTO config.mailbox_share VALUES"
            " ('mbx_ben', 'usr_anna', $1, 'read', 'usr_ben', now() + interval '1 hour')",
            DEFAULT_ACCOUNT,
        )
    assert await seen(anna) == ({"mbx_anna", "mbx_ben"}, {"mbx_anna", "mbx_ben"})
    (rule,) = await rules.list_rules(anna)
    assert await rules.delete_rule(anna, rule.id) is False, "reading is not managing"
    async with access.principal(anna) as connection:
        assert (
            await connection.execute("UPDATE config.mailbox SET name = 'x' WHERE id = 'mbx_ben'")
            == "UPDATE 0"
        )
    async with access.principal(ben) as connection:
        await connection.execute("UPDATE config.mailbox_share SET until = now() - interval '1 s'")
    assert await seen(anna) == ({"mbx_anna"}, {"mbx_anna"})


async def test_an_interrupted_forum_is_taken_up_under_its_id(app: Database, people: People) -> None:
    mine = await people.by_token("prt_first", Clock().now())
    assert mine is not None
    forums = ForumRows(Access(app))
    assert await forums.begin_forum(mine, "frm_1", "A", "a@example.org") == "frm_1"
    assert await forums.begin_forum(mine, "frm_2", "B", "a@example.org") == "frm_1"
    await forums.open_forum(mine.account, "frm_1")
    with pytest.raises(TakenError):
        await forums.begin_forum(mine, "frm_3", "C", "a@example.org")


async def test_the_saga_notes_what_the_services_need(
    app: Database, people: People, database: Made
) -> None:
    mine = await people.by_token("prt_first", Clock().now())
    assert mine is not None
    forums = ForumRows(Access(app))
    for _ in range(2):  # each step may be repeated
        await forums.attach_forum(mine.account, "frm_1", "A", "a@example.org")
    worker_login = Database(database.worker_url, "worker")
    worker = Worker(worker_login)
    try:
        assert await worker.noted() == 8
        keys = []
        async with worker_login.transaction() as connection:
            rows = await connection.fetch(
                "SELECT DISTINCT key FROM config.outbox ORDER BY key DESC"
            )
        for found in await worker.documents([row["key"] for row in rows]):
            for key, document in found:
                keys.append(key.partition(".")[0])
                assert document.version > 0
                assert not document.deleted
        assert keys == ["rule", "ruleset", "mailbox", "domain", "address"]
        (((_, gone),),) = await worker.documents(["address nobody@example.org"])
        assert gone.deleted
        assert gone.version > document.version
    finally:
        await worker_login.close()
