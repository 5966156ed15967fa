"""What was stored is decided about, set aside, waiting or missing: one of them, and all of it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client import REGISTRY

from postroom_api.completeness import Completeness
from postroom_api.domain.ledger import outcome, together
from postroom_contract.ledger import MOST_IDS, Ledger, ListStored, StoredMail, StoredMails
from postroom_runtime.clock import Clock

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def mail(name: str, minutes: int) -> StoredMail:
    return StoredMail(name, NOW - timedelta(minutes=minutes))


def test_each_mail_is_in_one_place() -> None:
    stored = [
        mail("a", 60),
        mail("b", 60),
        mail("c", 60),
        mail("d", 1),
        mail("e", 60),
        mail("f", 30),
    ]
    found = outcome(stored, {"a", "e", "other"}, {"b", "e"}, NOW)
    assert (found.decided, found.set_aside, found.waiting) == (2, 1, 1)
    assert [one.id for one in found.missing] == ["c", "f"]
    all_ = together(
        Ledger(seen=8, stored=6, left=2), [found, outcome([mail("g", 99)], (), (), NOW)]
    )
    assert (all_.decided, all_.set_aside, all_.waiting, all_.missing) == (2, 1, 1, 3)
    assert [one.id for one in all_.missing_mails] == ["g", "c", "f"]
    assert all_.seen == 8


def test_nothing_stored_is_nothing_missing() -> None:
    assert together(Ledger(), [outcome([], (), (), NOW)]).missing == 0


class Fetcher:
    """Another service that lists what it stored, in pages."""

    def __init__(self, mails: list[StoredMail]) -> None:
        self.mails = sorted(mails, key=lambda one: one.id)
        self.asked: list[ListStored] = []

    async def ask(self, request: Any) -> Any:
        raise NotImplementedError

    async def ask_patiently(self, request: Any, seconds: float) -> Any:
        self.asked.append(request)
        behind = [one for one in self.mails if one.id > request.after]
        return StoredMails(mails=tuple(behind[:MOST_IDS]))


class Rows:
    """What the log has."""

    def __init__(self, decided: set[str], aside: set[str]) -> None:
        self.decided, self.aside = decided, aside

    async def found(self, ids: Sequence[str]) -> tuple[set[str], set[str]]:
        return self.decided & set(ids), self.aside & set(ids)

    async def mailboxes(self, ids: Sequence[str]) -> set[str]:
        return set(ids)


async def test_the_number_that_is_watched() -> None:
    now = Clock().now()
    many = [StoredMail(f"msg_{n:06}", now - timedelta(hours=1)) for n in range(MOST_IDS + 5)]
    decided = {one.id for one in many} - {"msg_000003", "msg_000004", f"msg_{MOST_IDS + 1:06}"}
    fetcher = Fetcher(many)
    completeness = Completeness(fetcher, Rows(decided, {"msg_000004"}), Clock())
    assert await completeness.compare() == ["msg_000003", f"msg_{MOST_IDS + 1:06}"]
    assert REGISTRY.get_sample_value("postroom_mails_missing") == 2
    assert [one.after for one in fetcher.asked] == ["", f"msg_{MOST_IDS - 1:06}"]
    completeness = Completeness(Fetcher([StoredMail("msg_x", now)]), Rows(set(), set()), Clock())
    assert await completeness.compare() == []
    assert REGISTRY.get_sample_value("postroom_mails_missing") == 0
    assert REGISTRY.get_sample_value("postroom_mails_waiting") == 1
