"""Few refusals are told of one by one, a flood in sums."""

import pytest

from postroom_smtp.domain.refusals import (
    EACH_SECOND,
    ELSEWHERE,
    MOST_SUMS,
    SUM_SECONDS,
    Refusal,
    Refusals,
    network_of,
)


def refusal(client: str = "192.0.2.7", reason: str = "relaying", account: str = "-") -> Refusal:
    return Refusal(client=client, reason=reason, reply="550 5.7.1 no", account=account, helo="x")


def test_ten_a_second_are_told_as_they_are_and_none_is_left_out() -> None:
    refusals = Refusals()
    told = [refusals.note(refusal(), 5.0 + n / 100) for n in range(50)]
    assert [one for one in told if one] == [refusal()] * EACH_SECOND
    assert refusals.note(refusal(), 6.0) == refusal(), "the next second has its own"
    assert refusals.sums(30.0) == []
    (rest,) = refusals.sums(5.2 + SUM_SECONDS)
    assert (rest.client, rest.count, rest.helo) == ("192.0.2.0/24", 50 - EACH_SECOND, "")
    assert refusals.sums(1_000.0) == []


def test_sums_are_by_network_reason_and_account() -> None:
    refusals = Refusals()
    for _ in range(EACH_SECOND):
        refusals.note(refusal(), 1.0)
    for one in (
        refusal("192.0.2.7"), refusal("192.0.2.250"), refusal("192.0.3.1"),
        refusal(reason="syntax"), refusal(account="acc_1"), refusal("2001:db8::1"),
        refusal("2001:db8::ffff:0:0:1"),
    ):  # fmt: skip
        assert refusals.note(one, 1.5) is None
    found = {(o.client, o.reason, o.account): o.count for o in refusals.sums(2.0, all_=True)}
    assert found == {
        ("192.0.2.0/24", "relaying", "-"): 2,
        ("192.0.3.0/24", "relaying", "-"): 1,
        ("192.0.2.0/24", "syntax", "-"): 1,
        ("192.0.2.0/24", "relaying", "acc_1"): 1,
        ("2001:db8::/64", "relaying", "-"): 2,
    }


def test_from_everywhere_at_once_they_cost_bounded_memory_and_are_all_counted() -> None:
    refusals = Refusals()
    for n in range(EACH_SECOND + 5 * MOST_SUMS):
        refusals.note(refusal(f"10.{n // 250}.{n % 250}.1"), 1.0)
    found = refusals.sums(2.0, all_=True)
    assert len(found) == MOST_SUMS + 1
    assert sum(one.count for one in found) == 5 * MOST_SUMS
    assert max(found, key=lambda one: one.count).client == ELSEWHERE


@pytest.mark.parametrize(
    ("client", "network"),
    [("::ffff:192.0.2.9", "192.0.2.0/24"), ("fe80::1%eth0", "fe80::/64"), ("", ""), ("?", "?")],
)
def test_a_network_of_what_is_no_address_is_that(client: str, network: str) -> None:
    assert network_of(client) == network
