"""Marks of tickets, signatures and pauses of webhooks, settings of the spam filter."""

from datetime import UTC, datetime, timedelta

import pytest

from postroom_api.domain import spam_settings, tickets, webhooks
from postroom_api.domain.spam_settings import SpamSettings
from postroom_mail.address import AddressError

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def test_marks_are_found_in_subjects_and_taken_out() -> None:
    mark = tickets.mark_of(17, "x7k2pqrs")
    assert mark == "[#17-x7k2pqrs]"
    assert tickets.marks_in(f"Re: AW: {mark} Hello [#1-short] [#2-AAAAAAAA]") == [
        (17, "x7k2pqrs"), (2, "aaaaaaaa"),
    ]  # fmt: skip
    assert tickets.without_marks(f"Re: {mark}  Hello") == "Re: Hello"
    assert tickets.marks_in("[#1-aaaaaaaa]" * 9) == [(1, "aaaaaaaa")] * 5


def test_a_call_is_signed_as_the_standard_says() -> None:
    # The example of https://github.com/standard-webhooks/standard-webhooks (libraries' tests).
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    found = webhooks.signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_calls_are_tried_for_a_day() -> None:
    pauses = []
    for attempts in range(1, 20):
        again = webhooks.next_attempt(attempts, NOW)
        if again is None:
            break
        pauses.append(again - NOW)
    assert pauses[0] == timedelta(seconds=5)
    assert timedelta(hours=24) < sum(pauses, timedelta()) < timedelta(hours=36)
    assert pauses == sorted(pauses)


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://example.org/hook?x=1", True), ("http://127.0.0.1:9/", True),
        ("ftp://example.org/", False), ("https://", False), ("https://u:p@example.org/", False),
        ("https://example.org:0/", False), ("https://example.org:99999/", False),
        ("https://exämple.org/", False), ("https://example.org/\\r\\nX: y", False),
        ("https://example.org/" + "a" * 2_000, False),
    ],
)  # fmt: skip
def test_addresses_to_call(url: str, fine: bool) -> None:
    url = url.encode().decode("unicode_escape") if "\\\\" in url else url
    assert (webhooks.url_problem(url) == "") is fine


def test_entries_of_lists_are_addresses_or_domains() -> None:
    assert spam_settings.canonical_entry(" Anna@Example.NET ") == "anna@example.net"
    assert spam_settings.canonical_entry("@Example.NET") == "example.net"
    for wrong in ("", "@", "a b@example.org", "example..org", "x@"):
        with pytest.raises(AddressError):
            spam_settings.canonical_entry(wrong)


def test_settings_say_what_is_wrong_with_them() -> None:
    assert list(spam_settings.problems(SpamSettings())) == []
    wrong = SpamSettings(
        mark_at=90,
        quarantine_at=10,
        trusted_headers=["X Spam", "X-Ok"],
        blocked=["ok.example", "x@"],
    )
    where = [pointer for pointer, _ in spam_settings.problems(wrong)]
    assert where == ["/trusted_headers/0", "/quarantine_at", "/blocked/1"]
    full = SpamSettings(allowed=[f"x{n}.example" for n in range(2_001)])
    assert [pointer for pointer, _ in spam_settings.problems(full)] == ["/allowed"]
    kept = spam_settings.settled(SpamSettings(allowed=["B.example", "a.example", "b.EXAMPLE"]))
    assert kept.allowed == ["a.example", "b.example"]
