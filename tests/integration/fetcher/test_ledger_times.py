"""When a mail was stored, though it was deleted on its server days later."""

from datetime import UTC, datetime, timedelta

from postroom_contract.ledger import ListStored
from postroom_fetcher.postgres import PostgresSeen
from postroom_fetcher.postgres_ledger import PostgresLedger
from postroom_runtime.postgres import Database
from support.servers import Database as Made


async def test_deleting_later_does_not_change_when_it_was_stored(database: Made) -> None:
    fetch = Database(database.fetch_url, "fetch")
    try:
        async with fetch.transaction() as connection:
            await connection.execute(
                "INSERT INTO seen (mailbox, folder, uidvalidity, key, mail, sha256, size, state, at)"
                " VALUES ('mbx_a', 'INBOX', '1', '1', 'msg_a', 'x', 1, 'stored', now() - interval '7 days')"
            )
        await PostgresSeen(fetch).deleted("mbx_a", "INBOX", "1", ["1"])
        (mail,) = (
            await PostgresLedger(fetch).stored(ListStored(account="", mailbox="mbx_a"))
        ).mails
        assert datetime.now(tz=UTC) - mail.at > timedelta(days=6)
    finally:
        await fetch.close()
