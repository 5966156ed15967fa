"""What a mail about a copy means for it."""

import pytest

from postroom_forum_bridge.domain.returns import STATES, Return, meaning
from postroom_mail.values import Complaint, Fate, Report

BEN = "Ben@Example.net"


def told(kind, *fates, complaint=None):
    return meaning(Report(kind=kind, fates=fates, complaint=complaint), BEN)


def fate(action, status="", recipient="ben@example.net", **more):
    return Fate(action=action, status=status, recipient=recipient, **more)


@pytest.mark.parametrize(
    ("one", "kind", "status", "state"),
    [
        (fate("failed", "5.1.1"), "hard", "5.1.1", "bounced"),
        (fate("failed", "4.4.7"), "soft", "4.4.7", "bounced"),
        (fate("failed", ""), "hard", "5.0.0", "bounced"),
        (fate("failed", "2.0.0"), "hard", "5.0.0", "bounced"),
        (fate("delayed", "4.4.1"), "delayed", "4.4.1", None),
        (fate("delayed", "5.4.1"), "delayed", "5.4.1", None),
        (fate("delivered", "2.0.0"), "delivered", "2.0.0", None),
        (fate("relayed", "2.0.0"), "delivered", "2.0.0", None),
        (fate("expanded", "2.0.0"), "delivered", "2.0.0", None),
    ],
)
def test_a_delivery_status_of_the_copys_own_address(one, kind, status, state):
    found = told("delivery", one)
    assert (found.kind, found.status, STATES.get(found.kind)) == (kind, status, state)


def test_what_is_said_of_our_address_counts_before_what_is_said_of_others():
    found = told(
        "delivery",
        fate("failed", "5.1.1", "ann@example.net"),
        fate("delivered", "2.0.0", "x@elsewhere.example", original="ben@example.net"),
    )
    assert found.kind == "delivered"


def test_the_worst_of_several_counts():
    found = told("delivery", fate("delivered", "2.0.0"), fate("failed", "5.2.2", words="full"))
    assert found == Return(kind="hard", status="5.2.2", words="full")


def test_of_an_address_that_ours_led_to_it_is_not_said_that_ours_does_not_exist():
    found = told("delivery", fate("failed", "5.1.1", "b@elsewhere.example", words="no such user"))
    assert found == Return(kind="hard", status="5.0.0", words="b@elsewhere.example: no such user")
    assert told("delivery", fate("failed", "4.4.7", "b@elsewhere.example")).status == "4.4.7"


def test_a_status_without_an_address_is_of_the_one_recipient_that_there_was():
    assert told("delivery", fate("failed", "5.1.1", "")).status == "5.1.1"


def test_a_guess_counts_where_it_names_the_copys_address_alone():
    assert told("guess", fate("failed")).kind == "hard"
    assert told("guess", fate("delayed")).kind == "delayed"
    assert told("guess", fate("failed", recipient="ann@example.net")).kind == "unknown"


def test_what_is_no_bounce_changes_nothing():
    for kind in ("answer", "none"):
        assert told(kind).kind not in STATES
    no_spam = Complaint(kind="not-spam", recipients=(), sender="")
    assert told("complaint", complaint=no_spam).kind not in STATES


def test_a_complaint():
    found = told("complaint", complaint=Complaint(kind="abuse", recipients=(), sender=""))
    assert found == Return(kind="complaint", words="its reader complained: abuse")
