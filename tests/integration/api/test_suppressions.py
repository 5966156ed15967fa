"""The suppression list: what fills it, what does not, and what smtp gets to know."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from postroom_api.domain.values import Principal
from postroom_api.http.problems import ProblemError
from postroom_api.http.suppressions import SuppressionDesk
from postroom_api.ports import StaleError
from postroom_api.postgres.access import Access
from postroom_api.postgres.log import Log
from postroom_api.postgres.people import DEFAULT_ACCOUNT, People
from postroom_api.postgres.suppressions import Suppressions
from postroom_api.postgres.worker import Worker
from postroom_contract.documents import SuppressedDocument, suppressed_key
from postroom_contract.events import DeliveryReported, DeliveryResult
from postroom_runtime.clock import Clock
from postroom_runtime.messages import Found
from postroom_runtime.postgres import Database
from support.servers import Database as Made

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BEN = "ben@example.net"


class Silent:
    async def settled(self, seconds: float) -> bool:
        return True


@dataclass
class Bench:
    """The projection on one side, the desk on the other."""

    worker: Worker
    desk: SuppressionDesk
    log: Log
    who: Principal
    told: int = 0
    serials: dict[str, int] = field(default_factory=dict)

    async def report(
        self,
        state: str,
        status: str = "",
        *,
        serial: int = 1,
        days: float = 0,
        to: str = BEN,
        account: str = DEFAULT_ACCOUNT,
        mail: str = "",
        attempt: int = 1,
    ) -> None:
        result = DeliveryResult(
            recipient=to, state=state, reply=f"words {status}", serial=serial, status=status
        )  # type: ignore[arg-type]  # one of the states
        event = DeliveryReported(
            id=f"evt_{self.told}", time=NOW + timedelta(days=days), account=account,
            scope="frm_garden", about="chk_1", source="smtp", correlation="c", causation="c",
            outbox="out_1", origin="pst_1", subject="Beans", message_id="a@x.example",
            chunk="chk_1", attempt=attempt, next_attempt_at=None, results=(result,), mail=mail,
        )  # fmt: skip
        position = await self.worker.position("test")
        found = Found("EVENTS", "x", position + 1, b"{}", {}, NOW)
        self.told += 1
        assert await self.worker.project("test", position, position + 1, [(found, event)])

    async def listed(self, search: str = "") -> list[tuple[str, str]]:
        found = await self.desk.page(self.who, search, None, None, 50)
        return [(one.address, one.reason) for one in found.data]

    async def noted(self) -> list[SuppressedDocument]:
        """What the relay would publish, in the order of its notes; the notes are taken away."""
        async with self.worker.database.transaction() as connection:
            rows = await connection.fetch(
                "WITH gone AS (DELETE FROM config.outbox RETURNING id, key)"
                " SELECT key FROM gone WHERE key LIKE 'suppressed %' ORDER BY id"
            )
        found = await self.worker.documents([row["key"] for row in rows])
        documents = [one for pairs in found for _, one in pairs]
        assert [key for pairs in found for key, _ in pairs] == [
            suppressed_key(one.account, one.address)
            for one in documents
            if isinstance(one, SuppressedDocument)
        ]
        return documents  # type: ignore[return-value]  # asserted by its keys


@pytest.fixture
async def bench(database: Made) -> AsyncIterator[Bench]:
    app, worker = Database(database.app_url, "app"), Database(database.worker_url, "worker")
    access = Access(app)
    people = People(access)
    await people.bootstrap("admin@example.org", "correct horse", "prt_t")
    who = await people.by_token("prt_t", Clock().now())
    assert who is not None
    made = Worker(worker)
    yield Bench(made, SuppressionDesk(Suppressions(access), Silent()), Log(access), who)
    await app.close()
    await worker.close()


async def test_an_address_that_does_not_exist_is_suppressed_at_once(bench: Bench) -> None:
    await bench.report("bounced", "5.1.1", to="Ben@Example.NET", mail="msg_1")
    (one,) = (await bench.desk.page(bench.who, "EN@EX", None, None, 50)).data
    assert (one.address, one.reason, one.status) == (BEN, "hard_bounce", "5.1.1")
    assert (one.words, one.since, one.added_by, one.count) == ("words 5.1.1", NOW, "", 1)
    (document,) = await bench.noted()
    assert (document.address, document.account, document.deleted) == (BEN, DEFAULT_ACCOUNT, False)


async def test_what_the_next_server_refuses_counts_like_what_comes_back(bench: Bench) -> None:
    await bench.report("failed", "5.1.1")
    assert await bench.listed() == [(BEN, "hard_bounce")]


async def test_a_failure_of_another_kind_has_to_happen_three_times_within_30_days(
    bench: Bench,
) -> None:
    await bench.report("bounced", "5.2.2", serial=1)
    await bench.report("bounced", "5.2.2", serial=1)  # the same copy
    await bench.report("bounced", "5.2.2", serial=2, days=20)
    await bench.report("bounced", "5.2.2", serial=3, days=31)  # the first is past
    assert await bench.listed() == []
    await bench.report("bounced", "5.2.2", serial=4, days=40)
    assert await bench.listed() == [(BEN, "hard_bounce")]


@pytest.mark.parametrize(
    ("state", "status"),
    [("bounced", "4.4.7"), ("failed", "5.7.1"), ("failed", ""), ("delivered", "2.0.0"),
     ("deferred", "4.2.0"), ("captured", ""), ("suppressed", "")],
)  # fmt: skip
async def test_what_says_nothing_of_the_address_never_suppresses(
    bench: Bench, state: str, status: str
) -> None:
    for serial in range(4):
        await bench.report(state, status, serial=serial)
    assert await bench.listed() == []
    assert await bench.noted() == []


async def test_a_complaint_suppresses_for_this_account_alone(bench: Bench) -> None:
    async with bench.worker.database.transaction() as connection:
        await connection.execute("INSERT INTO config.account (id, name) VALUES ('acc_two', 'Two')")
    await bench.report("complained", account="acc_two", mail="msg_1")
    assert await bench.listed() == []
    assert [one.account for one in await bench.noted()] == ["acc_two"]
    await bench.report("complained", mail="msg_2")
    assert await bench.listed() == [(BEN, "complaint")]


async def test_an_account_that_is_gone_and_an_address_of_ours_are_left_alone(bench: Bench) -> None:
    await bench.report("bounced", "5.1.1", account="acc_gone")
    async with bench.worker.database.transaction() as connection:
        await connection.execute(
            "INSERT INTO config.domain (domain, account) VALUES ('ours.example', $1)",
            DEFAULT_ACCOUNT,
        )
        await connection.execute(
            "INSERT INTO config.mailbox (id, account, name, kind, source) VALUES"
            " ('mbx_1', $1, 'One', 'system', 'smtp')",
            DEFAULT_ACCOUNT,
        )
        await connection.execute(
            "INSERT INTO config.address (address, account, mailbox, domain) VALUES"
            " ('a@ours.example', $1, 'mbx_1', 'ours.example')",
            DEFAULT_ACCOUNT,
        )
    await bench.report("failed", "5.1.1", to="a@ours.example")
    assert await bench.listed() == []


async def test_release_lets_it_begin_anew_and_both_are_audited(bench: Bench) -> None:
    await bench.report("bounced", "5.2.2", serial=1)
    await bench.report("bounced", "5.2.2", serial=2)
    await bench.report("bounced", "5.1.1", serial=3)
    (one,) = (await bench.desk.page(bench.who, "", None, None, 50)).data
    assert (one.count, await bench.listed("nobody")) == (3, [])
    await bench.report("complained", serial=3)
    again = await bench.desk.one(bench.who, one.id)
    assert (again.count, again.reason) == (4, "hard_bounce")

    with pytest.raises(StaleError):
        await bench.desk.release(bench.who, one.id, f'"{one.version}"')
    await bench.desk.release(bench.who, one.id, f'"{again.version}"')
    assert await bench.listed() == []
    assert [one.deleted for one in await bench.noted()] == [True, True]
    with pytest.raises(ProblemError):
        await bench.desk.release(bench.who, one.id)

    await bench.report("bounced", "5.1.1", serial=3)  # told again
    await bench.report("bounced", "5.2.2", serial=4)
    await bench.report("bounced", "5.2.2", serial=5)
    assert await bench.listed() == []
    await bench.report("bounced", "5.2.2", serial=6)
    assert await bench.listed() == [(BEN, "hard_bounce")]
    async with bench.worker.database.transaction() as connection:
        rows = await connection.fetch("SELECT action, detail FROM config.audit")
    assert [row["action"] for row in rows if row["action"].startswith("suppression")] == [
        "suppression.released"
    ]


async def test_by_hand(bench: Bench) -> None:
    made = await bench.desk.add(bench.who, " Ann@B\u00fccher.example ", "she\nasked")
    assert (made.address, made.words) == ("ann@xn--bcher-kva.example", "she asked")
    assert (made.reason, made.added_by) == ("by_hand", bench.who.name)
    assert [one.deleted for one in await bench.noted()] == [False]
    for address, status in (("ann@b\u00fccher.example", 409), ("nobody", 422)):
        with pytest.raises(ProblemError) as error:
            await bench.desk.add(bench.who, address, "")
        assert error.value.status == status


async def test_pages_follow_one_another(bench: Bench) -> None:
    for number in range(5):
        await bench.report(
            "failed", "5.1.1", serial=number, to=f"m{number}@example.net", days=number // 2
        )
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await bench.desk.page(bench.who, "", "hard_bounce", cursor, 2)
        seen += [one.address for one in page.data]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(seen) == [f"m{number}@example.net" for number in range(5)]
    assert seen[0] == "m4@example.net"
    assert (await bench.desk.page(bench.who, "", "complaint", None, 2)).data == []


async def test_only_those_who_manage_see_it(bench: Bench) -> None:
    import msgspec

    user = msgspec.structs.replace(bench.who, role="user")
    with pytest.raises(ProblemError):
        await bench.desk.page(user, "", None, None, 50)


async def test_what_a_mail_told_of_a_copy_stays(bench: Bench) -> None:
    await bench.report("deferred", "4.2.0", attempt=3)
    await bench.report("bounced", "5.2.1", mail="msg_1", attempt=0, days=1)
    await bench.report("delivered", "2.0.0", attempt=4, days=2)
    (copy,) = (await bench.log.deliveries(bench.who, None, 10)).data
    assert (copy.state, copy.status, copy.attempt) == ("bounced", "5.2.1", 3)
    await bench.report("complained", mail="msg_2", attempt=0, days=3)
    (copy,) = (await bench.log.deliveries(bench.who, None, 10)).data
    assert copy.state == "complained"


async def test_everything_is_published_anew_for_an_empty_bucket(bench: Bench) -> None:
    await bench.report("failed", "5.1.1")
    await bench.noted()
    await bench.worker.note_everything()
    assert [one.address for one in await bench.noted()] == [BEN]
