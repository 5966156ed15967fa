"""The list of mailboxes: filters, order, search, pages, counters, and how Postgres goes about it."""

import re
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
import pytest

from postroom_api.domain.cursors import CursorError
from postroom_api.domain.grids import GridQuery
from postroom_api.domain.mailbox_settings import MailboxSettings, Source
from postroom_api.domain.values import Principal
from postroom_api.postgres.access import Access
from postroom_api.postgres.deleted_mailboxes import DeletedMailboxes
from postroom_api.postgres.grid import Grid
from postroom_api.postgres.log import Log
from postroom_api.postgres.people import DEFAULT_ACCOUNT
from postroom_api.postgres.users import Users
from postroom_runtime.postgres import Database
from support.many_mailboxes import BIG, fill

MAIL = """
    INSERT INTO config.message (id, account, mailbox, received_at, recipient, envelope_sender,
        from_name, from_address, subject, size, importance, stream, sequence, event, read)
    VALUES ($1, $2, $3, now(), '', '', '', '', '', $4, 'normal', 'INTAKE_0', 1, '{}', $5)
"""


@pytest.fixture
async def boxes(desks: Any) -> dict[str, str]:
    """Name → id of some mailboxes."""
    made = {}
    for name, source in (
        ("Büro Nord", Source(type="imap", host="imap.nord.example", login="office", password="x")),
        ("anna", Source(type="pop3", host="pop.example.com", login="anna.berg@mail.example", password="x")),
        ("Support", Source(type="smtp", addresses=["help@example.org", "hilfe@example.org"])),
        ("Zeta", Source(type="smtp")),
    ):  # fmt: skip
        box = await desks.office.add_mailbox(desks.admin, MailboxSettings(name=name, source=source))
        made[name] = box.id
    return made


async def names(desks: Any, who: Principal | None = None, **query: Any) -> list[str]:
    page = await desks.office.grid(who or desks.admin, GridQuery(**query), None, 200)
    return [box.name for box in page.data]


async def test_filters_orders_and_words(desks, boxes) -> None:
    assert await names(desks) == ["anna", "Büro Nord", "Support", "Zeta"]
    assert await names(desks, sort="-name") == ["Zeta", "Support", "Büro Nord", "anna"]
    assert await names(desks, type="smtp") == ["Support", "Zeta"]
    assert await names(desks, kind="user") == []
    assert await names(desks, orphaned=True) == []
    assert len(await names(desks, orphaned=False)) == 4
    for search, found in (
        ("büro", ["Büro Nord"]),
        ("BÜ", ["Büro Nord"]),
        ("office", ["Büro Nord"]),
        ("imap.nord", ["Büro Nord"]),
        ("anna.b", ["anna"]),
        ("berg anna", ["anna"]),
        ("hilfe@exam", ["Support"]),
        ("example", ["anna", "Büro Nord", "Support"]),
        ("example zeta", []),
        ("%", []),
        ("'; --", []),
        ("  ", ["anna", "Büro Nord", "Support", "Zeta"]),
    ):
        assert await names(desks, search=search) == found, search
    moved = msgspec.structs.replace(
        (await desks.office.mailbox(desks.admin, boxes["Support"])).source, addresses=["new@example.net"]
    )  # fmt: skip
    settings = MailboxSettings(name="Help", source=Source(type="smtp", addresses=moved.addresses))
    await desks.office.change_mailbox(desks.admin, boxes["Support"], settings)
    assert await names(desks, search="hilfe") == []
    assert await names(desks, search="support") == []
    assert await names(desks, search="new help") == ["Help"]


async def test_pages_follow_one_another_in_any_order(desks, boxes) -> None:
    for sort in ("name", "-name", "checked", "-volume", "unread"):
        query, seen, cursor = GridQuery(sort=sort), [], None
        for _ in range(4):
            page = await desks.office.grid(desks.admin, query, cursor, 1)
            seen += [box.id for box in page.data]
            cursor = page.next_cursor
        assert cursor is None
        assert set(seen) == set(boxes.values())
    first = await desks.office.grid(desks.admin, GridQuery(), None, 1)
    for query, cursor in (
        (GridQuery(sort="-name"), first.next_cursor),
        (GridQuery(), "nonsense"),
        (GridQuery(), "WzEsMiwzXQ"),
    ):
        with pytest.raises(CursorError):
            await desks.office.grid(desks.admin, query, cursor, 1)


async def test_states_and_counters_follow_in_the_transaction_of_the_change(desks, boxes) -> None:
    nord = boxes["Büro Nord"]
    worker = await asyncpg.connect(desks.database.worker_url)

    async def row() -> tuple[Any, ...]:
        box = await desks.office.mailbox(desks.admin, nord)
        state = await worker.fetchval(
            "SELECT state FROM config.mailbox_summary WHERE mailbox = $1", nord
        )
        assert state == box.state, "the grid and the mailbox say the same"
        return box.state, box.mails, box.bytes, box.unread

    assert await row() == ("new", 0, 0, 0)
    await worker.execute(MAIL, "msg_1", DEFAULT_ACCOUNT, nord, 1000, False)
    await worker.execute(MAIL, "msg_2", DEFAULT_ACCOUNT, nord, 500, True)
    assert await row() == ("new", 2, 1500, 1)
    await worker.execute("UPDATE config.message SET deleted_at = now() WHERE id = 'msg_1'")
    assert await row() == ("new", 2, 1500, 0)
    async with desks.access.principal(desks.admin) as connection:  # as restoring does it
        await connection.execute("UPDATE config.message SET deleted_at = NULL WHERE id = 'msg_1'")
    assert await row() == ("new", 2, 1500, 1)
    for state in ("unreachable", "idle"):
        await worker.execute(
            "INSERT INTO config.mailbox_check VALUES ($1, $2, $3, NULL, now(), NULL, 0, 0, '[]')"
            " ON CONFLICT (mailbox) DO UPDATE SET state = excluded.state", nord, DEFAULT_ACCOUNT, state,
        )  # fmt: skip
        assert (await row())[0] == state
    assert await names(desks, state="idle") == ["Büro Nord"]
    assert await names(desks, sort="-unread") == [
        "Büro Nord",
        *(await names(desks, sort="-unread"))[1:],
    ]
    await desks.office.switch_mailbox(desks.admin, nord, active=False)
    assert (await row())[0] == "paused"
    assert await names(desks, active=False) == ["Büro Nord"]
    await desks.office.switch_mailbox(desks.admin, nord, active=True)
    assert (await row())[0] == "idle"
    await worker.execute("DELETE FROM config.message WHERE id = 'msg_1'")
    assert (await row())[1:] == (1, 500, 0)
    await desks.office.delete_mailbox(desks.admin, nord)
    for table in ("mailbox_summary", "mailbox_word"):
        assert (
            await worker.fetchval(f"SELECT count(*) FROM config.{table} WHERE mailbox = $1", nord)
            == 0
        )
    await worker.close()


async def test_a_bulk_call_answers_for_each(desks, boxes, somebody) -> None:
    anna = await somebody("anna")
    ids = [boxes["Support"], "mbx_none", boxes["anna"]]
    answers = await desks.office.bulk(desks.admin, "pause", ids)
    assert [(one.done, one.code) for one in answers] == [
        (True, None), (False, "not_found"), (True, None),
    ]  # fmt: skip
    assert await names(desks, active=False) == ["anna", "Support"]
    await desks.office.bulk(desks.admin, "activate", ids)
    assert await names(desks, active=False) == []
    received = await desks.office.bulk(desks.admin, "receive", [boxes["Support"]])
    assert received[0].code == "conflict", "mail comes there by itself"
    assert [one.code for one in await desks.office.bulk(anna, "delete", ids)] == ["not_found"] * 3
    gone = await desks.office.bulk(desks.admin, "delete", [boxes["Zeta"], boxes["anna"]])
    assert all(one.done for one in gone)
    assert await names(desks) == ["Büro Nord", "Support"]


async def test_people_find_their_own_and_what_is_shared(desks, boxes, somebody) -> None:
    anna = await somebody("anna")
    assert await names(desks, anna) == []
    assert await names(desks, anna, search="example") == []
    async with desks.access.principal(desks.admin) as connection:
        await connection.execute(
            "INSERT INTO config.mailbox_share VALUES ($1, $2, $3, 'read', $4)",
            boxes["Support"], anna.id, anna.account, desks.admin.id,
        )  # fmt: skip
    assert await names(desks, anna) == ["Support"]
    assert await names(desks, anna, search="hilfe") == ["Support"]
    async with desks.access.principal(anna) as connection:
        words = await connection.fetch("SELECT DISTINCT mailbox FROM config.mailbox_word")
        assert {row["mailbox"] for row in words} == {boxes["Support"]}
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("UPDATE config.mailbox_summary SET unread = 0")


LARGE = re.compile(
    r"Seq Scan on (mailbox|mailbox_summary|mailbox_word|mailbox_check|address|person|message)\b"
)


async def other_lists(access: Access, who: Principal, mailbox: str) -> None:
    """The message log, of all and of one mailbox, what can be brought back, and people."""
    log = Log(access)
    page = await log.messages(who, None, 50)
    if page.next_cursor:
        await log.messages(who, page.next_cursor, 50)
    await log.messages(who, None, 50, mailbox=mailbox)
    await log.messages(who, None, 50, deleted=True)
    await DeletedMailboxes(access).all(who, datetime.now(tz=UTC))
    if who.administrator:
        await Users(access).page(who, "", None, 50)


async def test_no_list_or_search_reads_a_large_table_from_end_to_end(
    desks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 20,000 mailboxes, so that the planner has no reason to; as `app`, under row level security."""
    worker = await asyncpg.connect(desks.database.worker_url)
    owner = await asyncpg.connect(desks.database.owner_url)
    await fill(worker, owner, 20_000, 5)
    await worker.close()
    await owner.close()
    plans: list[tuple[str, str]] = []
    fetch, value = asyncpg.pool.PoolConnectionProxy.fetch, asyncpg.pool.PoolConnectionProxy.fetchval

    async def explain(self: Any, query: str, *arguments: Any) -> None:
        rows = await fetch(self, f"EXPLAIN {query}", *arguments)
        plans.append((query, "\n".join(row[0] for row in rows)))

    async def explained_fetch(self: Any, query: str, *arguments: Any) -> Any:
        await explain(self, query, *arguments)
        return await fetch(self, query, *arguments)

    async def explained_value(self: Any, query: str, *arguments: Any) -> Any:
        await explain(self, query, *arguments)
        return await value(self, query, *arguments)

    monkeypatch.setattr(asyncpg.pool.PoolConnectionProxy, "fetch", explained_fetch, raising=False)
    monkeypatch.setattr(
        asyncpg.pool.PoolConnectionProxy, "fetchval", explained_value, raising=False
    )
    app = Database(desks.database.app_url, "app")
    grid = Grid(Access(app))
    for role, person in (("account_administrator", "usr_boss"), ("user", f"usr_{BIG}_7")):
        who = Principal(account=BIG, id=person, email="", name="", role=role)  # type: ignore[arg-type]
        for query in (
            GridQuery(),
            GridQuery(sort="-checked"),
            GridQuery(sort="-volume"),
            GridQuery(sort="unread"),
            GridQuery(state="unreachable"),
            GridQuery(owner=f"usr_{BIG}_7"),
            GridQuery(orphaned=True),
            GridQuery(search="anna"),
            GridQuery(search="example"),
            GridQuery(search="greta hahn post"),
        ):
            page = await grid.page(who, query, None, 50)
            if page.next_cursor:
                await grid.page(who, query, page.next_cursor, 50)
        await other_lists(Access(app), who, page.data[0].id if page.data else "mbx_x")
    await app.close()
    assert len(plans) > 40
    for query, plan in plans:
        assert not LARGE.search(plan), f"{query}\n{plan}"
