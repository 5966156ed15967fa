"""What lists, headers and the filter say, and what comes of it together."""

import pytest

from postroom_contract.mail import Authentication
from postroom_contract.rules import Reason
from postroom_mail.read import read
from postroom_rules.domain.rating import (
    Lists,
    Opinion,
    by_headers,
    by_lists,
    by_rspamd,
    rated,
    score_of,
)

NOBODY = Authentication()


@pytest.mark.parametrize(
    ("value", "score"),
    [
        ("YES", 95), ("No", 5), ("true", 95), ("perhaps", None), ("", None),
        ("Yes, score=10.0 required=5.0 tests=BAYES_99", 100),
        ("No, score=2.5 required=5.0 tests=X", 45),
        ("No, hits=-4.9 required=5.0", 0),
        ("score=5", 90),
        ("*****", 90), ("+", 18),
        ("default: False [3.00 / 15.00]; R_SPF(0.0)", 18),
        ("Spam, tests=bogofilter, spamicity=0.970000, version=1.2", 97),
        ("Ham, tests=bogofilter, spamicity=0.000000", 0),
        ("SFV:SPM;SCL:5;CTRY:", 90), ("SCL:-1", 0),
        ("12.3", 100), ("7", None),
        # What anybody can write: numbers that are none to compute with.
        (f"score={'9' * 400} required={'9' * 400}", 90), (f"[{'9' * 400} / {'9' * 400}]", None),
        ("No, score=3 required=0", 95), (f"spamicity={'1' * 30}", 100),
    ],
)  # fmt: skip
def test_verdict_headers_are_understood(value: str, score: int | None) -> None:
    assert score_of(value) == score


def test_only_trusted_fields_count_and_of_each_the_topmost() -> None:
    mail = read(b"X-Spam-Flag: NO\r\nX-Spam-Flag: YES\r\nX-Bogosity: Spam\r\n\r\n")
    (found,) = by_headers(mail, ["x-spam-flag", "X-Other"])
    assert (found.source, found.score) == ("header", 5)
    assert found.reasons == (Reason(source="header", words="x-spam-flag: NO", weight=-4.5),)


def test_lists_know_addresses_domains_and_what_is_below_them() -> None:
    lists = Lists(frozenset({"example.net", "x@example.com"}), frozenset({"evil.example"}))

    def says(
        sender: str, envelope: str = "", authentication: Authentication = NOBODY
    ) -> int | None:
        found = by_lists(lists, [sender], envelope, authentication)
        return found.score if found else None

    assert says("anna@Example.NET") == says("a@deep.example.net") == says("X@example.com") == 0
    assert says("y@example.com") is None
    assert says("a@badexample.net") is None
    assert says("a@x.evil.example") == says("a@example.org", "b@evil.example") == 100
    # Blocked outweighs allowed, and a forged author is not allowed.
    assert says("anna@example.net", "b@evil.example") == 100
    assert says("anna@example.net", authentication=Authentication(dmarc="fail")) is None
    assert says("") is None


def test_a_list_decides_alone_and_else_the_surest() -> None:
    sure = Opinion("filter", 99, (Reason(source="filter", words="pills", weight=4.0),))
    unsure = Opinion("header", 45, (Reason(source="header", words="X: no", weight=-0.5),))
    allowed = Opinion("list", 0, (Reason(source="list", words="allowed: x", weight=-10.0),))
    assert rated([]).score is None
    both = rated([unsure, sure], model=7, learnt_spam=1, learnt_ham=2)
    assert both.score == 99
    assert [one.words for one in both.reasons] == ["pills", "X: no"]
    assert (both.model, both.learnt_spam, both.learnt_ham) == (7, 1, 2)
    listed = rated([sure, allowed])
    assert listed.score == 0
    assert [one.words for one in listed.reasons] == ["allowed: x"]


def test_rspamd_is_measured_by_its_own_threshold() -> None:
    found = by_rspamd(7.5, 15.0, [("BAYES_SPAM", 5.1), ("R_SPF_ALLOW", -0.2)])
    assert found.score == 45
    assert [one.words for one in found.reasons] == ["BAYES_SPAM", "R_SPF_ALLOW"]
    assert by_rspamd(3.0, 0.0, []).score == 95
