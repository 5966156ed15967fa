"""What the ledger says of what was stored, over a real database, by who asks."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from postroom_api.completeness import Completeness
from postroom_api.domain.ledger import outcome
from postroom_api.domain.values import Principal
from postroom_api.postgres.ledger import AllLedgerRows, LedgerRows
from postroom_api.postgres.people import DEFAULT_ACCOUNT
from postroom_api.postgres.worker_removal import RemovalRows
from postroom_contract.ledger import ListStored, StoredMail, StoredMails
from postroom_runtime.clock import Clock
from postroom_runtime.postgres import Database

from .conftest import Desks, Somebody

NOW = datetime.now(tz=UTC)
AN_HOUR_AGO = NOW - timedelta(hours=1)


class Fetcher:
    """Another service that stored these."""

    def __init__(self, *mails: StoredMail) -> None:
        self.mails = mails

    async def ask(self, request: Any) -> Any:
        raise NotImplementedError

    async def ask_patiently(self, request: ListStored, seconds: float) -> Any:
        since = request.since
        return StoredMails(
            mails=tuple(
                m for m in self.mails if m.id > request.after and (since is None or m.at >= since)
            )
        )


@pytest.fixture
async def worker(desks: Desks) -> AsyncIterator[Database]:
    made = Database(desks.database.worker_url, "worker")
    yield made
    await made.close()


async def decided(worker: Database, id_: str, mailbox: str, account: str = DEFAULT_ACCOUNT) -> None:
    async with worker.transaction() as connection:
        await connection.execute(
            "INSERT INTO config.message (id, account, mailbox, received_at, recipient,"
            " envelope_sender, from_name, from_address, subject, size, importance, stream,"
            " sequence, event) VALUES ($1, $2, $3, now(), '', '', '', '', '', 1, 'normal',"
            " 'INTAKE_0', 1, '{}')",
            id_, account, mailbox,
        )  # fmt: skip


async def aside(worker: Database, message: str) -> None:
    async with worker.transaction() as connection:
        await connection.execute(
            "INSERT INTO config.set_aside (id, account, service, subject, reason, deliveries,"
            " sequence, stored_at, original_stream, original_sequence, message_id)"
            " VALUES ('dead_' || $2, $1, 'rules', 'x', 'x', 1, 1, now(), 'INTAKE_0', 1, $2)",
            DEFAULT_ACCOUNT,
            message,
        )


async def box(worker: Database, id_: str, owner: Principal, account: str = DEFAULT_ACCOUNT) -> None:
    async with worker.transaction() as connection:
        await connection.execute(
            "INSERT INTO config.mailbox (id, account, name, owner, kind, source)"
            " VALUES ($1, $2, 'Own', $3, 'user', 'imap')",
            id_,
            account,
            owner.id,
        )


async def test_an_owner_is_told_what_was_set_aside_and_a_stranger_nothing(
    desks: Desks, somebody: Somebody, worker: Database
) -> None:
    anna = await somebody("anna")
    stranger = await somebody("ben", account="acc_other")
    await box(worker, "mbx_own", anna)
    await decided(worker, "msg_a", "mbx_own")
    await aside(worker, "msg_b")
    stored = [StoredMail("msg_a", AN_HOUR_AGO), StoredMail("msg_b", AN_HOUR_AGO)]
    rows = LedgerRows(desks.access)
    for who in (desks.admin, anna):
        found = outcome(stored, *await rows.found(who, ["msg_a", "msg_b"]), NOW)
        assert (found.decided, found.set_aside, found.missing) == (1, 1, []), who.name
    assert await rows.found(stranger, ["msg_a", "msg_b"]) == (set(), set())


async def test_a_removed_account_misses_nothing(
    desks: Desks, somebody: Somebody, worker: Database
) -> None:
    ben = await somebody("ben", account="acc_gone")
    await box(worker, "mbx_z", ben, "acc_gone")
    await decided(worker, "msg_z", "mbx_z", "acc_gone")
    fetcher = Fetcher(StoredMail("msg_z", AN_HOUR_AGO, "mbx_z"))
    completeness = Completeness(fetcher, AllLedgerRows(worker), Clock())
    assert await completeness.compare() == []
    removal = RemovalRows(worker)
    await removal.delete_configuration("acc_gone")
    await removal.delete_rest("acc_gone")
    assert await completeness.compare() == []


async def test_what_is_missing_is_counted_until_it_is_found(desks: Desks, worker: Database) -> None:
    await box(worker, "mbx_own", desks.admin)
    fetcher = Fetcher(StoredMail("msg_m", AN_HOUR_AGO, "mbx_own"))
    completeness = Completeness(fetcher, AllLedgerRows(worker), Clock())
    assert await completeness.compare() == ["msg_m"]
    fetcher.mails = (StoredMail("msg_m", NOW - timedelta(days=3), "mbx_own"),)
    assert await completeness.compare() == ["msg_m"]
    await decided(worker, "msg_m", "mbx_own")
    assert await completeness.compare() == []
