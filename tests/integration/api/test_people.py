"""People, their links, factors, sessions and tokens as rows, and who may see them."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from postroom_api.domain import passwords
from postroom_api.domain.people import Refusal, User, UserChange
from postroom_api.domain.values import Principal
from postroom_api.ports import TakenError
from postroom_api.postgres.access import Access
from postroom_api.postgres.accounts import Accounts
from postroom_api.postgres.audit import Audit, AuditFilter
from postroom_api.postgres.factors import FactorRow, Factors
from postroom_api.postgres.links import Links
from postroom_api.postgres.own import Own
from postroom_api.postgres.people import DEFAULT_ACCOUNT, People, Visit
from postroom_api.postgres.tokens import Tokens
from postroom_api.postgres.users import Invitation, Users
from postroom_api.postgres.worker_removal import LARGE, NOTED, REST, RemovalRows
from postroom_runtime.clock import Clock
from postroom_runtime.postgres import Database
from support.servers import Database as Made

NOW = Clock().now()
CLOSE = UserChange(state="deactivated")
OPEN = UserChange(state="active")


@pytest.fixture
async def access(database: Made):
    made = Database(database.app_url, "app")
    yield Access(made)
    await made.close()


@pytest.fixture
async def people(access: Access) -> People:
    found = People(access)
    await found.bootstrap("admin@example.org", "correct horse", "prt_first")
    return found


@pytest.fixture
async def admin(people: People) -> Principal:
    found = await people.by_token("prt_first", NOW)
    assert found is not None
    return found


async def join(access: Access, admin: Principal, name: str, role: str = "user") -> Principal:
    """Somebody who was invited and came."""
    invited = Invitation(
        f"usr_{name}", f"{name}@example.org", name, role, passwords.hash_secret(f"link {name}"),  # type: ignore[arg-type]
        NOW + timedelta(days=7),
    )  # fmt: skip
    assert await Users(access).invite(admin, invited) is None
    hashed = passwords.hash_password(f"{name}'s password")
    assert await Links(access).use(f"link {name}", name.title(), hashed, NOW)
    signed_in = await People(access).sign_in(f"{name}@example.org", f"{name}'s password", NOW)
    assert signed_in is not None
    assert not signed_in.awaiting_code
    return signed_in.principal


async def test_an_invitation_is_taken_up_once(
    access: Access, people: People, admin: Principal
) -> None:
    users, links = Users(access), Links(access)
    until = NOW + timedelta(days=7)
    invited = Invitation(
        "usr_anna", "anna@example.org", "Anna", "user", passwords.hash_secret("old"), until
    )
    assert await users.invite(admin, invited) is None
    with pytest.raises(TakenError):
        await users.invite(admin, invited)
    assert await people.sign_in("anna@example.org", "", NOW) is None
    assert isinstance(
        await users.new_link(admin, "usr_anna", passwords.hash_secret("new"), until), User
    )
    assert await links.find("old", NOW) is None, "replaced"
    assert await links.find("new", until) is None, "too old"
    found = await links.find("new", NOW)
    assert found is not None
    assert (found.kind, found.email) == ("invitation", "anna@example.org")
    hashed = passwords.hash_password("tomatoes in may")
    uses = await asyncio.gather(*[links.use("new", "Anna B.", hashed, NOW) for _ in range(3)])
    assert [bool(use) for use in uses].count(True) == 1
    signed_in = await people.sign_in("Anna@Example.org", "tomatoes in may", NOW)
    assert signed_in is not None
    assert signed_in.principal.name == "Anna B."
    one = await users.one(admin, "usr_anna")
    assert one is not None
    assert (one.state, one.last_seen_at) == ("active", NOW)


async def test_who_is_deactivated_is_out_at_once_and_their_mailboxes_pause(
    access: Access, people: People, admin: Principal, database: Made
) -> None:
    users, tokens = Users(access), Tokens(access)
    anna, ben = [await join(access, admin, name) for name in ("anna", "ben")]
    signed_in = await people.sign_in("anna@example.org", "anna's password", NOW)
    assert signed_in is not None
    await tokens.add(anna, "tok_anna", "prt_anna", "cron", ["forums:read"], None)
    async with access.principal(anna) as connection:
        await connection.execute(
            "INSERT INTO config.mailbox (id, account, name, kind, source, owner, sealed_password)"
            " VALUES ('mbx_anna', $1, 'Anna', 'user', 'imap', 'usr_anna', 'sealed')",
            DEFAULT_ACCOUNT,
        )
    changed = await users.change(admin, anna.id, CLOSE)
    assert isinstance(changed, User)
    assert changed.state == "deactivated"
    assert await people.by_session(signed_in.secret, NOW) is None
    assert await people.by_token("prt_anna", NOW) is None
    assert await people.sign_in("anna@example.org", "anna's password", NOW) is None
    (orphan,) = await users.orphans(admin)
    assert (orphan.id, orphan.active, orphan.owner) == ("mbx_anna", False, "usr_anna")
    worker = await asyncpg.connect(database.worker_url)
    try:
        noted = await worker.fetch("SELECT key FROM config.outbox ORDER BY id")
        assert noted == [("mailbox mbx_anna",), ("person usr_anna",)]
        assert isinstance(await users.change(admin, anna.id, OPEN), User)
        paused = "SELECT active FROM config.mailbox WHERE id = 'mbx_anna'"
        assert await worker.fetchval(paused) is False, "nothing is resumed silently"
        assert await people.by_token("prt_anna", NOW) is None
        await users.change(admin, anna.id, CLOSE)
        refused = await users.hand_over(admin, "mbx_anna", "usr_anna", resume=True)
        assert isinstance(refused, Refusal)
        assert await users.hand_over(admin, "mbx_none", ben.id, resume=True) is None
        assert isinstance(await users.hand_over(admin, "mbx_anna", ben.id, resume=True), User)
        row = await worker.fetchrow("SELECT * FROM config.mailbox WHERE id = 'mbx_anna'")
        assert (row["owner"], row["active"], row["sealed_password"]) == (ben.id, True, "sealed")
    finally:
        await worker.close()
    assert await users.orphans(admin) == []


async def test_two_administrators_cannot_remove_each_other(
    access: Access, people: People, admin: Principal
) -> None:
    users = Users(access)
    anna = await join(access, admin, "anna", "administrator")
    outcomes = await asyncio.gather(
        users.change(admin, anna.id, CLOSE), users.change(anna, admin.id, CLOSE)
    )
    assert [isinstance(one, Refusal) for one in outcomes].count(True) == 1
    async with access.account(DEFAULT_ACCOUNT) as connection:
        left = await connection.fetchval(
            "SELECT count(*) FROM config.person WHERE role = 'administrator' AND state = 'active'"
        )
    assert left == 1


async def test_people_are_found_page_by_page(access: Access, admin: Principal) -> None:
    users = Users(access)
    for name in ("anna", "ben", "cleo"):
        await join(access, admin, name)
    first = await users.page(admin, "", None, 3)
    rest = await users.page(admin, "", first.next_cursor, 3)
    assert [user.email.partition("@")[0] for user in [*first.data, *rest.data]] == [
        "admin", "anna", "ben", "cleo",
    ]  # fmt: skip
    assert rest.next_cursor is None
    assert [user.name for user in (await users.page(admin, "BEN", None, 3)).data] == ["Ben"]
    assert (await users.page(admin, "%", None, 3)).data == []


async def test_a_plain_user_sees_themselves_only(access: Access, admin: Principal) -> None:
    anna, ben = [await join(access, admin, name) for name in ("anna", "ben")]
    factors, tokens = Factors(access), Tokens(access)
    await factors.begin(ben, "sealed")
    await tokens.add(ben, "tok_ben", "prt_ben", "x", ["forums:read"], None)
    assert await tokens.revoke(anna, "tok_ben") is False
    assert await Own(access).end_session(anna, ben.session) is False
    async with access.principal(anna) as connection:
        for table in ("person", "session", "token", "second_factor", "audit", "link"):
            own = await connection.fetchval(
                f"SELECT count(*) FROM config.{table} WHERE account = $1", DEFAULT_ACCOUNT
            )
            mine = "id" if table == "person" else "person"
            assert own == await connection.fetchval(
                f"SELECT count(*) FROM config.{table} WHERE {mine} = $1", anna.id
            ), table
        await connection.execute("UPDATE config.person SET role = 'user' WHERE id = 'usr_ben'")
    async with access.principal(admin) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                "INSERT INTO config.second_factor (person, account, sealed) VALUES ($1, $2, 'x')",
                anna.id,
                DEFAULT_ACCOUNT,
            )


def judge(step: int | None):
    def found(row: FactorRow) -> int | None:
        return step if step is None or step > row.last_step else None

    return found


async def test_a_second_factor_is_asked_for_and_no_code_is_taken_twice(
    access: Access, people: People, admin: Principal
) -> None:
    factors = Factors(access)
    hashes = [passwords.hash_secret(f"code {number}") for number in range(10)]
    assert await factors.begin(admin, "sealed")
    assert await factors.confirm(admin, judge(None), hashes, NOW) == "wrong"
    assert await factors.confirm(admin, judge(7), hashes, NOW) == "right"
    assert await factors.begin(admin, "another") is False, "it is on already"
    signed_in = await people.sign_in("admin@example.org", "correct horse", NOW)
    assert signed_in is not None
    assert signed_in.awaiting_code
    assert await people.by_session(signed_in.secret, NOW) is None, "opens nothing"
    assert await people.awaiting(signed_in.secret, NOW + timedelta(minutes=11)) is None
    assert await factors.attempt(admin, judge(7), "", NOW) == "wrong", "the code that confirmed"
    twice = await asyncio.gather(*[factors.attempt(admin, judge(8), "", NOW) for _ in range(4)])
    assert sorted(map(str, twice)) == ["right", "wrong", "wrong", "wrong"]
    codes = [factors.attempt(admin, judge(None), hashes[0], NOW) for _ in range(3)]
    assert sorted(map(str, await asyncio.gather(*codes))) == ["right", "wrong", "wrong"]
    assert await factors.codes_left(admin) == 9
    for _ in range(10):
        await factors.attempt(admin, judge(None), "", NOW)
    assert await factors.attempt(admin, judge(9), "", NOW) == "blocked"
    assert await factors.attempt(admin, judge(9), hashes[1], NOW) == "blocked"
    assert await factors.attempt(admin, judge(9), "", NOW + timedelta(minutes=16)) == "right"


async def test_a_session_waits_for_so_many_codes_only(
    access: Access, people: People, admin: Principal
) -> None:
    factors = Factors(access)
    await factors.begin(admin, "sealed")
    await factors.confirm(admin, judge(7), [], NOW)
    signed_in = await people.sign_in("admin@example.org", "correct horse", NOW)
    assert signed_in is not None
    visit = Visit("192.0.2.1", "x")
    left = [await people.miss(admin, signed_in.secret, visit) for _ in range(5)]
    assert left == [True, True, True, True, False]
    assert await people.awaiting(signed_in.secret, NOW) is None
    again = await people.sign_in("admin@example.org", "correct horse", NOW)
    assert again is not None
    done = await people.complete(admin, again.secret, NOW, visit)
    assert await people.awaiting(again.secret, NOW) is None
    assert await people.by_session(done.secret, NOW) is not None
    page = await Audit(access).entries(admin, AuditFilter(action="second_factor.failed"), None, 3)
    assert [entry.detail for entry in page.data] == [{"peer": "192.0.2.1"}] * 3
    rest = await Audit(access).entries(
        admin, AuditFilter(action="second_factor"), page.next_cursor, 50
    )
    names = [entry.action for entry in rest.data]
    assert names == ["second_factor.failed"] * 2 + ["second_factor.switched_on"]


async def test_a_token_ends_and_has_its_scopes(
    access: Access, people: People, admin: Principal
) -> None:
    tokens = Tokens(access)
    until = NOW + timedelta(days=1)
    await tokens.add(admin, "tok_1", "prt_1", "cron", ["forums:read"], until)
    who = await people.by_token("prt_1", NOW)
    assert who is not None
    assert who.scopes == ("forums:read",)
    assert await people.by_token("prt_1", until) is None
    first, bootstrap = await tokens.own(admin)
    assert (first.name, bootstrap.name) == ("cron", "bootstrap")
    assert first.last_used_at == NOW
    anna = await join(access, admin, "anna", "account_administrator")
    assert isinstance(await tokens.revoke_of(anna, "tok_1"), Refusal)
    assert await tokens.revoke_of(admin, "tok_1") is True
    assert await people.by_token("prt_1", NOW) is None


async def test_a_new_password_ends_the_other_sessions(
    access: Access, people: People, admin: Principal
) -> None:
    own = Own(access)
    here, there = [await people.sign_in("admin@example.org", "correct horse", NOW) for _ in "ab"]
    assert here is not None
    assert there is not None
    assert [row.current for row in await own.sessions(here.principal, NOW)].count(True) == 1
    await own.set_password(here.principal, passwords.hash_password("tomatoes in may"), NOW)
    assert await people.by_session(here.secret, NOW) == here.principal
    assert await people.by_session(there.secret, NOW) is None
    assert await people.sign_in("admin@example.org", "correct horse", NOW) is None


async def test_an_administrator_at_work_elsewhere_sees_that_account_and_comes_home(
    access: Access, people: People, admin: Principal
) -> None:
    accounts, users, tokens = Accounts(access), Users(access), Tokens(access)
    await accounts.create(admin, "acc_b", "Second")
    signed_in = await people.sign_in("admin@example.org", "correct horse", NOW)
    assert signed_in is not None
    await accounts.enter(signed_in.principal, "acc_b")
    there = await people.by_session(signed_in.secret, NOW)
    assert there is not None
    assert (there.account, there.belongs_to) == ("acc_b", DEFAULT_ACCOUNT)
    assert there.account_name == "Second"
    assert (await users.page(there, "", None, 50)).data == [], "the people there, and only these"
    refusal = await users.invite(
        there, Invitation("usr_x", "x@example.org", "X", "administrator", "h", NOW)
    )
    assert isinstance(refusal, Refusal)
    cleo = await join(access, there, "cleo", "account_administrator")
    assert cleo.account == "acc_b"
    assert [one.id for one in await accounts.all(cleo)] == ["acc_b"]
    assert await accounts.rename(cleo, "acc_b", "Mine") is False
    assert await accounts.remove(cleo, "acc_b", NOW) is False
    await tokens.add(there, "tok_b", "prt_b", "there", ["admin"], None)
    token = await people.by_token("prt_b", NOW)
    assert token is not None
    assert token.account == "acc_b", "a token works where it was made"
    assert await accounts.remove(admin, DEFAULT_ACCOUNT, NOW) is False
    assert await accounts.remove(admin, "acc_b", NOW) is True
    back = await people.by_session(signed_in.secret, NOW)
    assert back is not None
    assert back.account == DEFAULT_ACCOUNT
    assert await people.by_token("prt_b", NOW) is None
    assert await people.sign_in("cleo@example.org", "cleo's password", NOW) is None
    entries = (await Audit(access).entries(admin, AuditFilter(about="acc_b"), None, 50)).data
    assert [entry.action for entry in entries] == [
        "account.removed", "account.entered", "account.created",
    ]  # fmt: skip


async def test_nothing_of_a_removed_account_is_left(
    access: Access, people: People, admin: Principal, database: Made
) -> None:
    accounts = Accounts(access)
    await accounts.create(admin, "acc_b", "Second")
    worker_login = Database(database.worker_url, "worker")
    rows = RemovalRows(worker_login)
    worker = await asyncpg.connect(database.worker_url)
    try:
        tables = await worker.fetch(
            "SELECT table_name FROM information_schema.columns"
            " WHERE table_schema = 'config' AND column_name = 'account'"
        )
        known = {table for table, _ in NOTED} | set(LARGE) | set(REST)
        assert {row["table_name"] for row in tables} == known, "name it in worker_removal.py"
        await worker.execute(
            "INSERT INTO config.domain (domain, account) VALUES ('b.example', 'acc_b');"
            "INSERT INTO config.mailbox (id, account, name, kind, source)"
            " VALUES ('mbx_b', 'acc_b', 'B', 'system', 'smtp');"
            "INSERT INTO config.address (address, account, mailbox, domain)"
            " VALUES ('b@b.example', 'acc_b', 'mbx_b', 'b.example');"
            "INSERT INTO config.message (id, account, mailbox, received_at, recipient,"
            " envelope_sender, from_name, from_address, subject, size, importance, stream,"
            " sequence, event) SELECT 'msg_' || n, 'acc_b', 'mbx_b', now(), '', '', '', '', '', 1,"
            " 'normal', 'INTAKE_0', n, '{}' FROM generate_series(1, 5000) n"
        )
        assert await accounts.remove(admin, "acc_b", NOW)
        (closed,) = await rows.closed()
        for _ in range(2):  # each step may be repeated
            await rows.delete_configuration(closed.id)
            await rows.delete_rest(closed.id)
        await rows.forget(closed.id)
        for table in known | {"account"}:
            column = "id" if table == "account" else "account"
            left = await worker.fetchval(
                f"SELECT count(*) FROM config.{table} WHERE {column} = 'acc_b'"
            )
            assert left == 0, table
        keys = {row["key"] for row in await worker.fetch("SELECT key FROM config.outbox")}
        assert keys == {"domain b.example", "mailbox mbx_b", "address b@b.example"}
        assert await worker.fetchval("SELECT count(*) FROM config.account") == 1
    finally:
        await worker.close()
        await worker_login.close()
